"""Results as JSON lines: the fields of `affekt.results`, one object per recording or segment."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from affekt.results import Measurement, Outcome, Segment, Track


def lines(outcomes: Iterable[Outcome], labels: Sequence[str]) -> Iterator[str]:
    """Yield one line for each recording, an :class:`Outcome`."""
    del labels  # every object carries its own
    for outcome in outcomes:
        yield _line(outcome.to_dict())


def track_lines(tracks: Iterable[Track], labels: Sequence[str]) -> Iterator[str]:
    """Yield one line for each segment, and one more for each recording, when it is done.

    A line of a segment is ``file`` and the fields of a :class:`Segment`; a line of a recording is
    a :class:`Track` without its segments.
    """
    del labels
    for track in tracks:
        for segment in track.segments:
            yield part_line(track.file, segment)
        yield track_line(track)


def part_line(file: str, part: Segment | Measurement) -> str:
    """Return the line of a segment or a measurement, before its recording is done."""
    return _line({"file": file, **part.to_dict()})


def track_line(track: Track) -> str:
    """Return the line that closes a recording."""
    return _line({name: one for name, one in track.to_dict().items() if name != "segments"})


def _line(fields: Mapping[str, object]) -> str:
    return json.dumps(fields, ensure_ascii=False, allow_nan=False)
