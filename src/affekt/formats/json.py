"""Answers as JSON lines: one object per recording or per segment, errors among them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from affekt.formats import Outcome, Track
from affekt.formats.text import input_fields
from affekt.runtime.segments import Segment


def lines(outcomes: Iterable[Outcome], labels: Sequence[str]) -> Iterator[str]:
    """Yield one line for each recording.

    ``{"file", "label", "confidence", "scores": {emotion: probability}, "intensity", "duration",
    "quality": {measure: value}, "warnings"}``, where the intensity is left out if the model does
    not say it, or ``{"file", "error"}`` for a recording that could not be
    judged.
    """
    del labels  # every object carries its own
    for outcome in outcomes:
        yield _line(_fields(outcome))


def track_lines(tracks: Iterable[Track], labels: Sequence[str]) -> Iterator[str]:
    """Yield one line for each segment, and one more for each recording, when it is done.

    ``{"file", "start", "end", "label", "confidence", "scores", "intensity", "domain_score",
    "warnings"}`` of a segment; ``{"file", "duration", "quality", "warnings"}`` of a recording,
    with ``"error"`` where it broke off.
    """
    del labels
    for track in tracks:
        for segment in track.segments:
            yield segment_line(track.file, segment)
        yield track_line(track)


def segment_line(file: str, segment: Segment) -> str:
    """Return the line of one segment, for whoever writes it before its recording is done."""
    fields: dict[str, object] = {
        "file": file,
        "start": round(segment.start, 6),
        "end": round(segment.end, 6),
        "label": segment.label,
        "confidence": round(segment.confidence, 6),
        "scores": _rounded(segment.scores),
    }
    if segment.intensity is not None:
        fields["intensity"] = round(segment.intensity, 6)
    if segment.domain_score is not None:
        fields["domain_score"] = round(segment.domain_score, 4)
    return _line({**fields, "warnings": list(segment.warnings)})


def track_line(track: Track) -> str:
    """Return the line that closes a recording."""
    fields: dict[str, object] = {"file": track.file}
    if track.error:
        fields["error"] = track.error
    if track.duration:
        fields["duration"] = round(track.duration, 6)
    if track.quality is not None:
        fields["quality"] = input_fields(track)
    return _line({**fields, "warnings": list(track.warnings)})


def _fields(outcome: Outcome) -> dict[str, object]:
    answer = outcome.prediction
    if answer is None:
        return {"file": outcome.file, "error": outcome.error}
    return {
        "file": outcome.file,
        "label": answer.label,
        "confidence": round(answer.confidence, 6),
        "scores": _rounded(answer.scores),
        **({} if answer.intensity is None else {"intensity": round(answer.intensity, 6)}),
        "duration": round(answer.duration, 6),
        "quality": input_fields(answer),
        "warnings": list(answer.warnings),
    }


def _rounded(scores: Mapping[str, float]) -> dict[str, float]:
    return {label: round(score, 6) for label, score in scores.items()}


def _line(fields: Mapping[str, object]) -> str:
    return json.dumps(fields, ensure_ascii=False, allow_nan=False)
