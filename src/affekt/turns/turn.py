"""A turn: a span of a recording, and who speaks in it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from affekt.errors import DataError

MOST_SECONDS = 1e7
"""A time beyond it is a mistake: no recording lasts four months."""


@dataclass(frozen=True)
class Turn:
    """A span of a recording.

    Parameters
    ----------
    start, end : float
        Seconds; an infinite end is that of the recording.
    speaker : str
        Empty where unknown.
    emotion : str
        What is known to be shown; empty where unknown. It has no part in an answer.

    Raises
    ------
    DataError
        If a time is not a number, or the turn ends before it begins.
    """

    start: float
    end: float = math.inf
    speaker: str = ""
    emotion: str = ""

    def __post_init__(self) -> None:
        far = self.end > MOST_SECONDS and self.end != math.inf
        if math.isnan(self.start + self.end) or far or abs(self.start) > MOST_SECONDS:
            raise DataError(f"a turn from {self.start:g} s to {self.end:g} s: these are no times")
        if self.end < self.start:
            raise DataError(
                f"a turn from {self.start:g} s to {self.end:g} s ends before it begins: correct "
                "its times"
            )

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.end - self.start


def joined_turns(turns: Iterable[Turn]) -> tuple[list[Turn], int]:
    """Join the turns of one speaker that overlap; return all, in order, and how many went.

    Turns of different speakers may overlap. Those without a speaker are left as they are.
    """
    kept: list[Turn] = []
    latest: dict[str, int] = {}  # by speaker, the place of the turn that ends last
    gone = 0
    for turn in sorted(turns, key=lambda one: (one.start, one.end)):
        at = latest.get(turn.speaker) if turn.speaker else None
        if at is not None and turn.start < kept[at].end:
            kept[at] = replace(kept[at], end=max(kept[at].end, turn.end))
            gone += 1
        else:
            latest[turn.speaker] = len(kept)
            kept.append(turn)
    return kept, gone


def seconds_of_overlap(turns: Sequence[Turn]) -> float:
    """Return for how long more than one person speaks."""
    edges = sorted(edge for one in turns for edge in ((one.start, 1), (one.end, -1)))
    speaking, since, total = 0, 0.0, 0.0
    for time, change in edges:
        if speaking > 1:
            total += time - since
        speaking, since = speaking + change, time
    return total
