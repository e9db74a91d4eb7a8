"""Time lines as SubRip subtitles: players show the emotion under the picture.

Who speaks stands before the emotion. SubRip has no comments: the warnings of a segment stand under
its emotion, once for neighbours, those of the recording under the first; the measures of its
quality have no place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from affekt.formats.text import clock, joined, placed, spoken, warned_from
from affekt.results import Track


def lines(tracks: Iterable[Track], labels: Sequence[str]) -> Iterator[str]:
    """Yield the subtitles of a recording; one file holds one recording."""
    del labels
    for track in tracks:
        segments = placed(track)
        own = warned_from(segments)
        for index, (start, end, segment) in enumerate(segments):
            yield str(index + 1)
            yield f"{clock(start, ',')} --> {clock(end, ',')}"
            yield spoken(segment)
            told = dict.fromkeys((own.pop(start, ""), *(track.warnings if index == 0 else ())))
            if warnings := [words for words in told if words]:
                # Players read <i>; an arrow would begin a time to some of them.
                yield f"({joined(warnings)})".replace("-->", "→")
            yield ""
