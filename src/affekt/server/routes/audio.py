"""``POST /v1/audio/emotions``: a recording in, its emotions out, as OpenAI's transcriptions are."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.responses import Response

from affekt.audio import LoadedAudio
from affekt.errors import AudioError
from affekt.formats.registry import text_lines
from affekt.results import AudioQuality, Prediction, Segment, Track
from affekt.runtime import Model
from affekt.server import plain_wav
from affekt.server.baselines import FIELD, read_baseline
from affekt.server.errors import ApiError
from affekt.server.schemas import Error
from affekt.server.service import Service, caller_of, note, service_of
from affekt.server.uploads import Form, read_form
from affekt.server.utterances import group, utterance

router = APIRouter(tags=["emotions"])

TEXT_TYPES = {
    "srt": "application/x-subrip",
    "vtt": "text/vtt",
    "csv": "text/csv",
    "textgrid": "text/plain",
}
"""Text formats, with the type of their content."""

FORMATS = ("json", "verbose_json", *TEXT_TYPES)
"""What ``response_format`` may be."""

SESSION = "user"
"""The field of OpenAI's interface that tells one end user from another."""
GRANULARITIES = ("segment", "utterance")
_PATIENT_SECONDS = 0.1

COMMON_FIELDS = {
    "file": {
        "type": "string",
        "format": "binary",
        "description": "A recording: wav, flac, mp3, ogg, opus, aiff, m4a or webm.",
    },
    "model": {
        "type": "string",
        "description": "One of `GET /v1/models`; the first of them where not given.",
    },
    FIELD: {
        "type": "string",
        "description": "Of the one who speaks, or of the room: the JSON that `affekt baseline` "
        "writes, and `POST /v1/audio/baselines` answers with. It is not kept.",
    },
}
_FORM = {
    "type": "object",
    "required": ["file"],
    "properties": {
        **COMMON_FIELDS,
        "response_format": {"type": "string", "enum": list(FORMATS), "default": "json"},
        SESSION: {
            "type": "string",
            "description": "Any word for whom the answer is for: where several models share the "
            "requests, the same word gets the same one. It is not kept.",
        },
        "timestamp_granularities[]": {
            "type": "array",
            "items": {"type": "string", "enum": list(GRANULARITIES)},
            "default": ["segment"],
            "description": "What `verbose_json` tells times of.",
        },
    },
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Error, "description": text}
    for status, text in {
        400: "A field is wrong, or the file is no recording that can be classified.",
        401: "A valid API key is needed.",
        403: "This host name or origin may not use the server.",
        404: "There is no such model.",
        408: "The upload is too slow.",
        413: "The upload is too large.",
        415: "The body is not multipart/form-data.",
        429: "The server is busy, or the caller too quick: see Retry-After.",
    }.items()
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer, in the requested format.",
        "content": {
            "application/json": {
                "schema": {
                    "anyOf": [
                        {"$ref": "#/components/schemas/Prediction"},
                        {"$ref": "#/components/schemas/VerbosePrediction"},
                    ]
                },
            },
            **{kind: {"schema": {"type": "string"}} for kind in sorted(set(TEXT_TYPES.values()))},
        },
    },
    **REFUSALS,
}


@dataclass(frozen=True)
class _Order:
    """What a request asks for."""

    content: bytes | bytearray
    name: str
    model: Model
    response_format: str
    granularities: tuple[str, ...]

    @property
    def wants_times(self) -> bool:
        return self.response_format != "json"


@router.post(
    "/v1/audio/emotions",
    responses=_RESPONSES,
    response_class=Response,
    summary="Say which emotions a recording carries",
    openapi_extra={
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}
    },
)
async def emotions(request: Request) -> Response:
    """Classify a recording.

    `json` gives one answer for all of it; `verbose_json` adds its time line; `srt`, `vtt`, `csv`
    and `textgrid` give the time line for subtitles, tables and Praat.
    """
    service = service_of(request)
    caller = caller_of(request)
    with service.holding(caller) as held:
        form = await read_form(request, service.settings.limits, held)
        order = _read_order(form, service, caller)
        with service.engine.admitted(caller):
            begun = time.monotonic()
            clip = await decode(order.content, order.model, service, caller)
            form.file, order = None, replace(order, content=b"")
            held.exchange(clip.waveform.nbytes)
            note(request, model=order.name, audio_seconds=round(clip.quality.duration, 3))
            # To ask costs as much as decoding a sentence: only where somebody may have given up.
            waited = time.monotonic() - begun > _PATIENT_SECONDS
            if waited and await request.is_disconnected():
                raise ApiError(499, "the client left", "client_left")
            answer = await service.engine.predict(order.model, clip, caller)
            segments: list[Segment] = []
            if order.wants_times:
                segments = await service.engine.run(caller, _time_line, order.model, clip)
    service.metrics.audio.labels(order.name, "file").inc(clip.quality.duration)
    service.metrics.answered(order.name, answer)
    service.experiments.answered(
        request.scope["state"]["request_id"], caller, order.name, answer, clip
    )
    return _response(order, clip, answer, segments)


def _read_order(form: Form, service: Service, caller: str) -> _Order:
    """Check the fields; unknown ones are let pass, as clients of OpenAI's interface send some."""
    content = recording_of(form)
    wanted = form.one("model") or service.experiments.chosen(form.one(SESSION), caller)
    name, model = service.engine.model(wanted)
    baseline = read_baseline(form.one(FIELD), model)
    if baseline is not None:
        model = model.with_baseline(baseline)
    response_format = form.one("response_format") or "json"
    _check("response_format", response_format, FORMATS)
    key = "timestamp_granularities[]"
    granularities = form.fields.get(key) or form.fields.get(key[:-2]) or ["segment"]
    for granularity in granularities:
        _check(key, granularity, GRANULARITIES)
    return _Order(content, name, model, response_format, tuple(dict.fromkeys(granularities)))


def recording_of(form: Form) -> bytes | bytearray:
    """Return the recording of a form, or answer that it is missing."""
    if not form.file:
        raise ApiError(400, "the part 'file' with a recording is missing", "missing", param="file")
    return form.file


def _check(param: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ApiError(
            400, f"{param} must be one of {', '.join(allowed)}", "invalid_value", param=param
        )


async def decode(
    content: bytes | bytearray, model: Model, service: Service, caller: str
) -> LoadedAudio:
    """Decode an upload for a model.

    Raises
    ------
    ApiError
        400 if it is no recording that the model can answer about.
    """
    rate, longest = model.config.sample_rate, service.settings.limits.audio_seconds
    try:
        if longest >= plain_wav.MAX_SECONDS and plain_wav.is_plain_wav(content, rate):
            clip = await service.engine.run(caller, plain_wav.read_plain_wav, content, rate)
        else:
            clip = await service.decoders.decode(
                content, sample_rate=rate, max_duration=longest, caller=caller
            )
        model.refuse_unusable("the file", clip.quality)
    except AudioError as error:
        raise ApiError(400, str(error), "invalid_audio", param="file") from None
    return clip


def _time_line(model: Model, clip: LoadedAudio) -> list[Segment]:
    return list(model.timeline((clip.waveform, model.config.sample_rate)))


def _response(
    order: _Order, clip: LoadedAudio, answer: Prediction, segments: list[Segment]
) -> Response:
    if order.response_format in TEXT_TYPES:
        labels = order.model.labels
        text = as_text(order.response_format, answer, segments, labels, clip.quality)
        return PlainTextResponse(text, media_type=TEXT_TYPES[order.response_format])
    verbose = order.response_format == "verbose_json"
    return JSONResponse(
        as_json(order.name, answer, segments, order.granularities if verbose else ())
    )


# --- bodies ---


RECORDING = "recording"
"""What formats with file names call an upload, whose own name is its sender's business."""


def as_json(
    model: str,
    answer: Prediction,
    segments: Sequence[Segment] = (),
    granularities: Sequence[str] = (),
) -> dict[str, Any]:
    """Return a prediction as JSON; with granularities, also its segments."""
    body: dict[str, Any] = {"model": model, **answer.to_dict()}
    for name, parts in (("segment", segments), ("utterance", map(utterance, group(segments)))):
        if name in granularities:
            body[f"{name}s"] = [{"id": i, **part.to_dict()} for i, part in enumerate(parts)]
    return body


def as_text(
    response_format: str,
    answer: Prediction,
    segments: Sequence[Segment],
    labels: Sequence[str],
    quality: AudioQuality,
) -> str:
    """Return a time line in one of `TEXT_TYPES`."""
    track = Track(
        RECORDING,
        segments=tuple(segments),
        duration=answer.duration,
        quality=quality,
        warnings=answer.warnings,
        ood_score=answer.ood_score,
    )
    return "".join(f"{line}\n" for line in text_lines(response_format, [track], labels))
