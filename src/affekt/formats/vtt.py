"""Time lines as WebVTT, the subtitles of the web, with who speaks as its voice.

Quality, warnings and what is said of each speaker are its notes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from affekt.formats.text import answer, clock, notes, one_line, placed, speaker_notes, warned_from
from affekt.results import Track


def lines(tracks: Iterable[Track], labels: Sequence[str]) -> Iterator[str]:
    """Yield the header, notes and cues of a recording; one file holds one recording.

    A cue is of the class of its emotion (``<c.angry>``), so that a page may colour it.
    """
    del labels
    yield "WEBVTT"
    yield ""
    for track in tracks:
        for note in (f"file: {one_line(track.file)}", *notes(track), *speaker_notes(track)):
            yield f"NOTE {_arrowless(note)}"
            yield ""
        segments = placed(track)
        own = warned_from(segments)
        for start, end, segment in segments:
            if start in own:
                yield f"NOTE {_arrowless(f'warning: {own.pop(start)}')}"
                yield ""
            yield f"{clock(start, '.')} --> {clock(end, '.')}"
            voice = f"<v {_escaped(one_line(segment.speaker))}>" if segment.speaker else ""
            yield f"{voice}<c.{_class(segment.label)}>{_escaped(answer(segment))}</c>"
            yield ""


def _arrowless(note: str) -> str:
    """Take out what would end a note."""
    return note.replace("-->", "→")


def _class(label: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in label)


def _escaped(words: str) -> str:
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
