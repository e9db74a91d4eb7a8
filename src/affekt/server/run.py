"""The process: a socket, signals, and a shutdown that finishes what runs."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from affekt.errors import ConfigError
from affekt.server.app import create_app
from affekt.server.service import Service
from affekt.server.settings import Limits, Settings
from affekt.server.telemetry import log

KEEP_ALIVE_SECONDS = 30
HEADER_BYTES = 1 << 16  # of one request; the parser itself has no limit
BACKLOG = 1024  # connections that the system holds until they are accepted


def run(service: Service) -> None:
    """Serve until SIGTERM or Ctrl-C; return when what was running has been answered.

    Raises
    ------
    ConfigError
        If the address cannot be listened at.
    """
    settings = service.settings
    listener = _listen(settings)
    host, port = listener.getsockname()[:2]
    config = uvicorn.Config(
        create_app(service),
        http=_patient_protocol(settings.limits),
        ws="websockets-sansio",
        ws_max_size=settings.limits.session_bytes,
        ws_per_message_deflate=False,  # a small message must not become a large one
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, round(settings.drain_seconds)),
        limit_concurrency=settings.limits.connections,
        proxy_headers=False,
    )
    server = _Server(config, service, f"http://{_shown(host)}:{port}")
    server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """uvicorn, telling sessions to end before their connections are closed."""

    def __init__(self, config: uvicorn.Config, service: Service, address: str) -> None:
        super().__init__(config)
        self._service = service
        self._address = address

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take signals as uvicorn does, but end with status 0 where that was asked for."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say where."""
        await super().startup(sockets)
        if self.started:
            log("listening", address=self._address, models=",".join(self._service.engine.models))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what runs, then stop."""
        log("stopping", sessions=self._service.sessions)
        for server in self.servers:
            server.close()  # nobody new
        await self._service.drain()
        await super().shutdown(sockets)
        log("stopped")


def _patient_protocol(limits: Limits) -> type[HttpToolsProtocol]:
    """Return uvicorn's HTTP protocol with limits on how long headers may take, and be."""

    class Patient(HttpToolsProtocol):
        _late: asyncio.TimerHandle | None = None
        _unheard = 0  # bytes of headers that are not complete
        _upgraded = False  # to a WebSocket, which has limits of its own

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._wait_for_headers()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self._upgraded or self._is_answering():
                self._stop_waiting()
                return
            if self._late is None:
                self._wait_for_headers()
            self._unheard += len(data)
            if self._unheard > HEADER_BYTES:
                self._give_up()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            super().connection_lost(exc)

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


def _listen(settings: Settings) -> socket.socket:
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        # asyncio sends small answers at once only where it sees that the protocol is TCP.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"cannot listen at {_shown(settings.host)}:{settings.port}: "
            f"{error.strerror or error}; choose another with --host or --port"
        ) from None
    listener.setblocking(False)
    return listener


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
