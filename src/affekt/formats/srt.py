"""Time lines as SubRip subtitles: players show the emotion under the picture.

SubRip has no comments: the warnings of a segment stand under its emotion, those of the recording
under the first; the measures of its quality have no place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from affekt.formats.text import answer, clock, joined, placed
from affekt.results import Track


def lines(tracks: Iterable[Track], labels: Sequence[str]) -> Iterator[str]:
    """Yield the subtitles of a recording; one file holds one recording."""
    del labels
    for track in tracks:
        for index, (start, end, segment) in enumerate(placed(track)):
            yield str(index + 1)
            yield f"{clock(start, ',')} --> {clock(end, ',')}"
            yield answer(segment)
            warnings = dict.fromkeys((*segment.warnings, *(track.warnings if index == 0 else ())))
            if warnings:
                # Players read <i>; an arrow would begin a time to some of them.
                yield f"({joined(tuple(warnings))})".replace("-->", "→")
            yield ""
