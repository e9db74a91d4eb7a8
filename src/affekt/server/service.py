"""What all parts of a running server share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.requests import HTTPConnection

from affekt.errors import ConfigError
from affekt.runtime import Model
from affekt.runtime.backends import OnnxBackend
from affekt.runtime.bundle import Bundle, open_bundle
from affekt.server.decoding import DecoderPool
from affekt.server.engine import Engine
from affekt.server.errors import ApiError, busy
from affekt.server.experiments import Experiments
from affekt.server.keys import KeyRing, RateLimiter
from affekt.server.settings import Settings
from affekt.server.shares import Shares
from affekt.server.telemetry import ServerMetrics

MODEL_FILES = ("config.json", "model.onnx", "encoder.onnx", "head.onnx")
"""All that is served of a model directory."""


@dataclass
class Held:
    """How much of the memory for uploads one request holds."""

    shares: Shares
    caller: str
    size: int = 0

    def add(self, count: int) -> None:
        """Take more.

        Raises
        ------
        ApiError
            429 if all requests together, or those of one caller, would hold more than they may.
        """
        if not self.shares.take(self.caller, count):
            raise busy()
        self.size += count

    def exchange(self, count: int) -> None:
        """Hold another amount instead, where an upload has become samples.

        Raises
        ------
        ApiError
            As from `add`.
        """
        self.shares.give(self.caller, self.size)
        self.size = 0
        self.add(count)


@dataclass
class Service:
    """A server at work."""

    settings: Settings
    engine: Engine
    bundles: Mapping[str, Bundle]
    decoders: DecoderPool
    metrics: ServerMetrics
    keys: KeyRing
    rate: RateLimiter
    experiments: Experiments
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        limits = self.settings.limits
        self._sessions = Shares(limits.sessions)
        self._webm_sessions = Shares(limits.webm_sessions)
        self._uploads = Shares(limits.held_bytes)
        self.messages = RateLimiter(limits.messages_per_second, burst_seconds=0.25)

    @property
    def sessions(self) -> int:
        """How many WebSocket sessions are open."""
        return self._sessions.used

    @property
    def ready(self) -> bool:
        """Whether new requests are welcome."""
        return not self.stopping.is_set()

    def files(self, model: str) -> dict[str, Path]:
        """Return the files of a model that are served, by name."""
        bundle = self.bundles[model]
        if bundle.config is None:  # a bare ONNX file, whose neighbours are not its own
            return {}
        paths = {name: bundle.directory / name for name in MODEL_FILES}
        return {name: path for name, path in paths.items() if path.is_file()}

    @contextmanager
    def holding(self, caller: str) -> Iterator[Held]:
        """Count the memory of one request's upload until the request is answered."""
        held = Held(self._uploads, caller)
        try:
            yield held
        finally:
            self._uploads.give(caller, held.size)

    @contextmanager
    def session(self, caller: str) -> Iterator[None]:
        """Count a WebSocket session.

        Raises
        ------
        ApiError
            429 if there are as many as may be, of all or of this caller; 503 if the server stops.
        """
        if not self.ready:
            raise ApiError(503, "the server is stopping", "stopping")
        if not self._sessions.take(caller):
            raise busy(self.settings.limits.idle_seconds)
        self.metrics.sessions.set(self.sessions)
        try:
            yield
        finally:
            self._sessions.give(caller)
            self.metrics.sessions.set(self.sessions)

    @contextmanager
    def webm_session(self, caller: str) -> Iterator[None]:
        """Count a session that has a decoder process of its own.

        Raises
        ------
        ApiError
            429 if there are as many as may be, of all or of this caller.
        """
        if not self._webm_sessions.take(caller):
            raise ApiError(
                429,
                "no decoder is free for webm_opus: send pcm_s16le, or try again later",
                "decoders_taken",
                param="format",
            )
        try:
            yield
        finally:
            self._webm_sessions.give(caller)

    async def reload(self) -> None:
        """Load the models again; requests that run are answered by those they began with.

        Raises
        ------
        AffektError
            If a model is missing or damaged; then all stay as they were.
        """
        loop = asyncio.get_running_loop()
        bundles, models = await loop.run_in_executor(None, load_models, self.settings)
        self.bundles, self.engine.models = bundles, models

    async def drain(self) -> None:
        """Have all sessions end, and wait for them, but not for ever."""
        self.stopping.set()
        for _ in range(int(self.settings.drain_seconds / 0.05)):
            if not self.sessions:
                return
            await asyncio.sleep(0.05)


def make_service(settings: Settings) -> Service:
    """Load the models and put a server together; the application starts its decoders.

    Raises
    ------
    ModelError
        If a model is missing or damaged.
    """
    limits, metrics = settings.limits, ServerMetrics()
    bundles, models = load_models(settings)
    engine = Engine(
        models,
        threads=settings.threads,
        queue=limits.queue,
        batch=settings.batch,
        wait=limits.wait_seconds,
        metrics=metrics,
    )
    return Service(
        settings=settings,
        engine=engine,
        experiments=Experiments(engine, settings.split, settings.shadow, metrics),
        decoders=DecoderPool(
            settings.decoders,
            memory=limits.decode_bytes,
            timeout=limits.decode_seconds,
            wait=limits.wait_seconds,
            on_death=metrics.decoder_deaths.inc,
        ),
        bundles=bundles,
        metrics=metrics,
        keys=KeyRing(settings.keys),
        rate=RateLimiter(limits.rate),
    )


def load_models(settings: Settings) -> tuple[dict[str, Bundle], dict[str, Model]]:
    """Load the models by name, with their bundles.

    Raises
    ------
    ModelError
        If one is missing or damaged.
    ConfigError
        If the shadow takes another sample rate than the others.
    """
    bundles = {name: open_bundle(source) for name, source in settings.models.items()}
    # One thread within each run: requests run beside one another instead.
    models = {name: Model(OnnxBackend(bundle, threads=1)) for name, bundle in bundles.items()}
    rates = {model.config.sample_rate for model in models.values()}
    if settings.shadow and len(rates) > 1:
        raise ConfigError("with --shadow, all models must take the same sample rate")
    return bundles, models


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
