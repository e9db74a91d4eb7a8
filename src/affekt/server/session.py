"""One WebSocket session: sound in, events out.

    client -- sound --> _receive -> [decoder] -> SoundBuffer -> _hear -- events --> client

The tasks share a bounded buffer: while it is full, nothing is read from the connection, so that a
client that sends faster than the model computes is slowed down instead of filling the memory.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.websockets import WebSocket, WebSocketDisconnect

from affekt.adapt import Baseline
from affekt.errors import AffektError, AudioError, ModelError
from affekt.results import Segment
from affekt.runtime import Model
from affekt.runtime.options import TimelineOptions
from affekt.server.baselines import FIELD, read_baseline, refused
from affekt.server.decoding import DecodingStream
from affekt.server.errors import ApiError
from affekt.server.service import Service
from affekt.server.utterances import UtteranceEvents, utterance

SAMPLE_RATE = 16_000  # Hz, of PCM
FORMATS = ("pcm_s16le", "webm_opus")
OPTIONS = ("window", "hop", "smoothing", "min_duration", "max_pause", "threshold")
"""What of `TimelineOptions` a client may choose."""
MAX_WINDOW = 30.0  # seconds
MIN_HOP = 0.1  # seconds
BUFFER_SECONDS = 10.0
"""Sound that may wait to be processed, in seconds."""
PIECE_SECONDS = 1.0
"""Sound that is processed at once, so that sessions take turns."""
LEAST = round(0.2 * SAMPLE_RATE)
"""Smallest number of samples that are processed at once."""
FLUSH_SECONDS = 10.0
"""Time for the last answers when a session ends."""

CLOSE_CODES = {
    "client": 1000,
    "expired": 1000,
    "shutdown": 1001,
    "idle": 1008,
    "error": 1008,
    "failed": 1011,
}


class Left(Exception):
    """The client is gone, or does not read what it is sent."""


class Session:
    """One client's stream.

    Parameters
    ----------
    socket : WebSocket
        Accepted.
    service : Service
    caller : str
        Whose session it is.
    name : str
        Of the model.
    model : Model
    """

    def __init__(
        self, socket: WebSocket, service: Service, caller: str, name: str, model: Model
    ) -> None:
        self.id = f"sess_{secrets.token_hex(8)}"
        self.duration = 0.0
        self._socket = socket
        self._service = service
        self._caller = caller
        self._limits = service.settings.limits
        self._name = name
        self._model = model
        self._format = FORMATS[0]
        self._options = TimelineOptions()
        self._baseline: Baseline | None = None
        self._learn = False
        self._stream = model.stream(self._options, sample_rate=SAMPLE_RATE)
        self._utterances = UtteranceEvents(self._options.max_pause)
        self._pcm = _PcmReader()
        self._buffer = _SoundBuffer(round(BUFFER_SECONDS * SAMPLE_RATE))
        self._decoding: DecodingStream | None = None
        self._begun = False  # the first sound has come
        self._tasks: list[asyncio.Task[Any]] = []

    async def run(self) -> str:
        """Serve until the end; return the reason for it."""
        await self._send("session.created", session=self._facts(), limits=self._limit_facts())
        async with AsyncExitStack() as resources:
            hearing = self._start(self._hear())
            receiving = self._start(self._receive(resources))
            try:
                reason = await self._until_end(hearing, receiving)
                if reason in ("idle", "expired", "shutdown"):
                    receiving.cancel()
                    await self._buffer.end()
                    await asyncio.wait([hearing], timeout=FLUSH_SECONDS)
            finally:
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)
        learnt = self._stream.baseline if self._learn else None
        if learnt is not None and learnt.count:
            await self._send("session.baseline", baseline=learnt.to_dict())
        await self._send("session.closed", reason=reason, duration=round(self.duration, 3))
        return reason

    def _start(self, work: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.create_task(work)
        self._tasks.append(task)
        return task

    async def _until_end(self, hearing: asyncio.Task[Any], receiving: asyncio.Task[Any]) -> str:
        """Wait for the first thing that ends a session, and name it."""
        stopping = self._start(self._service.stopping.wait())
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.session_seconds
        waiting = {hearing, receiving, stopping}
        try:
            while True:
                done, _ = await asyncio.wait(
                    waiting,
                    timeout=max(0.0, deadline - loop.time()),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if not done:
                    await self._error(_expired(self._limits.session_seconds))
                    return "expired"
                for task in done:
                    task.result()  # raises what ended it
                if stopping in done:
                    return "shutdown"
                if hearing in done:
                    return "client"
                if receiving.result() == "idle":
                    await self._error(_idle(self._limits.idle_seconds))
                    return "idle"
                waiting.discard(receiving)  # the client has closed its side; process the rest
        except AudioError as error:
            await self._error(ApiError(400, str(error), "invalid_audio"))
        except ApiError as error:
            await self._error(error)
        return "error"

    # --- from the client ---

    async def _receive(self, resources: AsyncExitStack) -> str:
        while True:
            try:
                message = await asyncio.wait_for(self._socket.receive(), self._limits.idle_seconds)
            except asyncio.TimeoutError:
                return "idle"
            if message["type"] == "websocket.disconnect":
                raise Left
            if wait := self._service.messages.wait(self._caller):
                await asyncio.sleep(wait)  # and the connection slows down the client
            if message.get("bytes") is not None:
                await self._take_sound(message["bytes"], resources)
            elif await self._take_control(message.get("text") or ""):
                return "closed"

    async def _take_sound(self, data: bytes, resources: AsyncExitStack) -> None:
        if not self._begun:
            if self._format == "webm_opus":
                await self._start_decoder(resources)
            self._begun = True
        if self._decoding is not None:
            await self._decoding.write(data)
        else:
            await self._buffer.put(self._pcm.read(data))

    async def _start_decoder(self, resources: AsyncExitStack) -> None:
        resources.enter_context(self._service.webm_session(self._caller))
        self._decoding = await resources.enter_async_context(
            self._service.decoders.stream(sample_rate=SAMPLE_RATE)
        )
        self._start(self._decode(self._decoding))

    async def _decode(self, decoding: DecodingStream) -> None:
        """Pass on what the decoder gives; its failure ends the session in `_hear`."""
        try:
            while (samples := await decoding.read()) is not None:
                await self._buffer.put(samples)
        except AudioError as error:
            await self._buffer.fail(error)
        else:
            await self._buffer.end()

    async def _take_control(self, text: str) -> bool:
        """Handle a text message; return whether it ends the sound."""
        try:
            kind, session = _parse(text)
            if kind == "session.update":
                self._update(session)
                await self._send("session.updated", session=self._facts())
        except ApiError as error:
            await self._error(error)
            return False
        if kind != "session.close":
            return False
        if self._decoding is not None:
            await self._decoding.end()
        else:
            if self._pcm.incomplete:
                await self._error(_half_sample())
            await self._buffer.end()
        return True

    def _update(self, wanted: dict[str, Any]) -> None:
        if self._begun:
            raise _refused("the session cannot be changed once sound has come", None)
        known = {"format", FIELD, "learn", *OPTIONS}
        if unknown := set(wanted) - known:
            raise _refused(f"expected {', '.join(sorted(known))}", sorted(unknown)[0])
        chosen = wanted.pop("format", self._format)
        if chosen not in FORMATS:
            raise _refused(f"format must be one of {', '.join(FORMATS)}", "format")
        learn = wanted.pop("learn", self._learn)
        if not isinstance(learn, bool):
            raise _refused("learn must be true or false", "learn")
        baseline = self._baseline
        if FIELD in wanted:
            baseline = read_baseline(wanted.pop(FIELD), self._model)
        try:
            options = replace(self._options, **wanted)
        except AffektError as error:
            raise _refused(str(error), None) from None
        if options.window > MAX_WINDOW or (options.hop or MIN_HOP) < MIN_HOP:
            raise _refused(f"window is at most {MAX_WINDOW:g} s, hop at least {MIN_HOP:g} s", None)
        try:
            self._stream = self._model.stream(
                options, sample_rate=SAMPLE_RATE, baseline=baseline, learn=learn
            )
        except ModelError as error:  # it knows no baselines
            raise refused(error) from None
        self._utterances = UtteranceEvents(options.max_pause)
        self._format, self._options = chosen, options
        self._baseline, self._learn = baseline, learn

    # --- to the client ---

    async def _hear(self) -> None:
        piece = round(PIECE_SECONDS * SAMPLE_RATE)
        while (samples := await self._buffer.take(LEAST)) is not None:
            for start in range(0, len(samples), piece):
                part = samples[start : start + piece]
                segments = await self._run(self._stream.push, part)
                self.duration += len(part) / SAMPLE_RATE
                await self._tell(segments)
        await self._tell(await self._run(self._stream.flush))
        for event, value in self._utterances.finish():
            await self._tell_one(event, value)

    async def _run(self, work: Callable[..., list[Segment]], *arguments: Any) -> list[Segment]:
        return await self._service.engine.run(self._caller, work, *arguments, patient=True)

    async def _tell(self, segments: list[Segment]) -> None:
        stream = self._stream
        for event, value in self._utterances.push(
            stream.measurements, segments, stream.open_segment
        ):
            await self._tell_one(event, value)

    async def _tell_one(self, event: str, value: Any) -> None:
        if event == "start":
            await self._send("utterance.start", start=round(value, 6))
        elif event == "measurement":
            await self._send("measurement.result", **value.to_dict())
        elif value:
            parts = [segment.to_dict() for segment in value]
            await self._send("utterance.end", **utterance(value).to_dict(), segments=parts)

    async def _error(self, error: ApiError) -> None:
        self._service.metrics.refused.labels(error.code).inc()
        await self._send("error", **error.body)

    async def _send(self, kind: str, **fields: Any) -> None:
        text = json.dumps({"type": kind, **fields})
        try:
            await asyncio.wait_for(self._socket.send_text(text), self._limits.idle_seconds)
        except (asyncio.TimeoutError, WebSocketDisconnect, RuntimeError, OSError):
            raise Left from None

    def _facts(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "model": self._name,
            "labels": list(self._model.labels),
            "format": self._format,
            "sample_rate": SAMPLE_RATE,
            "streamable": self._model.config.streamable,
            "look_ahead": _look_ahead(self._model),
            **{name: getattr(self._options, name) for name in OPTIONS},
            "hop": self._stream.hop,
            "recordings": 0 if self._baseline is None else self._baseline.count,
            "learn": self._learn,
        }

    def _limit_facts(self) -> dict[str, float]:
        return {
            "message_bytes": self._limits.session_bytes,
            "idle_seconds": self._limits.idle_seconds,
            "total_seconds": self._limits.session_seconds,
        }


def _look_ahead(model: Model) -> float:
    """Return the look-ahead of a stream's model in seconds."""
    streaming = model.config.streaming
    seconds = streaming.get("delay", 0) * streaming.get("step", 0) / model.config.sample_rate
    return round(float(seconds), 3)


def _parse(text: str) -> tuple[str, dict[str, Any]]:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise _refused("a text message must be a JSON object with a 'type'", None) from None
    kind = message.get("type") if isinstance(message, dict) else None
    if kind not in ("session.update", "session.close"):
        raise _refused("expected session.update or session.close", "type")
    session = message.get("session", {})
    if not isinstance(session, dict):
        raise _refused("expected a JSON object", "session")
    return kind, dict(session)


def _refused(message: str, param: str | None) -> ApiError:
    return ApiError(400, message, "invalid_message", param=param)


def _half_sample() -> ApiError:
    return ApiError(400, "the sound ends within a sample: a byte is left over", "half_sample")


def _idle(seconds: float) -> ApiError:
    return ApiError(408, f"nothing came for {seconds:g} s", "session_idle")


def _expired(seconds: float) -> ApiError:
    return ApiError(408, f"a session lasts {seconds:g} s: begin a new one", "session_expired")


# --- sound ---


Samples = NDArray[np.float32]


class _SoundBuffer:
    """Samples on their way from one task to another.

    Parameters
    ----------
    capacity : int
        Samples that may wait; a single larger piece is let in when nothing else waits.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._pieces: list[Samples] = []
        self._size = 0
        self._ended = False
        self._failure: Exception | None = None
        self._changed = asyncio.Condition()

    async def put(self, samples: Samples) -> None:
        """Add samples, waiting while there is no room."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: self._size == 0 or self._size + len(samples) <= self._capacity
            )
            self._pieces.append(samples)
            self._size += len(samples)
            self._changed.notify_all()

    async def end(self) -> None:
        """Mark the end of the samples."""
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    async def fail(self, error: Exception) -> None:
        """Raise an error where samples are taken."""
        async with self._changed:
            self._failure = error
            self._changed.notify_all()

    async def take(self, least: int) -> Samples | None:
        """Return all that waits, once it is `least` samples or the end; None after the end."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: self._ended or self._failure is not None or self._size >= least
            )
            if self._failure is not None:
                raise self._failure
            if not self._pieces:
                return None
            samples = np.concatenate(self._pieces)
            self._pieces.clear()
            self._size = 0
            self._changed.notify_all()
            return samples


class _PcmReader:
    """s16le bytes, cut anywhere, to float32 samples."""

    def __init__(self) -> None:
        self._rest = b""

    def read(self, data: bytes) -> Samples:
        """Return the samples that are complete; half a sample waits for its other half."""
        data = self._rest + data
        whole = len(data) - len(data) % 2
        self._rest = data[whole:]
        samples: Samples = np.frombuffer(data[:whole], dtype="<i2").astype(np.float32)
        samples /= 32768
        return samples

    @property
    def incomplete(self) -> bool:
        """Whether half a sample was left over."""
        return bool(self._rest)
