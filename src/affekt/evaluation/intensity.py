"""Scores of predicted intensity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from affekt.labels import INTENSITIES

if TYPE_CHECKING:
    from affekt.data import Clip

KNOWN_FROM = {"acted": "what was acted", "rated": "the strength by raters"}
"""Where the truth comes from, and what it is called in texts."""


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's rank correlation.

    Attributes
    ----------
    value : float
        From -1 to 1; 0 for chance.
    n : int
        Clips.
    """

    value: float
    n: int


def acted_intensity(clip: Clip) -> float | None:
    """Return the place of the corpus's own word, from 0 (faint) to 1; None where it has none."""
    return INTENSITIES.get(clip.intensity)


def rated_intensity(clip: Clip) -> float | None:
    """Return the mean strength by raters, from 0 to 1, or None.

    Of neutral clips they said how neutral they are, not how strong: that counts for nothing.
    """
    return None if clip.emotion == "neutral" else clip.strength


def intensity_scores(
    said: Sequence[float | None], clips: Sequence[Clip]
) -> Mapping[str, RankCorrelation]:
    """Compare predicted with known intensity, as ranks: words are no measured scale.

    Neutral clips are left out: to tell them from the others is no feeling for intensity.

    Parameters
    ----------
    said : sequence of float or None
        Intensity of each clip; None where the model says none.
    clips : sequence of Clip

    Returns
    -------
    mapping of str to RankCorrelation
        By the keys of `KNOWN_FROM`; without those that fewer than two clips, or only equal ones,
        could tell.
    """
    scores = {}
    for name, truth in (("acted", acted_intensity), ("rated", rated_intensity)):
        known = [None if clip.emotion == "neutral" else truth(clip) for clip in clips]
        pairs = [(a, b) for a, b in zip(said, known, strict=True) if None not in (a, b)]
        value = rank_correlation(*np.array(pairs, dtype=float).T) if pairs else None
        if value is not None:
            scores[name] = RankCorrelation(value, len(pairs))
    return scores


def rank_correlation(first: npt.ArrayLike, second: npt.ArrayLike) -> float | None:
    """Return Spearman's correlation of two arrays ``[n]``; equal values share their mean rank.

    None where one of them has no two different values.
    """
    one, other = (_ranks(np.asarray(values, dtype=float)) for values in (first, second))
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    return float(np.corrcoef(one, other)[0, 1])


def _ranks(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    means: npt.NDArray[np.float64] = np.cumsum(sizes) - (sizes - 1) / 2
    return means[group]
