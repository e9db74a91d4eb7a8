"""Answers to requests: JSON, and the text formats of time lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from affekt.audio import AudioQuality
from affekt.formats import Track
from affekt.formats.registry import text_lines
from affekt.runtime import Prediction
from affekt.runtime.segments import Measurement, Segment
from affekt.server.utterances import group, utterance

TEXT_TYPES = {
    "srt": "application/x-subrip",
    "vtt": "text/vtt",
    "csv": "text/csv",
    "textgrid": "text/plain",
}
"""Text formats, with the type of their content."""

FORMATS = ("json", "verbose_json", *TEXT_TYPES)
"""What ``response_format`` may be."""

RECORDING = "recording"
"""What formats with file names call an upload, whose own name is its sender's business."""


def as_json(
    model: str,
    answer: Prediction,
    segments: Sequence[Segment] = (),
    granularities: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Return an answer as JSON; with granularities, also duration, warnings and times."""
    body: dict[str, Any] = {
        "model": model,
        "label": answer.label,
        "confidence": _rounded(answer.confidence),
        "scores": _scores(answer.scores),
        **_intensity(answer.intensity),
    }
    if granularities is None:
        return body
    body |= {"duration": _rounded(answer.duration), "warnings": list(answer.warnings)}
    if "segment" in granularities:
        body["segments"] = [stretch(s, id=index) for index, s in enumerate(segments)]
    if "utterance" in granularities:
        spoken = map(utterance, group(segments))
        body["utterances"] = [stretch(s, id=index) for index, s in enumerate(spoken)]
    return body


def as_text(
    response_format: str,
    answer: Prediction,
    segments: Sequence[Segment],
    labels: Sequence[str],
    quality: AudioQuality,
) -> str:
    """Return a time line in one of `TEXT_TYPES`."""
    track = Track(
        RECORDING,
        segments=tuple(segments),
        duration=answer.duration,
        quality=quality,
        warnings=answer.warnings,
        domain_score=answer.domain_score,
    )
    return "".join(f"{line}\n" for line in text_lines(response_format, [track], labels))


def stretch(heard: Segment | Measurement, **more: Any) -> dict[str, Any]:
    """Return a segment or a measurement as JSON."""
    return {
        **more,
        "start": round(heard.start, 3),
        "end": round(heard.end, 3),
        "label": heard.label,
        "confidence": _rounded(heard.confidence),
        "scores": _scores(heard.scores),
        **_intensity(heard.intensity),
        "domain_score": None if heard.domain_score is None else _rounded(heard.domain_score),
        "warnings": list(heard.warnings),
    }


def _scores(scores: dict[str, float]) -> dict[str, float]:
    return {label: _rounded(score) for label, score in scores.items()}


def _intensity(value: float | None) -> dict[str, float]:
    """The intensity, where the model says it."""
    return {} if value is None else {"intensity": _rounded(value)}


def _rounded(value: float) -> float:
    return round(value, 6)
