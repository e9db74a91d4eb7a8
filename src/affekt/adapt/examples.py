"""A head that learns from a few labelled examples, on arrays.

The classifier is a logistic regression that begins at the model's own answers: they are part of
its logits, and what it adds is held near 0 by a penalty. With few examples it gives the answers of
the model, moved a little; with many, what the examples say. For labels that the model does not
know it begins at the mean of the model's logits.

Of embeddings ``x``, centred and each dimension divided by its deviation, and the logits ``a`` of
the model::

    logits = a + V x / sqrt(dim) + b
    least: cross-entropy of the examples + PENALTY / 2 * |V|^2 + BIAS_PENALTY / 2 * |b|^2

Classes weigh the same, whatever their number of examples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]

PENALTY = 0.3
"""On what the embeddings add to the logits: chosen on two corpora, as is the other."""
BIAS_PENALTY = 1.0
"""On what is added to the logits of all recordings alike."""
_STEPS = 60
_SMALLEST_DEVIATION = 1e-6


@dataclass(frozen=True, eq=False)
class LinearHead:
    """A linear layer of embeddings.

    Attributes
    ----------
    weights : np.ndarray [shape=(classes, dim)]
    bias : np.ndarray [shape=(classes,)]
    """

    weights: Doubles
    bias: Doubles


def fit_head(
    embeddings: Doubles,
    targets: npt.NDArray[np.int64],
    start: LinearHead,
    power: Doubles | None = None,
) -> LinearHead:
    """Fit a head to examples.

    Parameters
    ----------
    embeddings : np.ndarray [shape=(examples, dim)]
    targets : np.ndarray of int [shape=(examples,)]
        Rows of ``start``. A class without examples keeps its logits.
    start : LinearHead
        The model's own logits, one row for each label.
    power : np.ndarray [shape=(examples,)], optional
        What the logits of each example are divided by; 1 by default.

    Returns
    -------
    LinearHead
    """
    n, classes = len(embeddings), len(start.bias)
    scale = np.ones(n) if power is None else power
    centre = embeddings.mean(axis=0)
    x = (embeddings - centre) / scale[:, None]
    size = np.sqrt(len(centre))
    deviation = np.maximum(x.std(axis=0), _SMALLEST_DEVIATION) * size
    known = (embeddings @ start.weights.T + start.bias) / scale[:, None]
    added, shift = _regression(x / deviation, 1 / scale, known, targets, classes)
    weights = added / deviation  # [classes, dim]
    return LinearHead(start.weights + weights, start.bias + shift - weights @ centre)


def _regression(
    x: Doubles,
    constant: Doubles,
    known: Doubles,
    targets: npt.NDArray[np.int64],
    classes: int,
) -> tuple[Doubles, Doubles]:
    """Return weights [classes, dim] and bias [classes] of a penalised logistic regression.

    Newton's method with a fixed bound on the curvature (Böhning, "Multinomial logistic regression
    algorithm", 1992) in the space that the examples span, accelerated after Nesterov.
    """
    counts = np.bincount(targets, minlength=classes)
    weights = (1 / counts[targets])[:, None]
    weights *= len(targets) / weights.sum()
    left, singular, right = np.linalg.svd(x, full_matrices=False)
    z = np.column_stack([left * singular, constant])  # [examples, rank + 1]
    penalty = np.append(np.full(len(singular), PENALTY), BIAS_PENALTY)
    curvature = np.linalg.inv(z.T @ (weights * z) / 2 + np.diag(penalty))
    wanted = np.eye(classes)[targets]
    found = ahead = np.zeros((z.shape[1], classes))
    pace = 1.0
    for _ in range(_STEPS):
        logits = known + z @ ahead
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        error = odds / odds.sum(axis=1, keepdims=True) - wanted
        gradient = z.T @ (weights * error) + penalty[:, None] * ahead
        new = ahead - curvature @ gradient
        faster = (1 + np.sqrt(1 + 4 * pace**2)) / 2
        ahead = new + (pace - 1) / faster * (new - found)
        found, pace = new, faster
    return (right.T @ found[:-1]).T, found[-1]
