"""The ASGI application: routes, middleware, life cycle."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from affekt import __version__
from affekt.errors import AffektError, ConfigError
from affekt.server.connections import (
    Connections,
    allow_descriptors,
    http_protocol,
    socket_protocol,
)
from affekt.server.errors import ApiError
from affekt.server.guard import REQUEST_ID, Guard, error_body
from affekt.server.routes import audio, baselines, feedback, health, kserve, models, page, stream
from affekt.server.schemas import answer_schemas
from affekt.server.service import Service
from affekt.server.settings import Settings
from affekt.server.telemetry import log

_DESCRIPTION = (
    "Speech emotion recognition. The answers are estimates of how speech sounds, not knowledge "
    "of what a person feels. Recordings are kept in memory for as long as a request takes, and "
    "nowhere else."
)


def create_app(service: Service) -> ASGIApp:
    """Return the application around a service whose models are loaded."""
    app = FastAPI(
        title="affekt",
        version=__version__,
        description=_DESCRIPTION,
        docs_url=None,  # its scripts come from another host
        redoc_url=None,
        lifespan=_life,
    )
    app.state.service = service
    app.openapi = lambda: _openapi(app, service)  # type: ignore[method-assign]
    for group in (audio, baselines, feedback, models, stream, kserve, health, page):
        app.include_router(group.router)
    app.mount("/static", page.page_files(), name="static")
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(Exception, _failure)
    guarded: ASGIApp = app
    if service.settings.origins:
        guarded = CORSMiddleware(
            app,
            allow_origins=list(service.settings.origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", REQUEST_ID],
            expose_headers=[REQUEST_ID, "Retry-After"],
            max_age=600,
        )
    return Guard(guarded, service)


@asynccontextmanager
async def _life(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    await service.decoders.start()
    try:
        yield
    finally:
        service.decoders.close()
        service.engine.close()


def _openapi(app: FastAPI, service: Service) -> dict[str, Any]:
    """Describe the interface, with the schemas and the key that no function declares."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.update(answer_schemas())
        if service.keys:
            document["components"]["securitySchemes"] = {
                "key": {"type": "http", "scheme": "bearer"}
            }
            document["security"] = [{"key": []}]
        app.openapi_schema = document
    return app.openapi_schema


def _answer(request: Request, error: ApiError) -> Response:
    service: Service = request.app.state.service
    service.metrics.refused.labels(error.code).inc()
    body = error_body(request.url.path, error)
    return JSONResponse(body, status_code=error.status, headers=dict(error.headers))


async def _api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return _answer(request, error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    codes = {404: "not_found", 405: "method_not_allowed"}
    answer = ApiError(error.status_code, str(error.detail), codes.get(error.status_code, "refused"))
    response = _answer(request, answer)
    response.headers.update(error.headers or {})
    return response


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fault = error.errors()[0]
    where = ".".join(map(str, fault["loc"]))
    return _answer(request, ApiError(400, f"{where}: {fault['msg']}", "invalid_value"))


async def _failure(request: Request, error: Exception) -> Response:
    """Answer without details; the guard logs them."""
    return _answer(request, ApiError(500, "the server failed on this request", "failed"))


# --- running ---


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
            self._reloading: asyncio.Task[None] | None = None
            if hasattr(signal, "SIGHUP"):  # Windows has none
                asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._reload)
            log("listening", address=self._address, models=",".join(self._service.engine.models))

    def _reload(self) -> None:
        """Load the models again, one after the other signal."""
        before = self._reloading
        self._reloading = asyncio.create_task(self._load_again(before))

    async def _load_again(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await before
        try:
            await self._service.reload()
        except AffektError as error:
            log("reload failed", level=logging.ERROR, error=str(error))
        else:
            log("reloaded", models=",".join(self._service.engine.models))

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
