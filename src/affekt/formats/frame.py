"""Answers as a pandas table on the index of audformat: ``file``, ``start``, ``end``."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any

from affekt.errors import MissingExtraError
from affekt.formats import Outcome, Track, as_track
from affekt.formats.text import INPUT_COLUMNS, input_fields, joined


def to_frame(results: Iterable[Track | Outcome]) -> Any:
    """Return time lines or predictions as a table with a row for each segment.

    Parameters
    ----------
    results : iterable of Track or Outcome
        A prediction is one segment over the whole recording.

    Returns
    -------
    pandas.DataFrame
        On a segmented index of audformat (``file``, ``start``, ``end``; the times are
        `pandas.Timedelta`), with the columns ``label``, ``confidence``, ``intensity``, one for
        each emotion, the measures of the recording's quality, ``warnings`` and ``error``. A
        recording without segments has one row, whose ``end`` is NaT.

    Raises
    ------
    MissingExtraError
        If pandas is not installed.
    """
    try:
        pandas = import_module("pandas")
    except ImportError:
        raise MissingExtraError("tables", "pandas") from None
    index: list[tuple[str, Any, Any]] = []
    rows: list[dict[str, object]] = []
    for track in map(as_track, results):
        shared = input_fields(track)
        for segment in track.segments:
            times = (pandas.Timedelta(seconds=at) for at in (segment.start, segment.end))
            index.append((track.file, *times))
            doubts = dict.fromkeys((*segment.warnings, *track.warnings))
            unlike = segment.domain_score
            own = {} if unlike is None else {"domain_score": round(unlike, 4)}
            rows.append(
                {
                    "label": segment.label,
                    "confidence": segment.confidence,
                    "intensity": segment.intensity,
                    **segment.scores,
                    **shared,
                    **own,
                    "warnings": joined(tuple(doubts)),
                    "error": track.error,
                }
            )
        if not track.segments:
            index.append((track.file, pandas.Timedelta(0), pandas.NaT))
            rows.append({**shared, "warnings": joined(track.warnings), "error": track.error})
    return _table(pandas, index, rows)


def _table(pandas: Any, index: list[tuple[str, Any, Any]], rows: list[dict[str, object]]) -> Any:
    files, starts, ends = zip(*index, strict=True) if index else ((), (), ())
    levels = [pandas.Index(files, dtype="string")]
    levels += [pandas.Index(times, dtype="timedelta64[ns]") for times in (starts, ends)]
    places = pandas.MultiIndex.from_arrays(levels, names=["file", "start", "end"])
    fixed = ("label", "confidence", "intensity", *INPUT_COLUMNS, "warnings", "error")
    scores = [name for row in rows for name in row if name not in fixed]
    columns = [*fixed[:3], *dict.fromkeys(scores), *fixed[3:]]
    frame = pandas.DataFrame(rows, columns=columns, index=places)
    numbers = [name for name in columns if name not in ("label", "warnings", "error")]
    return frame.astype(dict.fromkeys(numbers, "float64"))
