"""Read a request's body into memory, under limits on size, time and number of parts.

Frameworks spool large uploads to temporary files; here no sound may touch a disk, so the parts
are collected in memory, which the limits bound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect, Request

from affekt.server.errors import ApiError
from affekt.server.service import Held
from affekt.server.settings import Limits

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_PARTS = 32
MAX_FIELD_BYTES = 4096
MAX_BASELINE_BYTES = 128 * 1024
"""Of the field ``baseline``: the numbers of an embedding, as text."""
CLIENT_LEFT = 499
"""The status in logs for a client that disconnected."""


@dataclass
class Form:
    """The parts of a multipart body.

    Attributes
    ----------
    file : bytes, bytearray or None
        The content of the part named ``file``.
    fields : dict of str to list of str
        The text of all others.
    """

    file: bytes | bytearray | None = None
    fields: dict[str, list[str]] = field(default_factory=dict)

    def one(self, name: str, default: str | None = None) -> str | None:
        """Return the value of a field that may be given once."""
        values = self.fields.get(name) or []
        if len(values) > 1:
            raise ApiError(400, f"{name!r} is given {len(values)} times", "repeated", param=name)
        return values[0] if values else default


async def read_form(request: Request, limits: Limits, held: Held) -> Form:
    """Read a ``multipart/form-data`` body.

    Raises
    ------
    ApiError
        415 for another type of body, 400 for a damaged one, 413 for one that is too large, 408
        for one that comes too slowly.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise ApiError(
            415, "send the recording as multipart/form-data, in the part 'file'", "not_multipart"
        )
    collector = _Collector()
    try:
        parser = MultipartParser(boundary, collector.callbacks())
        await _receive_body(request, limits, held, parser.write)
        parser.finalize()
    except FormParserError:
        raise _damaged() from None
    except BaseException:
        collector.drop()  # the error would keep it until the refusal is sent
        raise
    if not collector.ended:
        raise _damaged()
    return collector.form


async def read_body(
    request: Request, limits: Limits, held: Held, json_size: int | None
) -> bytearray:
    """Read a whole body of JSON, or of so many bytes of it and a tensor; errors as `read_form`."""
    content = bytearray()
    if json_size is not None:
        await _receive_body(request, limits, held, content.extend)
        if json_size > len(content):
            raise ApiError(400, "the body is shorter than its JSON is said to be", "damaged_body")
        return content
    too_long = too_large(limits.json_bytes, "the JSON", "send the tensor as binary data")
    await _receive_body(request, limits, held, content.extend, limits.json_bytes, too_long)
    return content


async def _receive_body(
    request: Request,
    limits: Limits,
    held: Held,
    take: Callable[[bytes], object],
    most: int | None = None,
    too_long: ApiError | None = None,
) -> None:
    """Hand on a body as it arrives, for as long as it keeps to the limits."""
    most = limits.upload_bytes if most is None else most
    too_long = too_long or too_large(most, "the upload", "send a shorter or compressed file")
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > most:
        raise too_long
    start, received = anyio.current_time(), 0
    # One scope for all of a body: its end moves on with what has come.
    with anyio.CancelScope(deadline=start + _patience(limits, 0)) as scope:
        try:
            async for chunk in request.stream():
                received += len(chunk)
                if received > most:
                    raise too_long
                held.add(len(chunk))
                take(chunk)
                scope.deadline = start + _patience(limits, received)
        except ClientDisconnect:
            raise ApiError(CLIENT_LEFT, "the client left", "client_left") from None
        return
    raise ApiError(408, "the upload is too slow", "upload_too_slow")


def _patience(limits: Limits, received: int) -> float:
    """Seconds from its start within which more of a body must come."""
    at_least = limits.slow_after_seconds + received / limits.slow_bytes_per_second
    return min(limits.upload_seconds, at_least)


class _Collector:
    """Puts the parser's pieces together."""

    def __init__(self) -> None:
        self.form = Form()
        self.ended = False
        self._parts = 0
        self._header = bytearray()
        self._value = bytearray()
        self._name = ""
        self._content = bytearray()

    def drop(self) -> None:
        """Forget what has come."""
        self.form, self._content = Form(), bytearray()

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise ApiError(400, f"the form has more than {MAX_PARTS} parts", "too_many_parts")
        self._name, self._content = "", bytearray()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if bytes(self._header).lower() == b"content-disposition":
            _, options = parse_options_header(bytes(self._value))
            self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._header.clear()
        self._value.clear()

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._content += memoryview(data)[start:end]
        most = MAX_BASELINE_BYTES if self._name == "baseline" else MAX_FIELD_BYTES
        if self._name != "file" and len(self._content) > most:
            raise ApiError(400, f"a field is longer than {most} bytes", "field_too_long")

    def _end(self) -> None:
        if self._name == "file":
            if self.form.file is not None:
                raise ApiError(400, "'file' is given twice: send one", "repeated", param="file")
            self.form.file = self._content
        else:
            text = self._content.decode("utf-8", "replace")
            self.form.fields.setdefault(self._name, []).append(text)
        self._content = bytearray()

    def _finish(self) -> None:
        self.ended = True


def _damaged() -> ApiError:
    return ApiError(400, "the multipart body is damaged or cut short", "damaged_form")


def too_large(most: int, what: str, remedy: str) -> ApiError:
    """Return the answer to a body that is longer than it may be."""
    return ApiError(413, f"{what} is larger than {most} bytes: {remedy}", "file_too_large")
