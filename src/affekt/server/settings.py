"""What an operator may choose, and every limit with its unit."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

MIB = 1 << 20
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class Limits:
    """What one request, session or key may take.

    Attributes
    ----------
    upload_bytes : int
        Largest request body.
    held_bytes : int
        Memory for all uploads together; more are answered with 429.
    upload_seconds : float
        Longest time for sending it; after `slow_after_seconds`, a body must also have come at
        `slow_bytes_per_second` on average.
    header_seconds : float
        Longest time for sending the headers of a request.
    audio_seconds : float
        Longest recording.
    decode_seconds, decode_bytes
        Time and memory for decoding one recording.
    json_bytes : int
        Largest JSON of an inference request; tensors may follow it as bytes.
    wait_seconds : float
        Longest time that a request may wait for its turn; later it is answered with 503.
    queue : int
        Requests that may wait for a model; more are answered with 429.
    sessions, session_bytes, idle_seconds, session_seconds
        WebSocket sessions at once, their largest message, the longest silence of a client, and
        the longest session.
    messages_per_second : float
        Messages of all sessions of one key or address; what comes faster waits.
    webm_sessions : int
        Sessions that may send WebM: each has a decoder process of its own.
    rate : float or None
        Requests per second for one key, or one address where there are no keys; as many at once
        as in two seconds.
    connections : int
        Connections at once; more are answered with 503.
    """

    upload_bytes: int = 25 * MIB
    held_bytes: int = 128 * MIB
    upload_seconds: float = 120.0
    slow_after_seconds: float = 10.0
    slow_bytes_per_second: float = 2000.0
    header_seconds: float = 10.0
    audio_seconds: float = 600.0
    decode_seconds: float = 20.0
    decode_bytes: int = 1024 * MIB
    json_bytes: int = 4 * MIB
    wait_seconds: float = 10.0
    queue: int = 128
    sessions: int = 128
    session_bytes: int = 256 * 1024
    idle_seconds: float = 30.0
    session_seconds: float = 3600.0
    messages_per_second: float = 4000.0
    webm_sessions: int = 8
    rate: float | None = None
    connections: int = 1000


@dataclass(frozen=True)
class Settings:
    """A server.

    Attributes
    ----------
    models : mapping of str to str or None
        Name to model directory, ONNX file or hub id; None is the model that ships. The first
        one answers requests that name no model.
    host, port
        Where to listen; port 0 takes a free one.
    keys : tuple of str
        ``NAME:SHA256`` of each API key; without any, whoever reaches the server may use it.
    origins : tuple of str
        Web origins, besides the server's own, whose pages may use it.
    hosts : tuple of str
        Names, besides loopback's, that a request may give as ``Host``; empty means any, which
        is right only where a proxy checks it. Used when listening on loopback.
    threads : int
        Models that run at once, each on one core.
    batch : int
        Clips of equal length that may share one run; benchmarks/serve.py tells what it gains.
    decoders : int
        Decoder processes.
    split : mapping of str to float
        Share of the requests that name no model, by model; empty for none.
    shadow : str
        The model that answers beside the one whose answer is sent; empty for none.
    drain_seconds : float
        How long a shutdown waits for running requests and sessions.
    """

    models: Mapping[str, str | None] = field(default_factory=lambda: {"default": None})
    host: str = "127.0.0.1"
    port: int = 8000
    keys: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    threads: int = field(default_factory=cores)
    batch: int = 8
    decoders: int = field(default_factory=cores)
    split: Mapping[str, float] = field(default_factory=dict)
    shadow: str = ""
    drain_seconds: float = 30.0
    limits: Limits = field(default_factory=Limits)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host in LOOPBACK
