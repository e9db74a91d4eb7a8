"""Two models beside each other: which one answers, what a shadow says, and feedback on answers.

Nothing is kept of a recording, and no name: of each of the last `KEPT` answers its id, its caller,
its model and its label.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from affekt.audio import LoadedAudio
from affekt.errors import ConfigError, DataError
from affekt.labels import canonical
from affekt.results import Prediction
from affekt.server.engine import Engine
from affekt.server.errors import ApiError
from affekt.server.telemetry import LOGGER, ServerMetrics

KEPT = 10_000
"""Answers that feedback may still come for."""
_SHADOWS = 8  # that run or wait at once
_UNPAIRED = 1_000  # feedback of one model that waits for that of the other
_SHADOW = "shadow"


@dataclass
class _Kept:
    """An answer that feedback may come for."""

    model: str
    label: str
    shadow: str = ""
    truth: str = ""


class Experiments:
    """What a server does with a second model.

    Parameters
    ----------
    engine : Engine
    split : mapping of str to float
        Share of the requests that each model answers; empty for none.
    shadow : str
        The model that answers beside the one whose answer is sent; empty for none.
    metrics : ServerMetrics
    """

    def __init__(
        self, engine: Engine, split: Mapping[str, float], shadow: str, metrics: ServerMetrics
    ) -> None:
        check_names([*split, *([shadow] if shadow else [])], list(engine.models))
        self._engine = engine
        self._split = split
        self._shadow = shadow
        self._metrics = metrics
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._running: set[asyncio.Task[None]] = set()
        self._unpaired: dict[str, deque[bool]] = defaultdict(lambda: deque(maxlen=_UNPAIRED))

    def chosen(self, session: str | None, caller: str) -> str | None:
        """Return the model of a split for a session, or else for a caller: always the same one."""
        if not self._split:
            return None
        digest = hashlib.sha256((session or caller).encode()).digest()
        place = int.from_bytes(digest[:8], "big") / 2**64 * sum(self._split.values())
        for name, share in self._split.items():
            place -= share
            if place < 0:
                return name
        return next(reversed(list(self._split)))

    def answered(
        self, request: str, caller: str, model: str, answer: Prediction, clip: LoadedAudio
    ) -> None:
        """Keep the label of an answer for feedback, and have the shadow answer, too."""
        kept = _Kept(model, answer.label)
        self._kept[caller, request] = kept
        self._kept.move_to_end((caller, request))
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        if not self._shadow or model == self._shadow:
            return
        if self._engine.busy or len(self._running) >= _SHADOWS:
            self._metrics.shadow.labels(model, self._shadow, "skipped").inc()
            return
        task = asyncio.create_task(self._beside(kept, clip))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _beside(self, kept: _Kept, clip: LoadedAudio) -> None:
        outcome = "failed"
        try:
            answer = await self._engine.predict(self._engine.models[self._shadow], clip, _SHADOW)
            kept.shadow = answer.label
            outcome = "same" if kept.shadow == kept.label else "other"
            self._count_shadow(kept)
        except Exception:  # logged: the answer has been sent, nobody else can be told
            logging.getLogger(LOGGER).exception("the shadow failed")
        self._metrics.shadow.labels(kept.model, self._shadow, outcome).inc()

    def feedback(self, request: str, caller: str, label: str) -> None:
        """Count whether an answer was right.

        Raises
        ------
        ApiError
            400 for a label that the model does not have, 404 for an unknown answer, 409 for one
            that has its label already.
        """
        kept = self._kept.get((caller, request))
        if kept is None:
            raise ApiError(
                404,
                f"there is no such answer of the last {KEPT}: send its X-Request-Id, with the same "
                "key",
                "answer_not_found",
                param="id",
            )
        truth = self._known(label, self._engine.models[kept.model].labels)
        if kept.truth:
            raise ApiError(409, "this answer has its label already", "feedback_given", param="id")
        kept.truth = truth
        right = kept.label == truth
        self._metrics.feedback.labels(kept.model, "right" if right else "wrong").inc()
        self._count_shadow(kept)
        if kept.model in self._split:
            self._pair(kept.model, right)

    @staticmethod
    def _known(label: str, labels: Sequence[str]) -> str:
        try:
            truth = canonical(label)
        except DataError:
            truth = ""
        if truth not in labels:
            raise ApiError(
                400, f"label must be one of {', '.join(labels)}", "invalid_value", param="label"
            )
        return truth

    def _count_shadow(self, kept: _Kept) -> None:
        """Count a pair once both the truth and the shadow's answer are known."""
        if kept.truth and kept.shadow:
            right, beside = kept.label == kept.truth, kept.shadow == kept.truth
            self._metrics.pair(kept.model, self._shadow, right, beside)

    def _pair(self, model: str, right: bool) -> None:
        """Pair feedback on the first model of a split with feedback on another, as they come."""
        first = next(iter(self._split))
        for other in [name for name in self._split if name != first]:
            if model not in (first, other):
                continue
            own, waiting = (f"{model}/{other}", f"{other if model == first else first}/{other}")
            if self._unpaired[waiting]:
                before = self._unpaired[waiting].popleft()
                pair = (right, before) if model == first else (before, right)
                self._metrics.pair(first, other, *pair)
            else:
                self._unpaired[own].append(right)


def parse_split(text: str) -> dict[str, float]:
    """Return the shares of ``A=90,B=10``.

    Raises
    ------
    ConfigError
        If it is anything else, or a share is no number above 0.
    """
    shares: dict[str, float] = {}
    for part in filter(None, text.split(",")):
        name, _, number = part.strip().rpartition("=")
        try:
            share = float(number)
        except ValueError:
            share = 0.0
        if not name or name in shares or not 0 < share < float("inf"):
            raise ConfigError(f"--split {text}: write NAME=SHARE,NAME=SHARE with shares above 0")
        shares[name] = share
    return shares


def check_names(names: Sequence[str], models: Sequence[str]) -> None:
    """Refuse names that are not models of the server.

    Raises
    ------
    ConfigError
    """
    for name in names:
        if name not in models:
            raise ConfigError(
                f"{name!r} of --split or --shadow is no model of the server: give "
                f"--model {name}=...; there are {', '.join(models)}"
            )
