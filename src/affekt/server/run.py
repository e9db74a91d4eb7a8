"""The process: a socket, signals, and a shutdown that finishes what runs."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from affekt.errors import ConfigError
from affekt.server.app import create_app
from affekt.server.connections import (
    Connections,
    allow_descriptors,
    http_protocol,
    socket_protocol,
)
from affekt.server.service import Service
from affekt.server.settings import Settings
from affekt.server.telemetry import log

KEEP_ALIVE_SECONDS = 30
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
    most = allow_descriptors(settings.limits.connections)
    connections = Connections(settings.limits, most)
    config = uvicorn.Config(
        create_app(service),
        http=http_protocol(connections),
        ws=socket_protocol(connections),
        ws_max_size=settings.limits.session_bytes,
        ws_per_message_deflate=False,  # a small message must not become a large one
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, round(settings.drain_seconds)),
        proxy_headers=False,
    )
    server = _Server(config, service, connections, f"http://{_shown(host)}:{port}")
    server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """uvicorn, telling sessions to end before their connections are closed."""

    def __init__(
        self, config: uvicorn.Config, service: Service, connections: Connections, address: str
    ) -> None:
        super().__init__(config)
        self._service = service
        self._connections = connections
        self._address = address

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take signals as uvicorn does, but end with status 0 where configured."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say where."""
        await super().startup(sockets)
        if self.started:
            self._watching = asyncio.create_task(self._connections.watch())
            log("listening", address=self._address, models=",".join(self._service.engine.models))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what runs, then stop."""
        log("stopping", sessions=self._service.sessions)
        for server in self.servers:
            server.close()  # nobody new
        await self._service.drain()
        await super().shutdown(sockets)
        log("stopped")


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
