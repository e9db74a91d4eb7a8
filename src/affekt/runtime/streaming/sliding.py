"""Windows over a stream, each scored as soon as it is complete."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from affekt.runtime.backends import Backend
from affekt.runtime.domain import Domain
from affekt.runtime.session import Floats, numbers_of
from affekt.runtime.streaming.activity import Activity

FALLBACK_STEP = 0.05  # seconds; the grid of models whose encoder cannot stream
SPEECH_PAD = 0.6
"""Seconds on either side of what the detector calls speech that count as speech: the first and
last sounds of a sentence, and short pauses in it."""


@dataclass(frozen=True)
class Grid:
    """Where windows lie. All counts are in steps, what one frame of the encoder advances.

    Attributes
    ----------
    step : int
        Samples.
    hop : int
        From one window to the next, and what each stands for.
    before, after : int
        How much further than its hop a window reaches on either side.
    """

    step: int
    hop: int
    before: int
    after: int

    @property
    def length(self) -> int:
        """Steps of a whole window."""
        return self.before + self.hop + self.after

    @classmethod
    def of(cls, window: float, hop: float, step: int, sample_rate: int) -> Grid:
        """Round seconds up to whole steps."""
        seconds = step / sample_rate
        hop_steps = max(1, math.ceil(hop / seconds - 1e-6))
        around = max(hop_steps, math.ceil(window / seconds - 1e-6)) - hop_steps
        return cls(step, hop_steps, around // 2, around - around // 2)

    def window(self, index: int) -> tuple[int, int]:
        """First step of a window, and the one after its last."""
        start = index * self.hop
        return max(0, start - self.before), start + self.hop + self.after

    def last_window(self, index: int, samples: int) -> tuple[int, int]:
        """The same where the recording ends within the window: cut, but not to a sliver."""
        end = math.ceil(samples / self.step)
        half = self.length // 2
        return max(0, min(index * self.hop - self.before, end - half)), end


@dataclass(frozen=True)
class WindowScore:
    """The scores of one hop.

    Attributes
    ----------
    start, end : float
        Seconds.
    scores : np.ndarray [shape=(classes,)] or None
        None without sound.
    speech : float or None
        Share of the hop that is speech; None without a detector.
    numbers : mapping of str to float
        By field of an answer, what is known of `affekt.results.NUMBERS`.
    heard : (float, float) or None
        Where in the hop the speech begins and ends, in seconds; None for all of it.
    """

    start: float
    end: float
    scores: NDArray[np.float64] | None
    speech: float | None
    numbers: Mapping[str, float] = field(default_factory=dict)
    heard: tuple[float, float] | None = None


class SpanScorer(Protocol):
    """What answers for stretches of a stream: :class:`RerunScorer` or ``FrameScorer``."""

    @property
    def known(self) -> int:
        """Steps from the beginning that can be scored."""
        ...

    def push(self, samples: Floats) -> None:
        """Take more samples [samples]."""
        ...

    def finish(self) -> None:
        """Mark the end of the samples."""
        ...

    def score(self, spans: Sequence[Span]) -> dict[str, Floats]:
        """Return the outputs of the model for spans, by name.

        ``probabilities`` [spans, classes], ``embedding`` [spans, dim], and [spans] for each of
        `affekt.results.OUTPUTS` that the model says.
        """
        ...

    def forget(self, first: int) -> None:
        """Drop what came before a step."""
        ...


@dataclass(frozen=True)
class Span:
    """A span to score.

    Attributes
    ----------
    first, last : int
        Its first step, and the one after its last.
    at_end : bool
        Whether it reaches to the end of the recording.
    """

    first: int
    last: int
    at_end: bool = False


class RerunScorer:
    """Runs the whole graph on each span: for models whose encoder cannot stream."""

    def __init__(self, backend: Backend, step: int) -> None:
        self._backend = backend
        self._step = step
        self._samples = np.zeros(0, dtype=np.float32)
        self._first = 0  # step of the first sample that is kept

    @property
    def known(self) -> int:
        """Steps from the beginning that can be scored."""
        return self._first + len(self._samples) // self._step

    def push(self, samples: Floats) -> None:
        """Take more samples [samples]."""
        self._samples = np.concatenate([self._samples, samples])

    def finish(self) -> None:
        """Nothing to do: each span is a whole input."""

    def score(self, spans: Sequence[Span]) -> dict[str, Floats]:
        """Return the outputs for each span, with its pauses, by name."""
        answers = []
        for span in spans:
            first, last = (step * self._step for step in (span.first, span.last))
            offset = self._first * self._step
            waveform = self._samples[first - offset : last - offset]
            answers.append(self._backend.run(waveform[None]))
        return {
            name: np.concatenate([answer[name] for answer in answers])
            for name in self._backend.outputs
        }

    def forget(self, first: int) -> None:
        """Drop what came before a step."""
        if first > self._first:
            self._samples = self._samples[(first - self._first) * self._step :]
            self._first = first


class SlidingWindows:
    """From samples to windows, in order; the same ones however the samples were cut.

    Parameters
    ----------
    scorer : SpanScorer
    grid : Grid
    activity : Activity
    block : int
        Steps that are processed at once.
    sample_rate : int
        Hz.
    shortest : float
        Seconds of sound below which a span has no scores.
    domain : Domain, optional
        Where embeddings of speech lie.
    adapt : callable, optional
        Changes the outputs for spans before they are used.
    at_block : callable, optional
        Called with the samples of every block that left all windows so far without an answer.
    """

    def __init__(
        self,
        scorer: SpanScorer,
        grid: Grid,
        activity: Activity,
        *,
        block: int,
        sample_rate: int,
        shortest: float,
        domain: Domain | None = None,
        adapt: Callable[[Sequence[Span], dict[str, Floats]], dict[str, Floats]] | None = None,
        at_block: Callable[[Floats], None] | None = None,
    ) -> None:
        self._scorer = scorer
        self._grid = grid
        self._activity = activity
        self._block = block * grid.step
        self._seconds = grid.step / sample_rate
        self._shortest = shortest / self._seconds  # steps
        self._domain = domain
        self._adapt = adapt
        self._at_block = at_block
        self._rest: list[Floats] = []
        self._waiting = 0  # samples in _rest
        self._pushed = 0  # samples
        self._next = 0  # index of the next window

    def push(self, samples: Floats) -> list[WindowScore]:
        """Take more samples [samples]; return the new windows."""
        windows: list[WindowScore] = []
        self._rest.append(samples)
        self._waiting += len(samples)
        if self._waiting >= self._block:
            rest = np.concatenate(self._rest)
            whole = len(rest) // self._block * self._block
            self._rest, self._waiting = [rest[whole:]], len(rest) - whole
            for start in range(0, whole, self._block):
                block = rest[start : start + self._block]
                self._hear(block)
                known = self._ready()
                windows += known
                if self._at_block is not None:
                    if any(window.scores is not None for window in known):
                        self._at_block = None
                    else:
                        self._at_block(block)
        return windows

    def flush(self) -> list[WindowScore]:
        """Return what is left when no more samples come."""
        if self._rest:
            self._hear(np.concatenate(self._rest))
        self._rest, self._waiting = [], 0
        if self._pushed >= self._shortest * self._grid.step:
            self._activity.finish()
            self._scorer.finish()
            return self._ready(at_end=True)
        return []

    def _hear(self, samples: Floats) -> None:
        self._pushed += len(samples)
        self._activity.push(samples)
        self._scorer.push(samples)

    def _ready(self, *, at_end: bool = False) -> list[WindowScore]:
        """All windows that are known by now; scored together."""
        hop, step = self._grid.hop, self._grid.step
        known = min(self._scorer.known, self._activity.steps)
        found: list[tuple[int, Span | None]] = []
        while True:
            first, last = self._grid.window(self._next)
            if at_end:
                if self._next * hop * step >= self._pushed:
                    break
                if last * step >= self._pushed:
                    first, last = self._grid.last_window(self._next, self._pushed)
            elif last > known or last * step >= self._pushed:
                break
            span = Span(first, last, at_end=last * step >= self._pushed)
            found.append((self._next, span if self._is_heard(self._next, span) else None))
            self._next += 1
        spans = [span for _, span in found if span is not None]
        answers = self._answers(spans)
        windows = [
            self._window_score(index, span, *((None, {}) if span is None else next(answers)))
            for index, span in found
        ]
        oldest = max(0, self._next * hop - self._grid.length)
        self._activity.forget(oldest)
        self._scorer.forget(oldest)
        return windows

    def _answers(self, spans: Sequence[Span]) -> Iterator[tuple[Floats, dict[str, float]]]:
        """Probabilities [classes] of each span, and the numbers that are known of it."""
        if not spans:
            return
        outputs = self._scorer.score(spans)
        if self._adapt is not None:
            outputs = self._adapt(spans, outputs)
        for index, score in enumerate(self._ood_scores(spans, outputs["embedding"])):
            numbers = numbers_of(outputs, index)
            if score is not None:
                numbers["ood_score"] = score
            yield outputs["probabilities"][index], numbers

    def _ood_scores(self, spans: Sequence[Span], embeddings: Floats) -> Sequence[float | None]:
        """Out-of-domain scores of what was pooled from spans: embeddings [spans, dim]."""
        if self._domain is None:
            return [None] * len(spans)
        steps = (
            self._activity.speech(span.first, span.last).sum()
            if self._activity.detects_speech
            else span.last - span.first
            for span in spans
        )
        return self._domain.scores(embeddings, [float(n) * self._seconds for n in steps])

    def _is_heard(self, index: int, span: Span) -> bool:
        """Return whether there is any sound."""
        activity, own = self._activity, self._own(index)
        if activity.is_silent(*own):
            return False
        if not activity.detects_speech:
            return True
        speech = activity.speech(span.first, span.last)
        return bool(self._spoken(index, span).any() and speech.sum() >= self._shortest)

    def _spoken(self, index: int, span: Span) -> NDArray[np.bool_]:
        """Which steps of a window's hop lie in speech or near it, as far as the window reaches."""
        first, last = self._own(index)
        pad = round(SPEECH_PAD / self._seconds)
        begin, end = max(span.first, first - pad), min(span.last, last + pad, self._activity.steps)
        speech = self._activity.speech(begin, end)
        near = np.convolve(speech, np.ones(2 * pad + 1), "full")[pad : pad + len(speech)] > 0
        return near[first - begin : last - begin]

    def _own(self, index: int) -> tuple[int, int]:
        """The steps of a window's hop."""
        return index * self._grid.hop, min((index + 1) * self._grid.hop, self._activity.steps)

    def _window_score(
        self,
        index: int,
        span: Span | None,
        scores: Floats | None,
        numbers: Mapping[str, float],
    ) -> WindowScore:
        seconds = self._pushed * self._seconds / self._grid.step
        first, last = self._own(index)
        share, heard = None, None
        if self._activity.detects_speech:
            share = self._activity.speech(first, last).mean()
            if span is not None:
                spoken = first + np.flatnonzero(self._spoken(index, span))
                edges = spoken[0] * self._seconds, (spoken[-1] + 1) * self._seconds
                heard = round(float(edges[0]), 6), round(float(min(edges[1], seconds)), 6)
        return WindowScore(
            start=round(first * self._seconds, 6),
            end=round(min((index + 1) * self._grid.hop * self._seconds, seconds), 6),
            scores=None if scores is None else scores.astype(np.float64),
            speech=None if share is None else float(share),
            numbers=numbers,
            heard=heard,
        )
