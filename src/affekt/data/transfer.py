"""One file over HTTP: resumed where it broke off, retried when the line drops."""

from __future__ import annotations

import http.client
import re
import shutil
import ssl
import urllib.error
from pathlib import Path
from time import sleep
from urllib.parse import urlsplit

from affekt.addresses import open_address
from affekt.data.progress import Progress, no_progress
from affekt.errors import DataError

TIMEOUT = 30.0  # seconds without a byte
ATTEMPTS = 5  # in a row that bring nothing new
BLOCK_SIZE = 1 << 18  # bytes

_PASSING = frozenset(
    {408, 425, 429, 500, 502, 503, 504}
)  # errors that a later attempt may not meet
_LONGEST_WAIT = 60.0  # seconds


class NotServedError(DataError):
    """The server answers, but does not give this file."""


class _Interrupted(Exception):
    """The transfer broke off; another attempt may go on."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


def download(url: str, part: Path, progress: Progress = no_progress) -> None:
    """Bring a file to ``part``, going on from what is already there.

    Parameters
    ----------
    url : str
        http or https.
    part : Path
        Where the bytes go. Its folder must exist.
    progress : Progress
        Called with bytes.

    Raises
    ------
    DataError
        If the address is not http, the server cannot be reached, the transfer keeps breaking
        off, or the disk has no room. What came so far stays in ``part``.
    NotServedError
        If the server refuses the file, for instance because there is none.
    OSError
        If ``part`` cannot be written.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise DataError(f"{url!r} is not an http or https address")
    failures = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            _attempt(url, part, progress)
            _validator_of(part).unlink(missing_ok=True)
            return
        except _Interrupted as interruption:
            arrived = part.stat().st_size if part.exists() else 0
            failures = 1 if arrived > before else failures + 1
            if failures == ATTEMPTS:
                raise DataError(
                    f"{url}: {interruption} ({arrived:,} bytes are kept); run the command again "
                    f"to go on from there"
                ) from None
            sleep(max(interruption.wait, 0.5 * 2 ** (failures - 1)))


def _attempt(url: str, part: Path, progress: Progress) -> None:
    """Request the rest of a file once, and write it."""
    offset = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "affekt", "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if _validator_of(part).is_file():  # then all comes again where it has changed
            headers["If-Range"] = _validator_of(part).read_text(encoding="utf-8")
    try:
        with open_address(url, timeout=TIMEOUT, headers=headers) as answer:
            if answer.status == 206:
                _check_range(answer, url, offset)
            else:
                offset = 0
            _receive(answer, part, offset, progress)
    except urllib.error.HTTPError as error:
        with error:  # it is the answer as well, and holds the connection
            _judge_refusal(error, url, part, offset)
    except urllib.error.URLError as error:
        host = urlsplit(url).netloc
        raise _Interrupted(f"cannot reach {host}: {_reason(error.reason)}") from None
    except (http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
        raise _Interrupted(f"the connection broke: {_reason(error)}") from None


def _reason(error: object) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _check_range(answer: http.client.HTTPResponse, url: str, offset: int) -> None:
    """Refuse a partial answer that is not the requested part."""
    said = answer.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", said)
    is_rest = match is not None and int(match[1]) == offset > 0
    if match is not None and match[3] != "*":
        is_rest = is_rest and int(match[2]) == int(match[3]) - 1
    if not is_rest:
        wanted = f"bytes {offset}-" if offset else "all of it"
        raise DataError(
            f"{url}: the server sent {said[:60]!r} where {wanted} was requested; remove the file "
            f"that ends in .part and run the command again, or take another mirror"
        )


def _validator_of(part: Path) -> Path:
    """Return the file that keeps what tells one version of the content from another."""
    return part.with_name(f"{part.name}.version")


def _keep_validator(part: Path, answer: http.client.HTTPResponse) -> None:
    """Remember the version of what begins to come, as the server names it."""
    tag = answer.headers.get("ETag", "")
    if not tag or tag.startswith("W/"):  # a weak one may stand for other bytes
        tag = answer.headers.get("Last-Modified", "")
    part.unlink(missing_ok=True)  # its bytes are of another version
    if tag:
        _validator_of(part).write_text(tag, encoding="utf-8")
    else:
        _validator_of(part).unlink(missing_ok=True)


def _receive(answer: http.client.HTTPResponse, part: Path, offset: int, progress: Progress) -> None:
    """Write the body behind the first ``offset`` bytes of a file."""
    length = answer.headers.get("Content-Length")
    total = offset + int(length) if length is not None and length.isdigit() else None
    if total is not None and shutil.disk_usage(part.parent).free < total - offset:
        raise DataError(f"{part.parent} has no room for the {total - offset:,} bytes to come")
    if offset == 0:
        _keep_validator(part, answer)
    with (
        part.open("ab" if offset else "wb") as file,
        progress(f"Downloading {part.stem}, bytes", total) as advance,
    ):
        advance(offset)
        while block := answer.read1(BLOCK_SIZE):
            file.write(block)
            advance(len(block))
    arrived = part.stat().st_size
    if total is not None and arrived != total:
        raise _Interrupted(f"the connection closed at {arrived:,} of {total:,} bytes")


def _judge_refusal(error: urllib.error.HTTPError, url: str, part: Path, offset: int) -> None:
    """Return if the refusal means that nothing is left to fetch; raise otherwise."""
    if error.code == 416 and offset:
        total = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range", ""))
        if total is not None and int(total[1]) == offset:
            return
        part.unlink()
        raise _Interrupted("what had come does not fit the file on the server")
    if error.code in _PASSING:
        wait = error.headers.get("Retry-After", "")
        seconds = min(float(wait), _LONGEST_WAIT) if wait.isdigit() else 0.0
        raise _Interrupted(f"the server says {error.code} {error.reason}", seconds)
    raise NotServedError(f"{url}: the server says {error.code} {error.reason}")
