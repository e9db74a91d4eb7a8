"""``WS /v1/stream``: sound in, events out, while it is spoken."""

from __future__ import annotations

import logging

from fastapi import APIRouter, WebSocket

from affekt.server.guard import PROTOCOL
from affekt.server.service import caller_of, note, service_of
from affekt.server.session import CLOSE_CODES, Left, Session

router = APIRouter()


@router.websocket("/v1/stream")
async def stream(socket: WebSocket) -> None:
    """Run one session; its messages are in docs/serving.md."""
    service = service_of(socket)
    caller = caller_of(socket)
    with service.session(caller):
        name, model = service.engine.model(socket.query_params.get("model"))
        offered = socket.scope.get("subprotocols", [])
        await socket.accept(subprotocol=PROTOCOL if PROTOCOL in offered else None)
        session = Session(socket, service, caller, name, model)
        try:
            reason = await session.run()
        except Left:
            reason = "left"
        except Exception:  # logged; the other sessions go on
            logging.getLogger("affekt.server").exception(
                "a session failed", extra={"fields": {"session": session.id}}
            )
            reason = "failed"
        note(
            socket,
            session=session.id,
            model=name,
            reason=reason,
            audio_seconds=round(session.duration, 3),
        )
        service.metrics.audio.labels(name, "stream").inc(session.duration)
        if reason in CLOSE_CODES:
            await socket.close(CLOSE_CODES[reason])
