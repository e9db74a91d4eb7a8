"""Errors as clients meet them: in the shape that clients of OpenAI's interface know.

{"error": {"message": ..., "type": ..., "param": ..., "code": ...}}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

INVALID = "invalid_request_error"
_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "server_error",
}


class ApiError(Exception):
    """A request that is answered with an error.

    Parameters
    ----------
    status : int
        HTTP status.
    message : str
        What is wrong, and what to do.
    code : str
        For programs, e.g. ``"file_too_large"``.
    param : str, optional
        The field of the request that is at fault.
    retry_after : float, optional
        Seconds after which another attempt may succeed.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str,
        *,
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.retry_after = retry_after

    @property
    def body(self) -> dict[str, Any]:
        """The JSON that the client gets."""
        return {
            "error": {
                "message": self.message,
                "type": _TYPES.get(self.status, INVALID),
                "param": self.param,
                "code": self.code,
            }
        }

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers beside it."""
        headers = {}
        if self.retry_after is not None:
            headers["Retry-After"] = str(max(1, round(self.retry_after)))
        if self.status == 401:
            headers["WWW-Authenticate"] = 'Bearer realm="affekt"'
        return headers


def busy(retry_after: float = 1.0) -> ApiError:
    """Return the answer of a server that has as much to do as it will take on."""
    return ApiError(
        429, "the server is busy: try again later", "queue_full", retry_after=retry_after
    )


def overloaded() -> ApiError:
    """Return the answer to a request whose turn has not come in time."""
    return ApiError(503, "the server is overloaded: try again later", "overloaded", retry_after=5.0)
