"""``POST /v1/feedback``: the true label of an answer."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from affekt.server.errors import ApiError
from affekt.server.schemas import Error, Feedback, FeedbackCounted, inlined_schema
from affekt.server.service import caller_of, service_of
from affekt.server.uploads import read_body

router = APIRouter(tags=["emotions"])

_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": Error, "description": text}
    for status, text in {
        400: "The body is not JSON with an id and a label of the model.",
        401: "A valid API key is needed.",
        404: "There is no such answer, or it is too old.",
        408: "The upload is too slow.",
        409: "The answer has its label already.",
        413: "The body is too large.",
        429: "The caller is too quick: see Retry-After.",
    }.items()
}


@router.post(
    "/v1/feedback",
    response_model=FeedbackCounted,
    responses=_RESPONSES,
    summary="Say what an answer should have been",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": inlined_schema(Feedback)}},
        }
    },
)
async def feedback(request: Request) -> Response:
    """Count whether an answer was right; `id` is the `X-Request-Id` that came with it.

    Counted is whether the label is the same. No sound and no name is asked for, and none is kept.
    """
    service, caller = service_of(request), caller_of(request)
    with service.holding(caller) as held:
        body = await read_body(request, service.settings.limits, held, None)
    try:
        told = json.loads(body.decode("utf-8"))
        identity, label = told["id"], told["label"]
    except (ValueError, RecursionError, KeyError, TypeError):
        raise _wrong() from None
    if not (isinstance(identity, str) and isinstance(label, str) and identity and label):
        raise _wrong()
    service.experiments.feedback(identity, caller, label)
    return JSONResponse({"id": identity, "counted": True})


def _wrong() -> ApiError:
    return ApiError(
        400,
        'send JSON: {"id": "the X-Request-Id of the answer", "label": "happy"}',
        "invalid_value",
    )
