"""How the server and a decoder process talk: frames over a pair of sockets.

kind (1 byte) | length of head | length of body | head (JSON) | body (bytes)
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Any, NamedTuple

READY = b"R"  # child: it may be given work
FILE = b"F"  # a whole recording to decode
TENSOR = b"T"  # an inference request to read
CLIP = b"C"  # child: the samples of either
STREAM = b"S"  # a recording that arrives piece by piece
DATA = b"D"  # a piece of it; child: samples decoded so far
END = b"Z"  # no more pieces; child: no more samples
ERROR = b"E"  # child: an AudioError, in words

HEADER = struct.Struct("<cII")
PIECE = 1 << 16  # bytes that a child sends of a stream at once, at most
_JOINED = 1 << 20  # bytes of a body that are copied, to be sent in one go


class Frame(NamedTuple):
    """One message."""

    kind: bytes
    head: dict[str, Any]
    body: bytearray


def pack(kind: bytes, head: dict[str, Any] | None = None, body_size: int = 0) -> bytes:
    """Return what precedes the body of a frame."""
    text = json.dumps(head).encode() if head else b""
    return HEADER.pack(kind, len(text), body_size) + text


def send(
    channel: socket.socket, kind: bytes, head: dict[str, Any], *body: bytes | memoryview
) -> None:
    """Send a frame, whose body may be in several pieces, waiting until it is gone."""
    pieces = [memoryview(piece).cast("B") for piece in body if len(piece)]
    size = sum(len(piece) for piece in pieces)
    start = pack(kind, head, size)
    if size <= _JOINED:
        channel.sendall(b"".join([start, *pieces]))  # at once: each part would wake the reader
        return
    channel.sendall(start)
    for piece in pieces:  # without a copy
        channel.sendall(piece)


def receive(channel: socket.socket) -> Frame | None:
    """Wait for a frame; None when the other side has gone."""
    header = _exactly(channel, HEADER.size)
    if header is None:
        return None
    kind, head_size, body_size = HEADER.unpack(header)
    head, body = _exactly(channel, head_size), _exactly(channel, body_size)
    if head is None or body is None:
        return None
    return Frame(kind, parse_head(head), body)


def parse_head(text: bytes | bytearray) -> dict[str, Any]:
    """Read the head of a frame."""
    return dict(json.loads(text)) if text else {}


def _exactly(channel: socket.socket, size: int) -> bytearray | None:
    content = bytearray(size)
    view = memoryview(content)
    while view:
        count = channel.recv_into(view)
        if count == 0:
            return None
        view = view[count:]
    return content
