"""Open addresses of the web, where a redirect leads to https alone."""

from __future__ import annotations

import urllib.error
import urllib.request
from http.client import HTTPMessage, HTTPResponse
from ipaddress import ip_address
from typing import IO, cast
from urllib.parse import urlsplit


def open_address(
    address: str, *, timeout: float, headers: dict[str, str] | None = None
) -> HTTPResponse:
    """Ask for an address with GET.

    A server may send its caller on to https. To http it may not, where anybody on the way could
    put another file, except from this machine to itself; nor anywhere else.

    Raises
    ------
    urllib.error.HTTPError
        If the answer is an error, or a redirect that is not followed.
    urllib.error.URLError
        If the server cannot be reached.
    """
    opener = urllib.request.build_opener(_Redirects)
    request = urllib.request.Request(address, headers=headers or {})
    return cast(HTTPResponse, opener.open(request, timeout=timeout))


def is_loopback(address: str) -> bool:
    """Return whether an address is this machine's."""
    try:
        host = urlsplit(address).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https, and from this machine to itself."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Return the next request, or refuse it."""
        scheme = urlsplit(newurl).scheme
        local = is_loopback(newurl)
        if scheme not in (("https", "http") if local else ("https",)) or (
            local and not is_loopback(req.full_url)
        ):
            place = f"{scheme}://{urlsplit(newurl).netloc}"
            raise urllib.error.HTTPError(
                newurl, code, f"a redirect to {place}, which is not followed", headers, fp
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)
