"""Predictions as JSON lines: one object per recording, errors among them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from affekt.runtime.formats import Outcome


def lines(outcomes: Iterable[Outcome], labels: Sequence[str]) -> Iterator[str]:
    """Yield one line for each recording.

    ``{"file", "label", "confidence", "scores": {emotion: probability}, "duration", "warnings"}``,
    or ``{"file", "error"}`` for a recording that could not be judged.
    """
    del labels  # every object carries its own
    for outcome in outcomes:
        yield json.dumps(_fields(outcome), ensure_ascii=False, allow_nan=False)


def _fields(outcome: Outcome) -> dict[str, object]:
    answer = outcome.prediction
    if answer is None:
        return {"file": outcome.file, "error": outcome.error}
    return {
        "file": outcome.file,
        "label": answer.label,
        "confidence": round(answer.confidence, 6),
        "scores": {label: round(score, 6) for label, score in answer.scores.items()},
        "duration": round(answer.duration, 6),
        "warnings": list(answer.warnings),
    }
