"""Answers to requests: JSON, and the text formats of time lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from affekt.formats.registry import text_lines
from affekt.results import AudioQuality, Prediction, Segment, Track
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
    granularities: Sequence[str] = (),
) -> dict[str, Any]:
    """Return a prediction as JSON; with granularities, also its segments."""
    body: dict[str, Any] = {"model": model, **answer.to_dict()}
    for name, parts in (("segment", segments), ("utterance", map(utterance, group(segments)))):
        if name in granularities:
            body[f"{name}s"] = [{"id": i, **part.to_dict()} for i, part in enumerate(parts)]
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
        ood_score=answer.ood_score,
    )
    return "".join(f"{line}\n" for line in text_lines(response_format, [track], labels))
