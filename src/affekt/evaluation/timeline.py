"""Scores of a time line against what is known of a recording.

All are computed over time, without frames: each moment counts for as long as it lasts.

* **UAR**: the mean over the emotions of the share of their time that carries their label.
* **EDER**, emotion diarization error rate: ``(false alarm + missed + confusion) / speech``, in
  seconds, where speech is what the truth gives an emotion. Where the truth covers all of a
  recording, as in ZED, it is one minus the share of the time that is right (Wang et al., "Speech
  Emotion Diarization: Which Emotion Appears When?", 2023). Moments with two voices count twice.

``uncertain`` names no emotion: it counts as missed, but not as missed speech.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from affekt.errors import DataError
from affekt.results import UNCERTAIN

NO_SPEECH = ("music", "noise")
"""Labels of a truth that say that nobody speaks."""

Span = tuple[float, float, str]
"""Start and end in seconds, and an emotion, `UNCERTAIN` or one of `NO_SPEECH`."""

Sums = defaultdict[str, float]


@dataclass(frozen=True)
class TimelineScores:
    """How well time lines agree with the truth.

    Attributes
    ----------
    uar : float
        Unweighted mean recall, over time.
    eder : float
        Emotion diarization error rate: ``false_alarm + missed + confusion``.
    false_alarm, missed, confusion : float
        Shares of the seconds of speech; the first may be above 1.
    missed_speech : float
        Share of the speech without a segment, ``uncertain`` ones included.
    named : float
        Share of the speech with an emotion named.
    music_labelled : float or None
        Share of music and noise, where nobody speaks, with an emotion named; None without any.
    boundary_error : float or None
        Median distance from a change of emotion to the nearest one found, in seconds; None where
        nothing changes.
    recall : dict of str to float
        By emotion that occurs.
    seconds : float
        Of speech.
    """

    uar: float
    eder: float
    false_alarm: float
    missed: float
    confusion: float
    missed_speech: float
    named: float
    music_labelled: float | None
    boundary_error: float | None
    recall: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers, rounded, for JSON."""
        values = dict(vars(self))
        recall = values.pop("recall")
        rounded = {name: None if one is None else round(one, 4) for name, one in values.items()}
        return {**rounded, "recall": {name: round(one, 4) for name, one in recall.items()}}


def score_timelines(
    recordings: Iterable[tuple[Sequence[Span], Sequence[Span]]], labels: Sequence[str]
) -> TimelineScores:
    """Score the time lines of recordings together.

    Parameters
    ----------
    recordings : iterable of (truth, found)
        The spans of each recording. Those of a truth may overlap where several people speak.
    labels : sequence of str
        Emotions that can be found. Moments of the truth under another one are left out.

    Raises
    ------
    DataError
        If no moment of the truth has one of the labels.
    """
    seconds: Sums = defaultdict(float)
    hits: Sums = defaultdict(float)
    total: Sums = defaultdict(float)
    distances: list[float] = []
    for truth, found in recordings:
        for length, true, said in _moments(truth, found):
            _count(length, true, said, set(labels), seconds, hits, total)
        distances += _distances(truth, found, set(labels))
    speech, spoken = sum(seconds.values()), total["speech"]
    if speech == 0:
        raise DataError(f"the truth has no speech under one of the labels {', '.join(labels)}")
    recall = {label: hits[label] / seconds[label] for label in labels if seconds[label]}
    errors = {name: total[name] / speech for name in ("false_alarm", "missed", "confusion")}
    return TimelineScores(
        uar=float(np.mean(list(recall.values()))),
        eder=sum(errors.values()),
        **errors,
        missed_speech=total["missed_speech"] / spoken,
        named=total["named"] / spoken,
        music_labelled=total["labelled"] / total["music"] if total["music"] else None,
        boundary_error=float(np.median(distances)) if distances else None,
        recall=recall,
        seconds=spoken,
    )


def _moments(
    truth: Sequence[Span], found: Sequence[Span]
) -> Iterator[tuple[float, Counter[str], Counter[str]]]:
    """Yield stretches in which nothing changes: seconds, labels of the truth, labels found."""
    edges = sorted(
        (time, side, label, change)
        for side, spans in enumerate((truth, found))
        for start, end, label in spans
        if end > start
        for time, change in ((start, 1), (end, -1))
    )
    now: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    since = 0.0
    for time, side, label, change in edges:
        if time > since:
            yield time - since, +now[0], +now[1]
            since = time
        now[side][label] += change


def _count(
    length: float,
    true: Counter[str],
    said: Counter[str],
    labels: set[str],
    seconds: Sums,
    hits: Sums,
    total: Sums,
) -> None:
    """Add a stretch to the sums of seconds."""
    if set(true) - labels - set(NO_SPEECH):
        return
    emotions = Counter({label: count for label, count in true.items() if label in labels})
    named = Counter({label: count for label, count in said.items() if label != UNCERTAIN})
    there, given = emotions.total(), named.total()
    right = emotions & named
    for label, count in emotions.items():
        seconds[label] += length * count
        hits[label] += length * right[label]
    sums = {
        "false_alarm": max(0, given - there),
        "missed": max(0, there - given),
        "confusion": min(there, given) - right.total(),
        "speech": there > 0,
        "missed_speech": there > 0 and not said,
        "named": there > 0 and given > 0,
        "music": bool(true) and there == 0,
        "labelled": bool(true) and there == 0 and given > 0,
    }
    for name, count in sums.items():
        total[name] += length * count


def _distances(truth: Sequence[Span], found: Sequence[Span], labels: set[str]) -> list[float]:
    """Return how far each change of emotion is from the nearest one found, in seconds."""
    there, given = np.array(_changes(truth, labels)), np.array(_changes(found, labels))
    if not len(given):
        return []
    return [float(np.abs(given - time).min()) for time in there]


def _changes(spans: Sequence[Span], labels: set[str]) -> list[float]:
    """Return the moments at which the emotion changes: the middle of the pause between two."""
    named = sorted(span for span in spans if span[2] in labels)
    return [
        (before[1] + after[0]) / 2 for before, after in pairwise(named) if before[2] != after[2]
    ]
