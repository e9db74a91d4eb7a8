"""KServe's open inference protocol, version 2, for gateways that speak it.

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from numpy.typing import NDArray
from pydantic import ValidationError
from starlette.responses import Response

from affekt import __version__
from affekt.audio import Clip, check_audio
from affekt.errors import AudioError
from affekt.runtime import Model
from affekt.server.errors import ApiError
from affekt.server.routes import note, service_of
from affekt.server.schemas import (
    InferenceRequest,
    InferenceResponse,
    KServeError,
    Tensor,
    inlined_schema,
)
from affekt.server.uploads import read_body

router = APIRouter(prefix="/v2", tags=["KServe v2"])

MAX_BATCH = 64  # waveforms in one request
MAX_SAMPLE = 4.0  # as affekt.audio refuses beyond it

_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": KServeError, "description": text}
    for status, text in {
        400: "The request is not as the protocol has it, or its waveforms cannot be judged.",
        404: "There is no such model.",
        408: "The upload is too slow.",
        413: "The upload is too large.",
        429: "The server is busy, or the caller too quick.",
    }.items()
}


@router.get("", summary="Server metadata")
async def server_metadata() -> dict[str, Any]:
    """Return the server's name, version and extensions."""
    return {"name": "affekt", "version": __version__, "extensions": []}


@router.get("/health/live", summary="Whether the process answers")
async def live() -> dict[str, bool]:
    """As ``/health/live``."""
    return {"live": True}


@router.get(
    "/health/ready",
    responses={503: {"description": "The server is stopping."}},
    summary="Whether new requests are welcome",
)
async def ready(request: Request) -> Response:
    """As ``/health/ready``."""
    is_ready = service_of(request).ready
    return JSONResponse({"ready": is_ready}, status_code=200 if is_ready else 503)


@router.get("/models/{model}", responses={404: _ERRORS[404]}, summary="Model metadata")
async def model_metadata(request: Request, model: str) -> dict[str, Any]:
    """Return the tensors that a model takes and gives; -1 is any size."""
    name, found = service_of(request).engine.model(model)
    width = found.config.embedding_size or -1
    return {
        "name": name,
        "versions": ["1"],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": "waveform", "datatype": "FP32", "shape": [-1, -1]}],
        "outputs": [
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, len(found.labels)]},
            {"name": "embedding", "datatype": "FP32", "shape": [-1, width]},
        ],
    }


@router.get("/models/{model}/ready", responses={404: _ERRORS[404]}, summary="Model readiness")
async def model_ready(request: Request, model: str) -> dict[str, Any]:
    """Models are loaded before the server listens: those that exist are ready."""
    name, _ = service_of(request).engine.model(model)
    return {"name": name, "ready": True}


@router.post(
    "/models/{model}/infer",
    response_model=InferenceResponse,
    responses=_ERRORS,
    summary="Judge waveforms",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": inlined_schema(InferenceRequest)}},
        }
    },
)
async def infer(request: Request, model: str) -> Response:
    """Take ``waveform`` [batch, samples]; give ``probabilities`` and ``embedding`` [batch, ...]."""
    service = service_of(request)
    name, found = service.engine.model(model)
    with service.holding() as held:
        body = await read_body(request, service.settings.limits, held)
        with service.engine.admitted():
            asked, clips = await service.engine.run(_read, body, found)
            answers = await service.engine.predict_all(found, clips)
    seconds = sum(clip.quality.duration for clip in clips)
    service.metrics.audio.labels(name, "kserve").inc(seconds)
    note(request, model=name, audio_seconds=round(seconds, 3))
    outputs = {
        "probabilities": np.array([list(answer.scores.values()) for answer in answers]),
        "embedding": np.stack([answer.embedding for answer in answers]),
    }
    return JSONResponse(
        {
            "model_name": name,
            "model_version": "1",
            **({"id": asked.id} if asked.id is not None else {}),
            "outputs": [_tensor(title, values) for title, values in outputs.items()],
        }
    )


def _read(body: bytes, model: Model) -> tuple[InferenceRequest, list[Clip]]:
    """Read a request; every fault in it is the client's."""
    try:
        asked = InferenceRequest.model_validate(json.loads(body))
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        raise _wrong(f"the body is not an inference request: {where}: {fault['msg']}") from None
    except (ValueError, RecursionError):
        raise _wrong("the body is not JSON") from None
    if len(asked.inputs) != 1 or asked.inputs[0].name != "waveform":
        raise _wrong("expected one input, named 'waveform'")
    return asked, [_clip(model, waveform) for waveform in _waveforms(asked.inputs[0])]


def _waveforms(tensor: Tensor) -> NDArray[np.float32]:
    if tensor.datatype != "FP32":
        raise _wrong("'waveform' must be of datatype FP32")
    if len(tensor.shape) != 2 or min(tensor.shape) < 1 or tensor.shape[0] > MAX_BATCH:
        raise _wrong(f"'waveform' must have the shape [1 to {MAX_BATCH}, samples]")
    try:
        with np.errstate(over="ignore"):  # what becomes infinite is refused below
            values = np.array(tensor.data, dtype=np.float32).ravel()
    except (ValueError, TypeError, OverflowError):
        raise _wrong("the data of 'waveform' are not numbers") from None
    if values.size != tensor.shape[0] * tensor.shape[1]:
        raise _wrong(f"'waveform' holds {values.size} values, its shape says otherwise")
    if not np.isfinite(values).all() or np.abs(values).max() > MAX_SAMPLE:
        raise _wrong("'waveform' must hold floats within [-1, 1]")
    return values.reshape(tensor.shape)


def _clip(model: Model, waveform: NDArray[np.float32]) -> Clip:
    quality = check_audio(waveform, model.config.sample_rate)
    try:
        model.refuse_unusable("'waveform'", quality)
    except AudioError as error:
        raise _wrong(str(error)) from None
    return Clip(waveform, quality)


def _tensor(name: str, values: NDArray[Any]) -> dict[str, Any]:
    data = values.astype(np.float32).ravel().tolist()
    return {"name": name, "datatype": "FP32", "shape": list(values.shape), "data": data}


def _wrong(message: str) -> ApiError:
    return ApiError(400, message, "invalid_tensor", param="inputs")
