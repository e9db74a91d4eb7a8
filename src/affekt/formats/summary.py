"""A time line in a few words that are true: ``mostly neutral, angry from 12:40 to 14:05``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from affekt.results import UNCERTAIN, Segment, label_shares

MOSTLY = 0.5
"""Share of the time above which a label is said to be what a recording mostly is."""
LARGEST_SHARES = 3
"""Labels that a mixed recording is described by."""
FURTHER = 2
"""Labels that are named beside what it mostly is."""
SHORTEST = 2.0
"""A label with fewer seconds is not named beside it."""
BRIDGED = 3.0
"""Two segments of one label with no other between them are one stretch, up to so many seconds."""

CHANGES = 3
"""Changes of the emotion among what is most worth listening to."""


def in_words(segments: Iterable[Segment]) -> str:
    """Return what the segments of a recording, or of one speaker, come to.

    Parameters
    ----------
    segments : iterable of Segment
        In the order of time.

    Examples
    --------
    >>> parts = [(0, 760, "neutral"), (760, 845, "angry"), (845, 900, "neutral")]
    >>> in_words(Segment(a, b, label, 0.9, {}) for a, b, label in parts)
    'mostly neutral, angry from 12:40 to 14:05'
    """
    segments = list(segments)
    shares = label_shares(segments)
    if not shares:
        return "no answer"
    first, share = next(iter(shares.items()))
    if len(shares) == 1:
        return first
    if share <= MOSTLY:
        ranked = list(shares.items())[:LARGEST_SHARES]
        return "mixed: " + ", ".join(f"{label} {part:.0%}" for label, part in ranked)
    told = [f"mostly {first}"]
    for label in [name for name in shares if name not in (first, UNCERTAIN)][:FURTHER]:
        own = [one for one in segments if one.label == label]
        seconds = sum(one.duration for one in own)
        longest = max(_stretches(segments, label), key=lambda one: one[1] - one[0])
        if seconds < SHORTEST:
            break
        if longest[1] - longest[0] >= MOSTLY * seconds:
            told.append(f"{label} from {moment(longest[0])} to {moment(longest[1])}")
        else:
            told.append(f"{label} in {shares[label]:.0%} of the time")
    return ", ".join(told)


def highlights(segments: Sequence[Segment]) -> list[tuple[Segment, str]]:
    """Return the segments most worth listening to, surest first, and why.

    Of each emotion but neutral, the strongest where the intensity is known, else the surest; and
    the surest changes from one emotion to another.
    """
    named = [one for one in segments if one.label != UNCERTAIN]
    found: dict[int, str] = {}
    for label in dict.fromkeys(one.label for one in named if one.label != "neutral"):
        own = [index for index, one in enumerate(named) if one.label == label]
        known = [index for index in own if named[index].intensity is not None]
        best = max(known or own, key=lambda i: (named[i].intensity or 0, named[i].confidence))
        found[best] = f"{'strongest' if known else 'most certain'} {label}"
    changes = [
        (min(before.confidence, after.confidence), index, f"after {before.label}")
        for index, (before, after) in enumerate(pairwise(named), start=1)
        if (before.label != after.label and before.speaker == after.speaker)
        and (after.start - before.end <= BRIDGED and index not in found)
    ]
    for _, index, why in sorted(changes, reverse=True)[:CHANGES]:
        found[index] = why
    ranked = sorted(found, key=lambda index: -named[index].confidence)
    return [(named[index], found[index]) for index in ranked]


def moment(seconds: float) -> str:
    """Return a time as players show it: ``12:40``, ``1:02:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _stretches(segments: Sequence[Segment], label: str) -> list[tuple[float, float]]:
    """Return start and end of the stretches of a label, with no other label in between."""
    found: list[tuple[float, float]] = []
    before = ""
    for one in segments:
        if one.label == label:
            goes_on = before == label and one.start - found[-1][1] <= BRIDGED
            begin = found.pop()[0] if goes_on else one.start
            found.append((begin, one.end))
        before = one.label
    return found
