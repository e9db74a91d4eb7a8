"""Which recordings are worth a label next: those the model is unsure of, unlike each other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

UNCERTAINTY_POWER = 3.0
"""How much more uncertainty counts than distance: chosen on two corpora."""
_SMALLEST = 1e-12


def select_examples(
    embeddings: npt.ArrayLike, probabilities: npt.ArrayLike, count: int
) -> list[int]:
    """Choose recordings to label.

    One after the other, the one with the greatest product of its uncertainty (the entropy of the
    answer, from 0 to 1, to the power of `UNCERTAINTY_POWER`) and its squared distance from the
    nearest one that is chosen already. The first is the most uncertain one.

    Parameters
    ----------
    embeddings : array [shape=(n, dim)]
    probabilities : array [shape=(n, classes)]
        What the model answers.
    count : int
        How many to choose; all where there are no more.

    Returns
    -------
    list of int
        Rows, the most useful first.
    """
    rows = np.asarray(embeddings, dtype=np.float64)
    shares = np.maximum(np.asarray(probabilities, dtype=np.float64), _SMALLEST)
    entropy = -(shares * np.log(shares)).sum(axis=1) / np.log(max(2, shares.shape[1]))
    weight = np.maximum(entropy, _SMALLEST) ** UNCERTAINTY_POWER
    scaled = rows / np.maximum(rows.std(axis=0), _SMALLEST)
    distance = np.ones(len(rows))
    chosen: list[int] = []
    for _ in range(min(count, len(rows))):
        worth = weight * distance
        worth[chosen] = -1
        best = int(worth.argmax())
        apart = np.square(scaled - scaled[best]).sum(axis=1)
        distance = apart if not chosen else np.minimum(distance, apart)
        chosen.append(best)
    return chosen
