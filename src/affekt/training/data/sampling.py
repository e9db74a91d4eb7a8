"""Samplers: how often each clip is drawn for a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

SHUFFLE = "shuffle"

_SHARES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    SHUFFLE: lambda weight: weight,
    "square_root": np.sqrt,
    "balanced": lambda weight: (weight > 0).astype(float),
}

SAMPLERS: tuple[str, ...] = tuple(_SHARES)
"""``shuffle`` draws the classes as often as they occur, ``square_root`` in proportion to the
square root of that, ``balanced`` all equally often."""


def draw_probabilities(
    targets: np.ndarray, weights: np.ndarray, sampler: str = SHUFFLE
) -> np.ndarray | None:
    """Probability of each clip at each draw.

    The sampler decides on the shares of the classes; within a class, clips are drawn in
    proportion to their weights.

    Parameters
    ----------
    targets : np.ndarray [shape=(clips,), int]
        Class of each clip.
    weights : np.ndarray [shape=(clips,)]
        How often each clip is wanted relative to the others, e.g. by its corpus; positive.
    sampler : str
        One of `SAMPLERS`.

    Returns
    -------
    np.ndarray [shape=(clips,)] or None
        Sums to 1. None when all are drawn alike: then an epoch is a permutation, which sees
        every clip, rather than independent draws, which miss a third of them.
    """
    if sampler == SHUFFLE:
        return None if np.ptp(weights) == 0 else weights / weights.sum()
    of_class = np.bincount(targets, weights=weights)  # [classes]
    shares = _SHARES[sampler](of_class)
    shares = shares / shares.sum()
    return np.asarray(weights / of_class[targets] * shares[targets])
