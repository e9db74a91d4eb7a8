"""Time lines as Audacity labels: start, end and text in three columns.

Warnings are labels, too: those of a segment begin with it, those of the recording at 0 s. They
begin with an exclamation mark.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from affekt.formats.text import answer, notes, one_line, placed
from affekt.results import Track


def lines(tracks: Iterable[Track], labels: Sequence[str]) -> Iterator[str]:
    """Yield the labels of a recording; one file holds one recording."""
    del labels
    for track in tracks:
        yield from (_label(0, 0, f"! {note}") for note in notes(track))
        for start, end, segment in placed(track):
            yield _label(start, end, answer(segment))
            for warning in segment.warnings:
                yield _label(start, start, f"! warning: {one_line(warning)}")


def _label(start: int, end: int, words: str) -> str:
    return f"{start / 1000:.6f}\t{end / 1000:.6f}\t{words}"
