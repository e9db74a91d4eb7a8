"""Time lines as RTTM, the format of diarisation, with the emotion in place of the speaker.

Where it is known who speaks, the speaker has that place and the emotion is the subtype. RTTM has
ten fields, none for warnings, quality or errors; its tools read no comments.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from affekt.formats.text import placed
from affekt.results import Track


def lines(tracks: Iterable[Track], labels: Sequence[str]) -> Iterator[str]:
    """Yield a line for each segment; one file holds many recordings.

    The recording is named by its path without the ending; blanks in it become ``_``.
    """
    del labels
    for track in tracks:
        name = _word(str(Path(track.file).with_suffix("")) if track.file else "")
        for start, end, segment in placed(track):
            label, subtype = _word(segment.label), "<NA>"
            if track.speakers:
                label, subtype = _word(segment.speaker) if segment.speaker else "<NA>", label
            yield (
                f"SPEAKER {name} 1 {start / 1000:.3f} {(end - start) / 1000:.3f} <NA> {subtype} "
                f"{label} {segment.confidence:.4f} <NA>"
            )


def _word(words: str) -> str:
    """Return text as one field: there is no quoting."""
    return "".join(c if c.isprintable() and not c.isspace() else "_" for c in words) or "_"
