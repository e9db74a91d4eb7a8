"""Time lines as a Praat TextGrid: a tier of emotions, one of confidence, one of warnings.

Each speaker has such tiers. The warnings of the recording, what was measured of its quality, and
what is said of each speaker are points at the start of a tier of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from affekt.formats.text import notes, one_line, speaker_notes, tier_texts, tiers_of
from affekt.results import Track

Interval = tuple[int, int, str]
"""Start and end in milliseconds, and what is written there."""


def lines(tracks: Iterable[Track], labels: Sequence[str]) -> Iterator[str]:
    """Yield the TextGrid of a recording; one file holds one recording.

    Intervals without an answer are empty, as Praat wants every tier filled from end to end.
    """
    del labels
    for track in tracks:
        groups = tiers_of(track)
        stops = (segments[-1][1] for segments in groups.values() if segments)
        end = max(round(1000 * track.duration), *stops, 1)
        tiers: dict[str, list[Interval]] = {}
        for speaker, segments in groups.items():
            for name, words in tier_texts(segments).items():
                placed = zip(segments, words, strict=True)
                tiers[f"{name} {speaker}".strip()] = [(a, b, text) for (a, b, _), text in placed]
        points = [*notes(track), *speaker_notes(track)]
        yield 'File type = "ooTextFile"'
        yield 'Object class = "TextGrid"'
        yield ""
        yield from _span(0, end, "")
        yield "tiers? <exists>"
        yield f"size = {len(tiers) + bool(points)}"
        yield "item []:"
        for index, (name, intervals) in enumerate(tiers.items(), start=1):
            yield f"    item [{index}]:"
            yield from _intervals(name, _filled(intervals, end), end)
        if points:
            yield f"    item [{len(tiers) + 1}]:"
            yield from _points("recording", points, end)


def _filled(intervals: Sequence[Interval], end: int) -> Iterator[Interval]:
    """Put empty intervals where there are none."""
    reached = 0
    for interval in intervals:
        if interval[0] > reached:
            yield reached, interval[0], ""
        yield interval
        reached = interval[1]
    if reached < end:
        yield reached, end, ""


def _intervals(name: str, intervals: Iterable[Interval], end: int) -> Iterator[str]:
    rows = list(intervals)
    yield from _head("IntervalTier", name, end)
    yield f"        intervals: size = {len(rows)}"
    for index, (start, stop, words) in enumerate(rows, start=1):
        yield f"        intervals [{index}]:"
        yield from _span(start, stop, " " * 12)
        yield f"            text = {_quoted(words)}"


def _points(name: str, texts: Sequence[str], end: int) -> Iterator[str]:
    """Yield a tier of points, one millisecond apart: two may not be at the same time."""
    yield from _head("TextTier", name, end)
    shown = [(time, words) for time, words in enumerate(texts) if time <= end]
    yield f"        points: size = {len(shown)}"
    for time, words in shown:
        yield f"        points [{time + 1}]:"
        yield f"            number = {time / 1000:g}"
        yield f"            mark = {_quoted(words)}"


def _head(kind: str, name: str, end: int) -> Iterator[str]:
    yield f'        class = "{kind}"'
    yield f"        name = {_quoted(name)}"
    yield from _span(0, end, " " * 8)


def _span(start: int, end: int, indent: str) -> Iterator[str]:
    yield f"{indent}xmin = {start / 1000:.3f}"
    yield f"{indent}xmax = {end / 1000:.3f}"


def _quoted(words: str) -> str:
    doubled = one_line(words).replace('"', '""')
    return f'"{doubled}"'
