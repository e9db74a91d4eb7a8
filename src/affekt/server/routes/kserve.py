"""KServe's open inference protocol, version 2, for gateways that speak it.

The waveforms are JSON numbers, or bytes behind the JSON (the extension ``binary_tensor_data``).

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol
"""

from __future__ import annotations

from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from numpy.typing import NDArray
from starlette.responses import Response

from affekt import __version__
from affekt.audio import LoadedAudio
from affekt.errors import AudioError
from affekt.runtime import Model
from affekt.runtime.session import known_outputs
from affekt.server.errors import ApiError
from affekt.server.schemas import (
    InferenceRequest,
    InferenceResponse,
    KServeError,
    inlined_schema,
)
from affekt.server.service import Service, caller_of, note, service_of
from affekt.server.settings import Limits
from affekt.server.uploads import read_body, too_large

router = APIRouter(prefix="/v2", tags=["KServe v2"])

HEADER_SIZE = "inference-header-content-length"
"""The header with the length of the JSON, where bytes of tensors follow it."""

_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": KServeError, "description": text}
    for status, text in {
        400: "The request is not as the protocol has it, or its waveforms cannot be classified.",
        404: "There is no such model.",
        408: "The upload is too slow.",
        413: "The upload is too large.",
        429: "The server is busy, or the caller too quick.",
        503: "The server is overloaded.",
    }.items()
}


@router.get("", summary="Server metadata")
async def server_metadata() -> dict[str, Any]:
    """Return the server's name, version and extensions."""
    return {"name": "affekt", "version": __version__, "extensions": ["binary_tensor_data"]}


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
            *({"name": one, "datatype": "FP32", "shape": [-1]} for one in _numbers(found)),
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
    summary="Classify waveforms",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": inlined_schema(InferenceRequest)}},
        }
    },
)
async def infer(request: Request, model: str) -> Response:
    """Take ``waveform``, [batch, samples], as numbers or as bytes behind the JSON.

    Give the outputs of the model, ``probabilities`` and ``embedding`` among them, each
    [batch, ...], as numbers.
    """
    service, caller = service_of(request), caller_of(request)
    name, found = service.engine.model(model)
    limits = service.settings.limits
    with service.holding(caller) as held:
        json_size = _json_size(request, limits)
        body = await read_body(request, limits, held, json_size)
        with service.engine.admitted(caller):
            identity, clips = await _read(service, found, body, json_size, caller)
            answers = await service.engine.predict_all(found, clips, caller)
    seconds = sum(clip.quality.duration for clip in clips)
    service.metrics.audio.labels(name, "kserve").inc(seconds)
    for answer in answers:
        service.metrics.answered(name, answer)
    note(request, model=name, audio_seconds=round(seconds, 3))
    outputs = {
        "probabilities": np.array([list(answer.scores.values()) for answer in answers]),
        "embedding": np.stack([answer.embedding for answer in answers]),
        **{one: np.array([getattr(answer, one) for answer in answers]) for one in _numbers(found)},
    }
    return JSONResponse(
        {
            "model_name": name,
            "model_version": "1",
            **({"id": identity} if identity is not None else {}),
            "outputs": [_tensor(title, values) for title, values in outputs.items()],
        }
    )


def _json_size(request: Request, limits: Limits) -> int | None:
    """Return how much of the body is JSON, where the rest is bytes of tensors."""
    given = request.headers.get(HEADER_SIZE)
    if given is None:
        return None
    if not given.isascii() or not given.isdigit() or not 0 < len(given) < 10:
        raise _wrong(f"{HEADER_SIZE} must be a number of bytes")
    if int(given) > limits.json_bytes:
        raise too_large(limits.json_bytes, "the JSON", "send the tensor as binary data")
    return int(given)


async def _read(
    service: Service, model: Model, body: bytearray, json_size: int | None, caller: str
) -> tuple[str | None, list[LoadedAudio]]:
    """Read a request; every fault in it is the client's."""
    rate = model.config.sample_rate
    try:
        identity, clips = await service.decoders.read_request(
            body,
            json_size=len(body) if json_size is None else json_size,
            max_samples=int(service.settings.limits.audio_seconds * rate),
            sample_rate=rate,
            caller=caller,
        )
        for clip in clips:
            model.refuse_unusable("'waveform'", clip.quality)
    except AudioError as error:
        raise _wrong(str(error)) from None
    return identity, clips


def _numbers(model: Model) -> tuple[str, ...]:
    """Return the outputs that are one number for each waveform."""
    return known_outputs(model.outputs)


def _tensor(name: str, values: NDArray[Any]) -> dict[str, Any]:
    data = values.astype(np.float32).ravel().tolist()
    return {"name": name, "datatype": "FP32", "shape": list(values.shape), "data": data}


def _wrong(message: str) -> ApiError:
    return ApiError(400, message, "invalid_tensor", param="inputs")
