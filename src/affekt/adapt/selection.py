"""Which recordings are worth a label next: those the model is unsure of, unlike each other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_SMALLEST = 1e-12


def select_examples(
    embeddings: npt.ArrayLike, probabilities: npt.ArrayLike, count: int, *, seed: int = 0
) -> list[int]:
    """Choose recordings to label.

    One after the other is drawn, each with a chance that is the product of its uncertainty (the
    entropy of the answer) and its squared distance from the nearest one that is chosen already,
    as k-means++ draws its centres (Arthur and Vassilvitskii, 2007).

    Parameters
    ----------
    embeddings : array [shape=(n, dim)]
    probabilities : array [shape=(n, classes)]
        What the model answers.
    count : int
        How many to choose; all where there are no more.
    seed : int
        Another one gives another choice.

    Returns
    -------
    list of int
        Rows, in the order in which they were drawn.
    """
    generator = np.random.default_rng(seed)
    rows = np.asarray(embeddings, dtype=np.float64)
    shares = np.maximum(np.asarray(probabilities, dtype=np.float64), _SMALLEST)
    entropy = np.maximum(-(shares * np.log(shares)).sum(axis=1), _SMALLEST)
    scaled = rows / np.maximum(rows.std(axis=0), _SMALLEST)
    distance = np.ones(len(rows))
    chosen: list[int] = []
    for _ in range(min(count, len(rows))):
        worth = entropy * np.maximum(distance, _SMALLEST)
        worth[chosen] = 0
        best = int(generator.choice(len(rows), p=worth / worth.sum()))
        apart = np.square(scaled - scaled[best]).sum(axis=1)
        distance = apart if not chosen else np.minimum(distance, apart)
        chosen.append(best)
    return chosen
