"""Probabilities beside what raters said: the distribution of their votes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from affekt.evaluation.metrics import FloatArray, Metrics, RaterAgreement

if TYPE_CHECKING:
    from affekt.data import Clip


def js_distance(first: npt.ArrayLike, second: npt.ArrayLike) -> FloatArray:
    """Return the Jensen-Shannon distance of distributions over the last axis.

    The square root of the divergence in bits (Endres and Schindelin, "A new metric for probability
    distributions", 2003).
    """
    p, q = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    middle = (p + q) / 2
    divergence = (_information(p, middle) + _information(q, middle)) / 2
    return np.asarray(np.sqrt(np.clip(divergence, 0, 1)))


def _information(p: FloatArray, reference: FloatArray) -> FloatArray:
    ratio = np.divide(p, reference, out=np.ones_like(p), where=p > 0)
    return np.asarray((p * np.log2(ratio)).sum(axis=-1))


def rater_agreement(probabilities: npt.ArrayLike, votes: npt.ArrayLike) -> RaterAgreement:
    """Compare probabilities with shares of votes, both ``[clips, emotions]`` with rows of sum 1."""
    said, heard = np.asarray(probabilities, dtype=float), np.asarray(votes, dtype=float)
    return RaterAgreement(
        n=len(heard),
        js_distance=float(js_distance(said, heard).mean()),
        soft_accuracy=float(heard[np.arange(len(heard)), said.argmax(axis=1)].mean()),
    )


def with_raters(metrics: Metrics, probabilities: npt.ArrayLike, clips: Sequence[Clip]) -> Metrics:
    """Return the metrics of clips with how near they are to the votes, where there are votes.

    Votes for other emotions than those of the metrics are left out.
    """
    rows = np.array(
        [[(clip.votes or {}).get(label, 0.0) for label in metrics.labels] for clip in clips]
    )
    known = rows.sum(axis=1) > 0
    if not known.any():
        return metrics
    votes = rows[known] / rows[known].sum(axis=1, keepdims=True)
    agreement = rater_agreement(np.asarray(probabilities)[known], votes)
    return replace(metrics, raters=agreement)
