"""Time lines as Audacity labels: start, end and text in three columns.

Who speaks stands before the emotion. Warnings are labels, too: over the segments that they are
about, those of the recording at 0 s. They begin with an exclamation mark.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from affekt.formats.text import notes, placed, spoken, warned
from affekt.results import Track


def lines(tracks: Iterable[Track], labels: Sequence[str]) -> Iterator[str]:
    """Yield the labels of a recording; one file holds one recording."""
    del labels
    for track in tracks:
        yield from (_label(0, 0, f"! {note}") for note in notes(track))
        segments = placed(track)
        found = [(start, end, spoken(segment)) for start, end, segment in segments]
        found += [(start, end, f"! warning: {words}") for start, end, words in warned(segments)]
        for start, end, words in sorted(found, key=lambda label: label[0]):
            yield _label(start, end, words)


def _label(start: int, end: int, words: str) -> str:
    return f"{start / 1000:.6f}\t{end / 1000:.6f}\t{words}"
