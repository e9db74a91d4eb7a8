"""Connections: how many, how long without a word, and how much of what is sent they leave unread.

uvicorn speaks the protocols; what it leaves open is bounded here.
"""

from __future__ import annotations

import asyncio
import resource
from dataclasses import dataclass
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode

from affekt.server.settings import Limits
from affekt.server.shares import Shares, shared_address
from affekt.server.telemetry import log

HEADER_BYTES = 1 << 16  # of one request; the parser itself has no limit
PIPELINED = 8  # requests that wait behind one on the same connection
UNREAD_BYTES = 1 << 18  # that a WebSocket may leave unread beyond the system's own buffers
READ_BYTES = 1 << 13  # of a WebSocket at once: no one's small messages keep the others waiting
CONTROL_FRAMES = 100  # pings and pongs, and parts of one message
CONTROL_SECONDS = 10.0
OTHER_DESCRIPTORS = 192  # models, logs, decoders and their sockets
LINGER_SECONDS = 2.0  # for which a WebSocket that broke the rules is still read
SWEEP_SECONDS = 1.0

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\n"
    b"content-length: 0\r\n\r\n"
)


def allow_descriptors(wanted: int) -> int:
    """Raise the limit on open files as far as needed; return how many connections it allows.

    Parameters
    ----------
    wanted : int
        Connections.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + OTHER_DESCRIPTORS
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < needed:
        connections = max(1, allowed - OTHER_DESCRIPTORS)
        log("few descriptors", open_files=allowed, connections=connections)
        return connections
    return wanted


@dataclass
class _Reader:
    """How well a client reads what it is sent."""

    address: str
    last_progress: float


class Connections:
    """All connections that are open.

    Parameters
    ----------
    limits : Limits
    most : int
        Connections at once; an address alone gets three quarters.
    """

    def __init__(self, limits: Limits, most: int) -> None:
        self.limits = limits
        self._shares = Shares(most)
        self._readers: dict[asyncio.Transport, _Reader] = {}

    def admit(self, transport: asyncio.Transport) -> bool:
        """Count a new connection; or refuse it where there are as many as may be."""
        peer = transport.get_extra_info("peername")
        address = shared_address(str(peer[0])) if isinstance(peer, tuple) else "unknown"
        if not self._shares.take(address):
            transport.write(_FULL)
            transport.close()
            return False
        self._readers[transport] = _Reader(address, asyncio.get_running_loop().time())
        return True

    def lost(self, transport: asyncio.Transport) -> None:
        """Forget a connection that has ended."""
        reader = self._readers.pop(transport, None)
        if reader is not None:
            self._shares.give(reader.address)

    def progress(self, transport: asyncio.Transport) -> None:
        """Note that a client has read much of what it was sent."""
        if (reader := self._readers.get(transport)) is not None:
            reader.last_progress = asyncio.get_running_loop().time()

    async def watch(self) -> None:
        """End the connections of clients that do not read what they are sent, for ever."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = asyncio.get_running_loop().time()
            for transport, reader in list(self._readers.items()):
                if transport.get_write_buffer_size() == 0:
                    reader.last_progress = now
                elif now - reader.last_progress > self.limits.idle_seconds:
                    transport.abort()  # close() would wait until all is read


def http_protocol(connections: Connections) -> type[HttpToolsProtocol]:
    """Return uvicorn's HTTP protocol with limits on connections and on how long headers may be."""
    limits = connections.limits

    class Patient(HttpToolsProtocol):
        _admitted = False
        _late: asyncio.TimerHandle | None = None
        _unheard = 0  # bytes of headers that are not complete
        _upgraded = False  # to a WebSocket, which has limits of its own

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._admitted = connections.admit(transport)
            self._wait_for_headers()

        def data_received(self, data: bytes) -> None:
            if not self._admitted:
                return
            super().data_received(data)
            if self._upgraded or self._is_answering():
                self._stop_waiting()
                return
            if self._late is None:
                self._wait_for_headers()
            self._unheard += len(data)
            if self._unheard > HEADER_BYTES:
                self._give_up()

        def on_headers_complete(self) -> None:
            if len(self.pipeline) >= PIPELINED:
                raise ValueError("too many requests wait on one connection")  # answered with 400
            super().on_headers_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            connections.lost(self.transport)
            super().connection_lost(exc)

        def resume_writing(self) -> None:
            connections.progress(self.transport)
            super().resume_writing()

        def handle_websocket_upgrade(self) -> None:
            self._upgraded = True
            self._stop_waiting()
            super().handle_websocket_upgrade()

        def _wait_for_headers(self) -> None:
            self._unheard = 0
            self._late = self.loop.call_later(limits.header_seconds, self._give_up)

        def _stop_waiting(self) -> None:
            if self._late is not None:
                self._late.cancel()
                self._late = None

        def _give_up(self) -> None:
            self._late = None
            if not self._is_answering():
                self.transport.close()

        def _is_answering(self) -> bool:
            cycle: RequestResponseCycle | None = self.cycle
            return cycle is not None and not cycle.response_complete

    return Patient


def socket_protocol(connections: Connections) -> type[WebSocketsSansIOProtocol]:
    """Return uvicorn's WebSocket protocol with limits on what is unread, and on frames."""

    class Bounded(WebSocketsSansIOProtocol, asyncio.BufferedProtocol):
        _controls = 0
        _controls_since = 0.0
        _failed = False  # what comes is thrown away

        def connection_made(self, transport: Any) -> None:
            self._incoming = bytearray(READ_BYTES)
            super().connection_made(transport)

        def get_buffer(self, sizehint: int) -> bytearray:
            return self._incoming

        def buffer_updated(self, nbytes: int) -> None:
            self.data_received(bytes(self._incoming[:nbytes]))

        def data_received(self, data: bytes) -> None:
            if self._failed:
                return
            super().data_received(data)
            if self.transport.get_write_buffer_size() > UNREAD_BYTES:
                self.transport.abort()  # answers to pings, say, that nobody reads

        def handle_parser_exception(self) -> None:
            """Tell why it ends, and read on for a while: to close before would take that back."""
            told = self.conn.close_sent
            assert told is not None
            end = {"type": "websocket.disconnect", "code": told.code, "reason": told.reason}
            self.queue.put_nowait(cast(Any, end))
            self.transport.write(b"".join(self.conn.data_to_send()))
            if self.transport.can_write_eof():
                self.transport.write_eof()  # the client ends it then, once it has read why
            self.close_sent = self._failed = True
            if self.read_paused:
                self.read_paused = False
                self.transport.resume_reading()
            self.close_timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)

        def handle_ping(self) -> None:
            self._count_control()
            super().handle_ping()

        def handle_pong(self, event: Any) -> None:
            self._count_control()
            super().handle_pong(event)

        def handle_cont(self, event: Any) -> None:
            super().handle_cont(event)
            if len(self.frames) > CONTROL_FRAMES:
                self.transport.abort()  # empty parts of a message cost memory, too

        def connection_lost(self, exc: Exception | None) -> None:
            connections.lost(self.transport)
            super().connection_lost(exc)

        def resume_writing(self) -> None:
            connections.progress(self.transport)
            super().resume_writing()

        def send_receive_event_to_app(self) -> None:
            if self.curr_msg_data_type == "text":
                try:
                    b"".join(self.frames).decode()
                except UnicodeDecodeError:  # the client's fault, so no traceback in the log
                    self.conn.fail(CloseCode.INVALID_DATA, "a text message is not UTF-8")
                    self.handle_parser_exception()
                    return
            super().send_receive_event_to_app()

        async def send(self, message: Any) -> None:
            await super().send(message)
            if message["type"] == "websocket.http.response.body" and not message.get("more_body"):
                self.handshake_complete = True  # a refusal is an answer, too

        def _count_control(self) -> None:
            now = self.loop.time()
            if now - self._controls_since > CONTROL_SECONDS:
                self._controls, self._controls_since = 0, now
            self._controls += 1
            if self._controls > CONTROL_FRAMES:
                self.transport.abort()

    return cast(type[WebSocketsSansIOProtocol], Bounded)
