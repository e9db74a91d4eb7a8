"""Time lines as WebVTT, the subtitles of the web; quality and warnings are its notes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from affekt.formats.text import answer, clock, joined, notes, one_line, placed
from affekt.results import Track


def lines(tracks: Iterable[Track], labels: Sequence[str]) -> Iterator[str]:
    """Yield the header, notes and cues of a recording; one file holds one recording.

    A cue is of the class of its emotion (``<c.angry>``), so that a page may colour it.
    """
    del labels
    yield "WEBVTT"
    yield ""
    for track in tracks:
        for note in (f"file: {one_line(track.file)}", *notes(track)):
            yield f"NOTE {_arrowless(note)}"
            yield ""
        for start, end, segment in placed(track):
            if segment.warnings:
                yield f"NOTE {_arrowless(f'warning: {joined(segment.warnings)}')}"
                yield ""
            yield f"{clock(start, '.')} --> {clock(end, '.')}"
            yield f"<c.{_class(segment.label)}>{_escaped(answer(segment))}</c>"
            yield ""


def _arrowless(note: str) -> str:
    """Take out what would end a note."""
    return note.replace("-->", "→")


def _class(label: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in label)


def _escaped(words: str) -> str:
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
