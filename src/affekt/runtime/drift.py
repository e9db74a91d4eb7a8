"""Answers to compare with a reference: stored ones, and those of a model for recordings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from affekt.audio import AudioSource
from affekt.data import Clip
from affekt.errors import DataError
from affekt.evaluation.drift import Answers
from affekt.results import Prediction
from affekt.runtime.compare import read_answers
from affekt.runtime.predictor import Model
from affekt.runtime.score import answers_for, sound_of

NUMBERS = (
    "duration",
    "rms_dbfs",
    "snr_db",
    "bandwidth_hz",
    "clipped_fraction",
    "ood_score",
)
"""What is watched of the input."""


def answers_of_model(
    model: Model,
    clips: Sequence[Clip],
    advance: Callable[[float], None] | None = None,
    source: Callable[[Clip], AudioSource] = sound_of,
) -> tuple[Answers, dict[str, str]]:
    """Return a model's answers for clips, whose labels do not count, and the errors by file.

    `source` gives the sound of a clip.

    Raises
    ------
    DataError
        If no clip can be read.
    """
    kept, found, errors = answers_for(model, clips, advance, source)
    speakers = [clip.speaker_id for clip in kept]
    return _answers(found, speakers if all(speakers) else ()), errors


def answers_of_files(paths: Iterable[Path]) -> Answers:
    """Return answers that ``affekt predict --format json`` has stored, file after file.

    A line may also have ``embedding``, a list of numbers, and ``speaker``.

    Raises
    ------
    DataError
        If a file cannot be read, or the lines are of several models.
    """
    rows: list[dict[str, Any]] = []
    for path in paths:
        own = [row for row in read_answers(path).values() if "scores" in row]
        if rows and own[0]["scores"].keys() != rows[0]["scores"].keys():
            raise DataError(f"{path}: its answers have other emotions than those before")
        rows += own
    told = [row.get("embedding") for row in rows]
    sizes = {len(one) if isinstance(one, list) else 0 for one in told}
    if len(sizes) > 1:
        raise DataError("some answers have an embedding, or a longer one, and others have not")
    found = []
    for row, embedding in zip(rows, told, strict=True):
        try:
            values = np.asarray(embedding or (), np.float32)
            found.append(replace(Prediction.from_dict(row), embedding=values))
        except (DataError, TypeError, ValueError) as error:
            raise DataError(f"{row['file']}: it is no answer of affekt predict: {error}") from None
    speakers = [str(row.get("speaker") or "") for row in rows]
    return _answers(found, speakers if all(speakers) else ())


def _answers(found: Sequence[Prediction], speakers: Sequence[str]) -> Answers:
    numbers = {
        name: np.array([_number(answer, name) for answer in found], np.float64) for name in NUMBERS
    }
    embeddings = np.array([answer.embedding for answer in found], np.float64)
    return Answers(
        labels=tuple(found[0].scores),
        probabilities=np.array([list(answer.scores.values()) for answer in found]),
        numbers=numbers,
        embeddings=embeddings if embeddings.shape[1] else None,
        speakers=speakers,
    )


def _number(answer: Prediction, name: str) -> float:
    holder = answer if hasattr(answer, name) else answer.quality
    value = getattr(holder, name, None)
    return float("nan") if value is None else float(value)
