"""``POST /v1/audio/baselines``: a recording in, the baseline of its voice out."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from affekt.errors import ModelError
from affekt.runtime.adapted import baseline_of
from affekt.server.baselines import FIELD, read_baseline, refused
from affekt.server.routes.audio import COMMON_FIELDS, REFUSALS, decode, recording_of
from affekt.server.schemas import BaselineFile
from affekt.server.service import caller_of, note, service_of
from affekt.server.uploads import read_form

router = APIRouter(tags=["emotions"])

_FORM = {"type": "object", "required": ["file"], "properties": COMMON_FIELDS}


@router.post(
    "/v1/audio/baselines",
    response_model=BaselineFile,
    responses=REFUSALS,
    summary="Measure a voice from a recording without labels",
    openapi_extra={
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}
    },
)
async def baselines(request: Request) -> Response:
    """Return the baseline of one recording, or the given `baseline` with the recording added.

    Nothing of it is kept: send it again with each request that it is for.
    """
    service = service_of(request)
    caller = caller_of(request)
    with service.holding(caller) as held:
        form = await read_form(request, service.settings.limits, held)
        content = recording_of(form)
        name, model = service.engine.model(form.one("model"))
        known = read_baseline(form.one(FIELD), model)
        with service.engine.admitted(caller):
            clip = await decode(content, model, service, caller)
            form.file, content = None, b""
            held.exchange(clip.waveform.nbytes)
            note(request, model=name, audio_seconds=round(clip.quality.duration, 3))
            answer = await service.engine.predict(model, clip, caller)
    service.metrics.audio.labels(name, "file").inc(clip.quality.duration)
    try:
        baseline = baseline_of(model.config, [answer])
    except ModelError as error:
        raise refused(error) from None
    if known is not None:
        baseline = known.merged(baseline)
    return JSONResponse(baseline.to_dict())
