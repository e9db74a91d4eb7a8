"""Tab-separated values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from affekt.formats import csv
from affekt.results import Outcome, Track

TAB = "\t"


def lines(outcomes: Iterable[Outcome], labels: Sequence[str]) -> Iterator[str]:
    """Yield the header, then one row for each recording; the columns are those of CSV."""
    return csv.lines(outcomes, labels, TAB)


def track_lines(tracks: Iterable[Track], labels: Sequence[str]) -> Iterator[str]:
    """Yield the header, then one row for each segment; the columns are those of CSV."""
    return csv.track_lines(tracks, labels, TAB)
