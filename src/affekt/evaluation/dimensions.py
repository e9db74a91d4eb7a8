"""Scores of valence, arousal and dominance against ratings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from affekt.errors import DataError
from affekt.evaluation.metrics import FloatArray
from affekt.results import DIMENSIONS, Answer

if TYPE_CHECKING:
    from affekt.data import Clip

RESAMPLES = 1000


@dataclass(frozen=True)
class Agreement:
    """How well numbers agree with ratings.

    Attributes
    ----------
    ccc : float
        Lin's concordance correlation, from -1 to 1: ``2 cov / (var + var + (mean - mean)^2)``.
    ci95 : (float, float) or None
        95 % bootstrap interval over speakers; None where they are unknown or just one.
    correlation : float
        Pearson's, which no shift and no compression lowers; 0 where the numbers are constant.
    within : float or None
        Concordance within speakers: each speaker's means are taken out of both. None as `ci95`.
    spread : float
        Standard deviation of the numbers, in that of the ratings: below 1, they are compressed to
        the middle.
    n : int
        Clips.
    """

    ccc: float
    ci95: tuple[float, float] | None
    correlation: float
    within: float | None
    spread: float
    n: int


def concordance(said: npt.ArrayLike, rated: npt.ArrayLike) -> float:
    """Return Lin's concordance correlation of two arrays [n].

    Raises
    ------
    DataError
        If the ratings are constant: nothing can agree with them.
    """
    return agreement(said, rated).ccc


def agreement(
    said: npt.ArrayLike, rated: npt.ArrayLike, speakers: Sequence[str] | None = None
) -> Agreement:
    """Compare numbers with ratings.

    Parameters
    ----------
    said, rated : array [shape=(n,)]
    speakers : sequence of str, optional
        Of each clip.

    Raises
    ------
    DataError
        If there are fewer than two, a number is not finite, or the ratings are constant.
    """
    x, y = np.asarray(said, dtype=float), np.asarray(rated, dtype=float)
    if x.shape != y.shape or x.ndim != 1 or len(x) < 2:
        raise DataError(f"two or more clips are needed on both sides, got {x.shape} and {y.shape}")
    if not np.isfinite([x, y]).all():
        raise DataError("the numbers to compare are not finite")
    if np.ptp(y) == 0:
        raise DataError(f"the ratings are constant ({y[0]:g}): nothing can agree with them")
    moments = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1)
    whole = _ccc(moments.sum(axis=0))
    spread = float(x.std() / y.std())
    correlation = float(np.corrcoef(x, y)[0, 1]) if np.ptp(x) else 0.0
    names, member = np.unique(speakers if speakers is not None else [""], return_inverse=True)
    if len(names) < 2:
        return Agreement(float(whole), None, correlation, None, spread, len(x))
    sums = np.zeros((len(names), 6))
    np.add.at(sums, member, moments)
    drawn = np.random.default_rng(0).integers(0, len(names), (RESAMPLES, len(names)))
    low, high = np.nanpercentile(_ccc(sums[drawn].sum(axis=1)), [2.5, 97.5])
    means = (sums / sums[:, :1])[member]  # [n, 6]
    own = np.stack([x - means[:, 1], y - means[:, 2]])
    within = agreement(*own).ccc if np.ptp(own[1]) else None
    return Agreement(float(whole), (float(low), float(high)), correlation, within, spread, len(x))


def _ccc(sums: FloatArray) -> FloatArray:
    """Concordance [...] of sums [..., 6] of 1, x, y, x x, y y and x y."""
    count = sums[..., 0]
    mean_x, mean_y, square_x, square_y, product = np.moveaxis(
        sums[..., 1:] / count[..., None], -1, 0
    )
    variances = square_x - mean_x**2 + square_y - mean_y**2
    return np.asarray(2 * (product - mean_x * mean_y) / (variances + (mean_x - mean_y) ** 2))


def dimension_scores(answers: Sequence[Answer], clips: Sequence[Clip]) -> Mapping[str, Agreement]:
    """Compare what a model says of clips with their ratings.

    Parameters
    ----------
    answers : sequence of Answer
    clips : sequence of Clip

    Returns
    -------
    mapping of str to Agreement
        By dimension; without those that fewer than two clips, or only equal ratings, could tell.
    """
    scores = {}
    for name in DIMENSIONS:
        pairs = [
            (said, rated, clip.speaker_id)
            for answer, clip in zip(answers, clips, strict=True)
            if (said := getattr(answer, name)) is not None
            and (rated := getattr(clip, name)) is not None
        ]
        if len({rated for _, rated, _ in pairs}) > 1:
            said_of, rated_of, speakers = zip(*pairs, strict=True)
            scores[name] = agreement(said_of, rated_of, speakers if all(speakers) else None)
    return scores
