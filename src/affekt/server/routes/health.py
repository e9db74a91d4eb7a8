"""Whether the server lives and is ready, and its metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from affekt.server.schemas import Health
from affekt.server.service import service_of

router = APIRouter(tags=["operations"])


@router.get("/health/live", response_model=Health, summary="Whether the process answers")
async def live() -> Response:
    """Answer as long as the process can; what fails here needs a restart."""
    return JSONResponse({"status": "ok"})


@router.get(
    "/health/ready",
    response_model=Health,
    responses={503: {"model": Health, "description": "The server is stopping."}},
    summary="Whether new requests are welcome",
)
async def ready(request: Request) -> Response:
    """Answer 503 as soon as a shutdown has begun, so that a balancer sends others elsewhere."""
    if service_of(request).ready:
        return JSONResponse({"status": "ok"})
    return JSONResponse({"status": "stopping"}, status_code=503)


@router.get("/metrics", response_class=PlainTextResponse, summary="Metrics for Prometheus")
async def metrics(request: Request) -> Response:
    """Counters of requests, sound, refusals, queue and sessions."""
    registry = service_of(request).metrics.registry
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
