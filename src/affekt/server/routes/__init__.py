"""The addresses of the server: one file per group."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import HTTPConnection

from affekt.server.service import Service


def service_of(connection: HTTPConnection) -> Service:
    """Return the server that a request or session has come to."""
    service: Service = connection.app.state.service
    return service


def caller_of(connection: HTTPConnection) -> str:
    """Return who asks, for what is shared between callers."""
    return str(connection.scope["state"]["share"])


def note(connection: HTTPConnection, **facts: Any) -> None:
    """Add facts to the log line of a request; never sound, names or scores."""
    connection.scope["state"].setdefault("facts", {}).update(facts)


def all_routers() -> list[APIRouter]:
    """Return every group of addresses."""
    from affekt.server.routes import audio, health, kserve, models, page, stream

    return [module.router for module in (audio, models, stream, kserve, health, page)]
