"""Every error that affekt raises on purpose.

The message of each says what was wrong, where, and what to do; the command line
prints it as one line and exits with status 1, without a traceback.
"""

from __future__ import annotations


class AffektError(Exception):
    """Base of all errors raised on purpose."""


class AudioError(AffektError):
    """A recording cannot be read, or holds nothing that can be analysed."""


class DataError(AffektError):
    """A corpus, manifest or split is missing, incomplete or contradictory."""


class ConfigError(AffektError):
    """A recipe or an option has an unknown key or an impossible value."""


class ModelError(AffektError):
    """A model directory is missing, corrupt, or of a format this version cannot read."""


class ServerError(AffektError):
    """A server cannot be reached, or refuses a request.

    Parameters
    ----------
    message : str
    status : int
        HTTP status; 0 where there was no answer.
    code : str
        What was wrong, for programs, e.g. ``"invalid_audio"``; empty where the server does not say.
    """

    def __init__(self, message: str, *, status: int = 0, code: str = "") -> None:
        self.status = status
        self.code = code
        super().__init__(message)


class MissingExtraError(AffektError):
    """An optional dependency is not installed.

    Parameters
    ----------
    extra : str
        The extra of affekt that installs it, e.g. ``"train"``.
    package : str
        The import name that was not found.
    """

    def __init__(self, extra: str, package: str) -> None:
        self.extra = extra
        self.package = package
        super().__init__(
            f"this needs the package {package!r}, which is not installed: "
            f"pip install 'affekt[{extra}]'"
        )
