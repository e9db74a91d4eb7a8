"""From scores of hops to segments: smooth, label, merge."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt.results import UNCERTAIN, Segment
from affekt.runtime.options import TimelineOptions
from affekt.runtime.streaming.sliding import WindowScore
from affekt.runtime.warnings import ood_warnings

Scores = NDArray[np.float64]

_ROUNDING = 1e-6  # seconds


class Segmenter:
    """Merges the windows of one stream into segments as they come.

    Parameters
    ----------
    labels : sequence of str
        Emotions in the order of the scores.
    options : TimelineOptions
    threshold : float
        Probability below which no emotion is named.
    hop : float
        Seconds from window to window.
    """

    def __init__(
        self, labels: Sequence[str], options: TimelineOptions, threshold: float, hop: float
    ) -> None:
        self._labels = tuple(labels)
        self._options = options
        self._threshold = threshold
        self._reach = round(options.smoothing / hop / 2)  # windows on either side
        self._windows: deque[WindowScore] = deque()
        self._smoothed = 0  # how many windows at the beginning of _windows are done
        self._current: Run | None = None
        self._candidate: Run | None = None  # too short by now to stand by itself

    def push(self, windows: Iterable[WindowScore]) -> list[Segment]:
        """Take windows in order; return the segments that became final."""
        done: list[Segment] = []
        for window in windows:
            self._windows.append(window)
            if len(self._windows) - self._smoothed > self._reach:
                self._smooth_next(done)
        return done

    def flush(self) -> list[Segment]:
        """Return what is left when no more windows come."""
        done: list[Segment] = []
        while self._smoothed < len(self._windows):
            self._smooth_next(done)
        self._close(done)
        return done

    @property
    def open_segment(self) -> Segment | None:
        """The segment that is not final yet."""
        run = self._current or self._candidate
        return None if run is None else run.segment(self._labels)

    def _smooth_next(self, done: list[Segment]) -> None:
        index = self._smoothed
        window = self._windows[index]
        first = max(0, index - self._reach)
        around = [
            self._windows[i] for i in range(first, min(len(self._windows), index + self._reach + 1))
        ]
        self._smoothed += 1
        if self._smoothed > self._reach:
            self._windows.popleft()
            self._smoothed -= 1
        if window.scores is None:
            self._pause(window, done)
        else:
            scored = [other.scores for other in around if other.scores is not None]
            self._add(window, window.scores if len(scored) == 1 else np.mean(scored, axis=0), done)

    def _pause(self, window: WindowScore, done: list[Segment]) -> None:
        last = self._candidate or self._current
        if last is not None and window.end - last.end > self._options.max_pause + _ROUNDING:
            self._close(done)

    def _add(self, window: WindowScore, scores: Scores, done: list[Segment]) -> None:
        best = int(scores.argmax())
        label = self._labels[best] if scores[best] >= self._threshold else UNCERTAIN
        if self._candidate is not None and self._candidate.label != label:
            self._join(self._candidate, label)
        if self._candidate is None:
            if self._current is not None and self._current.label == label:
                self._current.add(window, scores)
                return
            self._candidate = Run(label, window.start)
        self._candidate.add(window, scores)
        if self._candidate.duration >= self._options.min_duration - _ROUNDING:
            if self._current is not None:
                done.append(self._current.segment(self._labels))
            self._current, self._candidate = self._candidate, None

    def _join(self, short: Run, next_label: str) -> None:
        """Merge what is too short with what is before it, else with what follows."""
        if self._current is None:
            short.label = next_label
        else:
            self._current.absorb(short)
            self._candidate = None

    def _close(self, done: list[Segment]) -> None:
        """End the segment in progress: a pause follows, or the end."""
        if self._candidate is not None:
            self._join(self._candidate, self._candidate.label)
        last = self._current or self._candidate
        if last is not None:
            done.append(last.segment(self._labels))
        self._current = self._candidate = None


class Run:
    """Windows that follow each other under one label; what it gives ends with its speech."""

    def __init__(self, label: str, start: float) -> None:
        self.label = label
        self.start = self.end = start
        self._heard: tuple[float, float] | None = None
        self._sum: Scores = np.zeros(())  # scores times seconds
        self._weight = 0.0  # seconds with sound
        # By name of a number: it times seconds, and the seconds in which it is known.
        self._numbers: dict[str, tuple[float, float]] = {}

    @property
    def duration(self) -> float:
        """Seconds from its start to its end, pauses included."""
        return self.end - self.start

    @property
    def mean(self) -> Scores:
        """Mean scores [classes]."""
        return np.asarray(self._sum / self._weight)

    def add(self, window: WindowScore, scores: Scores) -> None:
        """Extend to the end of a window."""
        seconds = window.end - window.start
        self._sum = self._sum + scores * seconds
        self._weight += seconds
        for name, value in window.numbers.items():
            self._count(name, value * seconds, seconds)
        self.end = window.end
        self._hear(window.heard or (window.start, window.end))

    def absorb(self, other: Run) -> None:
        """Extend to the end of another run, and keep the label."""
        self._sum = self._sum + other._sum
        self._weight += other._weight
        for name, (total, seconds) in other._numbers.items():
            self._count(name, total, seconds)
        self.end = other.end
        if other._heard is not None:
            self._hear(other._heard)

    def _hear(self, span: tuple[float, float]) -> None:
        self._heard = (span if self._heard is None else self._heard)[0], span[1]

    def segment(self, labels: Sequence[str]) -> Segment:
        """Return the present segment."""
        scores = dict(zip(labels, self.mean.tolist(), strict=True))
        confidence = max(scores.values()) if self.label == UNCERTAIN else scores[self.label]
        numbers: dict[str, Any] = {
            name: total / seconds for name, (total, seconds) in self._numbers.items()
        }
        assert self._heard is not None
        return Segment(
            *(*self._heard, self.label, confidence, scores),
            warnings=ood_warnings(numbers.get("ood_score")),
            **numbers,
        )

    def _count(self, name: str, total: float, seconds: float) -> None:
        before = self._numbers.get(name, (0.0, 0.0))
        self._numbers[name] = (before[0] + total, before[1] + seconds)
