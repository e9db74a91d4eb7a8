"""Predictions as CSV: a header, then one row per recording, errors among them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from affekt.runtime.formats import Outcome


def lines(outcomes: Iterable[Outcome], labels: Sequence[str]) -> Iterator[str]:
    """Yield the header, then one row for each recording.

    The columns are ``file, label, confidence, duration``, the probability of each emotion,
    ``warnings`` (joined by ``"; "``) and ``error``; what does not apply is empty.
    """
    yield _row(["file", "label", "confidence", "duration", *labels, "warnings", "error"])
    for outcome in outcomes:
        answer = outcome.prediction
        if answer is None:
            yield _row([outcome.file, *[""] * (len(labels) + 4), outcome.error])
            continue
        numbers = [answer.confidence, answer.duration, *(answer.scores[name] for name in labels)]
        cells = [f"{number:.6f}" for number in numbers]
        yield _row([outcome.file, answer.label, *cells, "; ".join(answer.warnings), ""])


def _row(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()
