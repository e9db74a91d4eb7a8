"""Answers as HTML for notebooks: bars, a ribbon, and a player where the recording is at hand.

All styles stand in the elements: a notebook keeps no style sheet.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from html import escape
from pathlib import Path

from affekt.formats.report.exhibit import INK, color, ribbons
from affekt.formats.summary import in_words
from affekt.formats.text import spoken
from affekt.results import UNCERTAIN, Answer, Prediction, Segment, Track

MOST_SOUND = 3_000_000
"""Bytes of a recording beyond which a notebook does not carry it."""
PLAYED = {
    **dict.fromkeys((".ogg", ".opus"), "audio/ogg"),
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".mp3": "audio/mpeg",
    ".wav": "audio/wav",
}
"""Media types of files that browsers play, by the ending of the name."""


def answer_html(answer: Answer) -> str:
    """Return a prediction or a segment: the label, a bar for each emotion, and a player."""
    where = f"{answer.duration:.1f} s" if isinstance(answer, Prediction) else ""
    if isinstance(answer, Segment):
        where = f"{answer.start:.1f} to {answer.end:.1f} s {answer.speaker}"
    extras = "".join(f", {name} {value}" for name, value in answer.extras().items())
    return "".join(
        [
            f"<div><b>{escape(answer.label)}</b> {answer.confidence:.0%}{escape(extras)} ",
            f'<span style="opacity:.65">{escape(where.strip())}</span>',
            *(f"<br>! {escape(warning)}" for warning in answer.warnings),
            *(_bar(label, score) for label, score in answer.ranked()),
            _player(answer.source) if isinstance(answer, Prediction) else "",
            "</div>",
        ]
    )


def track_html(track: Track) -> str:
    """Return a time line: what it comes to in words, a ribbon for each speaker, and a player."""
    head = f"<b>{escape(in_words(track.segments))}</b>"
    file = f'<span style="opacity:.65">{escape(track.file)} {track.duration:.1f} s</span>'
    notes = (*track.warnings, *((f"error: {track.error}",) if track.error else ()))
    return "".join(
        [
            f"<div>{head} {file}",
            *(f"<br>! {escape(note)}" for note in notes),
            *_ribbons(track),
            _player(track.file),
            "</div>",
        ]
    )


def _bar(label: str, score: float) -> str:
    return (
        '<div style="display:flex;align-items:center;gap:.5em;max-width:30em">'
        f'<span style="width:6.5em">{escape(label)}</span><span style="flex:1">'
        f'<span style="display:block;height:.8em;min-width:1px;width:{score:.1%};'
        f'background:{color(label)}"></span></span>'
        f'<span style="width:3.5em;text-align:right">{score:.1%}</span></div>'
    )


def _ribbons(track: Track) -> Iterator[str]:
    if not track.duration:
        return
    for name, segments in ribbons(track).items():
        yield f"<div>{escape(name)}</div>" if name else ""
        yield '<div style="position:relative;height:1.8em;margin:.25em 0;background:#8882">'
        for one in segments:
            if one.label == UNCERTAIN:  # nothing is known there, so nothing is drawn
                continue
            left, width = one.start / track.duration, one.duration / track.duration
            title = f"{one.start:.1f} to {one.end:.1f} s, {spoken(one)}"
            yield (
                f'<span title="{escape(title)}" style="position:absolute;top:0;bottom:0;'
                f"left:{left:.3%};width:{width:.3%};overflow:hidden;white-space:nowrap;"
                f"padding:.2em 0;box-sizing:border-box;border-right:1px solid #fff;color:{INK};"
                f'background:{color(one.label)}">{escape(one.label)}</span>'
            )
        yield "</div>"


def _player(source: str) -> str:
    """Return a player that carries the file; empty where that is gone, large, or not playable."""
    kind = PLAYED.get(Path(source).suffix.lower(), "")
    try:
        if not kind or Path(source).stat().st_size > MOST_SOUND:
            return ""
        data = base64.b64encode(Path(source).read_bytes()).decode()
    except OSError:
        return ""
    return (
        f'<audio controls preload="metadata" aria-label="Play {escape(Path(source).name)}" '
        f'src="data:{kind};base64,{data}"></audio>'
    )
