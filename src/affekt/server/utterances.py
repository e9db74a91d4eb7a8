"""Utterances: stretches of speech with no long pause inside, each with one answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from affekt.results import Measurement, Segment, mean_numbers
from affekt.runtime.warnings import ood_warnings

CONTIGUOUS = 0.05  # seconds between segments that belong to one utterance


def utterance(segments: Sequence[Segment]) -> Segment:
    """Return one answer for segments that follow each other: their mean, weighed by duration."""
    weights = [max(segment.duration, 1e-6) for segment in segments]
    total = sum(weights)
    scores = {
        label: sum(w * s.scores[label] for w, s in zip(weights, segments, strict=True)) / total
        for label in segments[0].scores
    }
    label = max(scores, key=lambda name: scores[name])
    means = mean_numbers(segments, weights)
    return Segment(
        *(segments[0].start, segments[-1].end, label, scores[label], scores),
        warnings=ood_warnings(means["ood_score"]),
        **means,
    )


def group(segments: Iterable[Segment], pause: float = CONTIGUOUS) -> list[list[Segment]]:
    """Part segments where more than `pause` seconds lie between them."""
    groups: list[list[Segment]] = []
    for segment in segments:
        if groups and segment.start - groups[-1][-1].end <= pause:
            groups[-1].append(segment)
        else:
            groups.append([segment])
    return groups


class UtteranceEvents:
    """Begin and end of utterances, from the results of a stream.

    Parameters
    ----------
    max_pause : float
        Seconds of silence that end an utterance, as the stream has it.
    """

    def __init__(self, max_pause: float) -> None:
        self._max_pause = max_pause
        self._last_end: float | None = None  # of the utterance in progress
        self._segments: list[Segment] = []  # final ones of it

    def push(
        self,
        measurements: Sequence[Measurement],
        segments: Sequence[Segment],
        still_open: Segment | None,
    ) -> Iterator[tuple[str, Any]]:
        """Yield ``("start", seconds)``, ``("measurement", Measurement)``, ``("end", segments)``.

        Parameters
        ----------
        measurements, segments
            What the last push to the stream made.
        still_open : Segment or None
            What the stream has not made final yet.
        """
        self._segments += segments
        for measurement in measurements:
            if self._last_end is None:
                yield "start", measurement.start
            elif measurement.start - self._last_end > self._max_pause + CONTIGUOUS:
                yield "end", self._taken(measurement.start)
                yield "start", measurement.start
            self._last_end = measurement.end
            yield "measurement", measurement
        if still_open is None and self._is_complete():
            yield from self.finish()

    def finish(self) -> Iterator[tuple[str, Any]]:
        """Yield the end of what is still going on, after the last push."""
        if self._last_end is not None:
            yield "end", self._taken(float("inf"))
            self._last_end = None

    def _is_complete(self) -> bool:
        """Whether the segments reach as far as the measurements do."""
        if self._last_end is None or not self._segments:
            return False
        return self._segments[-1].end >= self._last_end - CONTIGUOUS

    def _taken(self, before: float) -> list[Segment]:
        taken = [segment for segment in self._segments if segment.start < before]
        self._segments = [segment for segment in self._segments if segment.start >= before]
        return taken
