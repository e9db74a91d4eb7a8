"""What benchmarks/attack.py does to a server, each for some seconds, from an address of its own.

    python benchmarks/_attacks.py NAME PORT SECONDS

Only ever used on a server that the benchmark has started itself, on loopback.
"""

from __future__ import annotations

import io
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import numpy as np

ATTACKER = "127.0.0.2"
MIB = 1 << 20
FORM = b'--xx\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
END = b"\r\n--xx--\r\n"


class Attack:
    """An address, a port and an end."""

    def __init__(self, port: int, seconds: float) -> None:
        self.port = port
        self.end = time.monotonic() + seconds
        self.seconds = seconds

    @property
    def over(self) -> bool:
        return time.monotonic() >= self.end

    def connect(self, *, receive_buffer: int = 0) -> socket.socket:
        """Open a connection from the attacker's address."""
        connection = socket.socket()
        connection.settimeout(30)
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.bind((ATTACKER, 0))
        connection.connect(("127.0.0.1", self.port))
        return connection

    def at_once(self, count: int, work: Callable[[int], None]) -> None:
        """Repeat work in threads until the end; what the server refuses is tried again."""

        def repeat(number: int) -> None:
            while not self.over:
                try:
                    work(number)
                except OSError:
                    time.sleep(0.05)

        threads = [threading.Thread(target=repeat, args=(n,), daemon=True) for n in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, self.end - time.monotonic()))

    def ask(self, request: bytes) -> bytes:
        """Send a request on a connection of its own; return the beginning of the answer."""
        with self.connect() as connection:
            connection.sendall(request)
            return connection.recv(4096)

    def open_socket(self) -> socket.socket:
        """Open a WebSocket."""
        connection = self.connect()
        connection.sendall(
            b"GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"Sec-WebSocket-Version: 13\r\n\r\n"
        )
        if b" 101 " not in connection.recv(4096):
            connection.close()
            raise OSError("refused")
        return connection


def post(path: str, body: bytes, kind: str) -> bytes:
    """Return a whole request."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def post_file(content: bytes, fields: bytes = b"") -> bytes:
    """Return a request that posts a recording."""
    return post(
        "/v1/audio/emotions", fields + FORM + content + END, "multipart/form-data; boundary=xx"
    )


def frame(code: int, content: bytes) -> bytes:
    """Return a WebSocket frame with an empty mask."""
    size = len(content)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack(">H", size)
    return bytes([0x80 | code]) + length + bytes(4) + content


# --- what is sent ---


def _element(name: int, content: bytes) -> bytes:
    size = struct.pack(">Q", 1 << 56 | len(content))
    return name.to_bytes((name.bit_length() + 7) // 8, "big") + size + content


def tiny_packets(count: int = 235_000) -> bytes:
    """Return a WebM of Opus packets of one byte and 2.5 ms each, 250 in a block."""
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, 48000, 0, 0)
    audio = _element(0xB5, struct.pack(">d", 48000.0)) + _element(0x9F, b"\x01")
    track = b"".join(
        (
            _element(0xD7, b"\x01"),
            _element(0x73C5, b"\x01"),
            _element(0x83, b"\x02"),
            _element(0x86, b"A_OPUS"),
            _element(0x63A2, head),
            _element(0xE1, audio),
        )
    )
    laced = 250
    blocks = []
    for start in range(0, count, laced):
        milliseconds = round(start * 2.5)
        block = _element(0xA3, b"\x81\x00\x00\x84" + bytes([laced - 1]) + b"\xe0" * laced)
        blocks.append(_element(0x1F43B675, _element(0xE7, struct.pack(">I", milliseconds)) + block))
    ebml = _element(0x1A45DFA3, _element(0x4282, b"webm"))
    info = _element(0x1549A966, _element(0x2AD7B1, struct.pack(">I", 1_000_000)))
    tracks = _element(0x1654AE6B, _element(0xAE, track))
    return ebml + _element(0x18538067, info + tracks + b"".join(blocks))


def gsm_wav(seconds: float = 3.0) -> bytes:
    """Return a wav file with the codec GSM 6.10."""
    import soundfile

    file = io.BytesIO()
    noise = np.random.default_rng(0).normal(0, 0.1, round(8000 * seconds))
    soundfile.write(file, noise, 8000, format="WAV", subtype="GSM610")
    return file.getvalue()


def long_flac(seconds: float = 590.0) -> bytes:
    """Return a recording that is nearly as long as may be."""
    import soundfile

    file = io.BytesIO()
    noise = np.random.default_rng(0).normal(0, 0.003, round(16000 * seconds))
    soundfile.write(file, noise, 16000, format="FLAC", subtype="PCM_16")
    return file.getvalue()


# --- the attacks ---


def nested_json(attack: Attack) -> None:
    """Eight inference requests at once with 24 MiB of lists in lists."""
    body = b'{"inputs":[{"name":"waveform","datatype":"FP32","shape":[1,1],"data":['
    body += b"[]," * (8 * MIB) + b"[]]}]}"
    request = post("/v2/models/default/infer", body, "application/json")
    attack.at_once(8, lambda _: _send_all(attack, request))


def many_numbers(attack: Attack) -> None:
    """Eight inference requests at once with as many numbers as JSON may hold."""
    body = b'{"inputs":[{"name":"waveform","datatype":"FP32","shape":[1,1],"data":['
    body += b"0," * (2 * MIB - 100) + b"0]}]}"
    request = post("/v2/models/default/infer", body, "application/json")
    attack.at_once(8, lambda _: _send_all(attack, request))


def packets_of_one_byte(attack: Attack) -> None:
    """Sixteen uploads at once of a small WebM with 235,000 packets."""
    request = post_file(tiny_packets())
    attack.at_once(16, lambda _: _send_all(attack, request))


def gsm(attack: Attack) -> None:
    """Four uploads at once of a codec that libsndfile cannot seek in."""
    request = post_file(gsm_wav())
    attack.at_once(4, lambda _: _send_all(attack, request))


def long_recordings(attack: Attack) -> None:
    """Eight uploads at once of ten minutes, with their time line."""
    field = (
        b'--xx\r\nContent-Disposition: form-data; name="response_format"\r\n\r\nverbose_json\r\n'
    )
    request = post_file(long_flac(), field)
    attack.at_once(8, lambda _: _send_all(attack, request))


def held_uploads(attack: Attack) -> None:
    """Thirty uploads of 24 MiB that stop before their end."""
    request = post_file(bytes(24 * MIB))[:-100]

    def hold(_: int) -> None:
        with attack.connect() as connection:
            connection.sendall(request)
            connection.settimeout(attack.seconds)
            with suppress(OSError):
                connection.recv(1)

    attack.at_once(30, hold)


def unread_answers(attack: Attack) -> None:
    """1,450 connections that ask for the model and never read it."""
    request = b"GET /models/default/model.onnx HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    _hold_connections(attack, 1450, request)


def idle_connections(attack: Attack) -> None:
    """1,300 connections that say nothing."""
    _hold_connections(attack, 1300, b"")


def pipelined(attack: Attack) -> None:
    """Fifty connections that send a hundred requests in one go, again and again."""
    request = b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 100
    attack.at_once(50, lambda _: _send_all(attack, request))


def pings(attack: Attack) -> None:
    """Sixteen WebSockets that flood pings and read nothing."""
    flood = frame(9, b"x" * 100) * 500

    def work(_: int) -> None:
        with attack.open_socket() as connection:
            while not attack.over:
                connection.sendall(flood)

    attack.at_once(16, work)


def small_messages(attack: Attack) -> None:
    """Sixteen WebSockets that send sound in messages of two bytes, as many as they can."""
    flood = frame(2, b"ab") * 500

    def work(_: int) -> None:
        with attack.open_socket() as connection:
            while not attack.over:
                connection.sendall(flood)

    attack.at_once(16, work)


def streams_of_tiny_packets(attack: Attack) -> None:
    """Sixteen WebM streams whose packets hold one byte."""
    content = tiny_packets()
    update = b'{"type":"session.update","session":{"format":"webm_opus"}}'

    def work(_: int) -> None:
        with attack.open_socket() as connection:
            connection.sendall(frame(1, update))
            for start in range(0, len(content), 4096):
                connection.sendall(frame(2, content[start : start + 4096]))
            connection.settimeout(attack.seconds)
            with suppress(OSError):
                while not attack.over and connection.recv(65536):
                    pass

    attack.at_once(16, work)


def refused_handshakes(attack: Attack) -> None:
    """Four connections at a time that ask for a WebSocket under a foreign name, or send no text."""
    foreign = (
        b"GET /v1/stream HTTP/1.1\r\nHost: evil.example\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Version: 13\r\n\r\n"
    )

    def work(number: int) -> None:
        if number % 2:
            attack.ask(foreign)
            return
        with attack.open_socket() as connection:
            connection.sendall(frame(1, b"\xff\xfe"))
            connection.recv(4096)

    attack.at_once(4, work)


def _send_all(attack: Attack, request: bytes) -> None:
    attack.ask(request)


def _hold_connections(attack: Attack, count: int, request: bytes) -> None:
    opened: list[socket.socket] = []
    while not attack.over:
        if len(opened) < count:
            with suppress(OSError):
                connection = attack.connect(receive_buffer=4096)
                connection.sendall(request)
                opened.append(connection)
        else:
            time.sleep(0.1)


ATTACKS = {
    work.__name__.replace("_", "-"): work
    for work in (
        *(nested_json, many_numbers, packets_of_one_byte, gsm, long_recordings, held_uploads),
        *(unread_answers, idle_connections, pipelined, pings, small_messages),
        *(streams_of_tiny_packets, refused_handshakes),
    )
}
"""By name; each takes an :class:`Attack`."""


if __name__ == "__main__":
    ATTACKS[sys.argv[1]](Attack(int(sys.argv[2]), float(sys.argv[3])))
    os._exit(0)  # with all that is still open
