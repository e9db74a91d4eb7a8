"""Find where a model's embeddings of speech lie, and where speech ends: see `runtime.domain`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from affekt.runtime.backends import Floats
from affekt.runtime.domain import Domain

RANK = 160
"""Dimensions of the space of speech: fewer leave speech out, and other sounds stick out less."""
FALSE_ALARMS = 0.05
"""Share of held-out speech, of each corpus, that may be above the limit."""

_LEAST_SCALE = 1e-3  # a dimension that does not vary must not divide by nothing


def fit_domain(
    embeddings: Sequence[Floats],
    held_out: Mapping[float, Sequence[Floats]],
    *,
    rank: int = RANK,
    false_alarms: float = FALSE_ALARMS,
) -> Domain:
    """Find the space of speech, and how much of held-out speech lies outside of it.

    Parameters
    ----------
    embeddings : sequence of np.ndarray [shape=(count, dim)]
        Of training speech, one array for each corpus; corpora weigh the same.
    held_out : mapping of float to sequence of np.ndarray
        Length in seconds to the embeddings of other speakers' speech of that length, one array
        for each corpus.
    rank : int
        Dimensions of the space.
    false_alarms : float
        Share of each corpus's held-out speech that may be above the limit.
    """
    mean = np.mean([one.mean(axis=0) for one in embeddings], axis=0)
    variance = np.mean([((one - mean) ** 2).mean(axis=0) for one in embeddings], axis=0)
    scale = np.maximum(np.sqrt(variance), _LEAST_SCALE)
    weighed = [(one - mean) / scale / np.sqrt(len(one)) for one in embeddings]
    basis = np.linalg.svd(np.concatenate(weighed), full_matrices=False)[2][:rank]  # [rank, dim]
    numbers = [np.asarray(array, dtype=np.float32) for array in (mean, scale, basis)]
    space = Domain(numbers[0], numbers[1], numbers[2], limits=())
    limits = [
        (seconds, max(_quantile(space.remainders(one), false_alarms) for one in corpora))
        for seconds, corpora in sorted(held_out.items())
    ]
    return replace(space, limits=tuple(limits))


def separation(inside: NDArray[np.float32], outside: NDArray[np.float32]) -> float:
    """Return the AUROC: how often a sound from outside scores above one from inside.

    Parameters
    ----------
    inside, outside : np.ndarray [shape=(count,)]
        Scores; ties count half.
    """
    below = np.searchsorted(np.sort(inside), outside, side="left")
    not_above = np.searchsorted(np.sort(inside), outside, side="right")
    return float((below + not_above).mean() / 2 / len(inside))


def _quantile(remainders: Floats, false_alarms: float) -> float:
    return float(np.quantile(remainders, 1 - false_alarms))
