"""Results as rows of a table, for CSV, Parquet and pandas: the fields of JSON, one a column.

A record inside a record is spread over columns of its own (scores, quality); lists are joined.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from affekt.formats.text import joined
from affekt.records import fields_of
from affekt.results import Answer, AudioQuality, Outcome, Segment, Track

QUALITY_COLUMNS = tuple(
    one.name for one in fields_of(AudioQuality) if one.name not in ("duration", "silent")
)
"""What tables tell of a recording's quality."""
INPUT_COLUMNS = (*QUALITY_COLUMNS, "ood_score")
"""What tables tell of a recording as input: its quality, and how unlike training data it is."""
EXTRAS = {
    one.name: one.kind
    for one in fields_of(Answer)
    if one.name not in ("label", "confidence", "scores", "ood_score", "warnings")
}
"""Columns of the further outputs of models, with their types."""

SEGMENT_COLUMNS = {
    one.name: one.kind
    for one in fields_of(Segment)
    if one.name not in ("start", "end", *(inner.name for inner in fields_of(Answer)))
}
"""Columns of what a segment has beside the fields of an answer and its times."""

PREDICTION_COLUMNS = {"modalities": str, "likely": str}
"""Columns of what a prediction alone has: the share of each modality and the prediction set, as
text."""


def columns(labels: Sequence[str], *, segments: bool = False) -> dict[str, type]:
    """Return the names of the columns, in order, with their types: ``str`` or ``float``.

    Parameters
    ----------
    labels : sequence of str
        The emotions of the model.
    segments : bool
        Whether a row is a segment; else it is the prediction of a recording.
    """
    times = ["start", "end"] if segments else []
    numbers = [*([] if segments else ["duration"]), *labels, *INPUT_COLUMNS]
    return {
        "file": str,
        **dict.fromkeys(times, float),
        "label": str,
        "confidence": float,
        **{
            name: float if kind is float else str
            for name, kind in (
                EXTRAS | (SEGMENT_COLUMNS if segments else PREDICTION_COLUMNS)
            ).items()
        },
        **dict.fromkeys(numbers, float),
        "warnings": str,
        "error": str,
    }


def row(outcome: Outcome) -> dict[str, Any]:
    """Return the row of a prediction, or of its error; what is not known is left out."""
    return _flat(outcome.to_dict())


def segment_rows(track: Track) -> Iterator[dict[str, Any]]:
    """Yield a row for each segment; a recording with an error, or with none, has one more."""
    parts = ("segments", "speakers")
    whole = _flat({name: value for name, value in track.to_dict().items() if name not in parts})
    del whole["duration"]
    shared = {name: value for name, value in whole.items() if name != "error"}
    for segment in track.segments:
        notes = tuple(dict.fromkeys((*segment.warnings, *track.warnings)))
        yield {**shared, **_flat(segment.to_dict()), "warnings": joined(notes)}
    if track.error or not track.segments:
        yield whole


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if name == "quality":
            flat |= {key: value[key] for key in QUALITY_COLUMNS if key in value}
        elif name == "modalities":
            flat[name] = ", ".join(f"{key} {share:g}" for key, share in value.items())
        elif isinstance(value, Mapping):
            flat |= value
        else:
            flat[name] = joined(value) if isinstance(value, list) else value
    return flat
