"""The models of the server: what they are, and their files for use on the device."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse
from starlette.responses import Response

from affekt.runtime.metadata import INTENDED_USE, UNINTENDED_USE
from affekt.server.errors import ApiError
from affekt.server.schemas import Error, ModelFacts, ModelList
from affekt.server.service import Service, service_of

router = APIRouter(tags=["models"])

_NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: {"model": Error, "description": "There is no such model, or no such file of it."}
}


@router.get("/v1/models", response_model=ModelList, summary="List the models")
async def list_models(request: Request) -> Response:
    """Return every model; the first one answers requests that name none."""
    service = service_of(request)
    facts = [_facts(service, name) for name in service.engine.models]
    return JSONResponse({"object": "list", "data": facts})


@router.get(
    "/v1/models/{model}", response_model=ModelFacts, responses=_NOT_FOUND, summary="Show a model"
)
async def show_model(request: Request, model: str) -> Response:
    """Return the metadata of one model."""
    service = service_of(request)
    name, _ = service.engine.model(model)
    return JSONResponse(_facts(service, name))


@router.get(
    "/models/{model}/{file}",
    response_class=Response,
    responses={**_NOT_FOUND, 200: {"content": {"application/octet-stream": {}}}},
    summary="Fetch a file of a model, for use on the device",
)
async def model_file(request: Request, model: str, file: str) -> Response:
    """Return ``config.json``, ``model.onnx``, ``encoder.onnx`` or ``head.onnx``."""
    service = service_of(request)
    name, _ = service.engine.model(model)
    files = service.files(name)
    if file not in files:
        raise ApiError(404, "the model has no such file", "file_not_found", param="file")
    kind = "application/json" if file.endswith(".json") else "application/octet-stream"
    headers = {"cache-control": "no-cache"}  # kept by browsers, and checked each time
    return FileResponse(files[file], media_type=kind, headers=headers)


def _facts(service: Service, name: str) -> dict[str, Any]:
    config = service.engine.models[name].config
    return {
        "id": name,
        "object": "model",
        "created": 0,
        "owned_by": "affekt",
        "labels": list(config.labels),
        "sample_rate": config.sample_rate,
        "streamable": config.streamable,
        "licence": config.licence,
        "intended_use": config.intended_use or INTENDED_USE,
        "unintended_use": UNINTENDED_USE,
        "training_data": [dict(corpus) for corpus in config.training_data],
        "metrics": [dict(metric) for metric in config.metrics],
        "files": list(service.files(name)),
    }
