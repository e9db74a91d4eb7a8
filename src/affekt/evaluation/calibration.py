"""Calibrate a classifier's probabilities.

Temperature scaling divides the logits by one number T, fitted on validation clips so that the
negative log-likelihood is least (Guo et al., "On Calibration of Modern Neural Networks", 2017).
It never changes which class wins.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from affekt.errors import DataError
from affekt.evaluation.metrics import FloatArray, IntArray, check_indices

TEMPERATURE_RANGE = (0.05, 20.0)
"""Fitted temperatures stay within. Without the bounds, validation clips that are all right (or
that carry no information) would drive T to zero (or to infinity)."""

_BISECTIONS = 60  # narrows the range to less than the rounding error of a float


def softmax(logits: npt.ArrayLike) -> FloatArray:
    """Turn logits [..., classes] into probabilities that sum to 1 over the last axis."""
    values = np.asarray(logits, dtype=np.float64)
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    probabilities: FloatArray = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities


def apply_temperature(logits: npt.ArrayLike, temperature: float) -> FloatArray:
    """Return ``softmax(logits / temperature)``, float64 [clips, classes].

    Raises
    ------
    DataError
        If the temperature is not a positive finite number.
    """
    if not (np.isfinite(temperature) and temperature > 0):
        raise DataError(f"a temperature must be a positive number, got {temperature}")
    return softmax(np.asarray(logits, dtype=np.float64) / temperature)


def negative_log_likelihood(logits: npt.ArrayLike, targets: npt.ArrayLike) -> float:
    """Return the mean over clips of ``-log softmax(logits)[target]``, in nats."""
    values, indices = _checked(logits, targets)
    shifted = values - values.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=1))
    return float(np.mean(log_sum - shifted[np.arange(len(indices)), indices]))


def fit_temperature(
    logits: npt.ArrayLike, targets: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> float:
    """Return the temperature that makes the targets most likely.

    Parameters
    ----------
    logits : array [shape=(clips, classes)]
        Of clips that the model was not trained on and will not be tested on.
    targets : array of int [shape=(clips,)]
        Index of the true class of each clip.
    weights : array [shape=(clips,)], optional
        How much each clip counts; all alike by default.

    Returns
    -------
    float
        Within `TEMPERATURE_RANGE`.

    Raises
    ------
    DataError
        If there are no clips, shapes differ, a target is out of range or a logit not finite.
    """
    values, indices = _checked(logits, targets)
    true_logits = values[np.arange(len(indices)), indices]
    counts = None if weights is None else np.asarray(weights, dtype=np.float64)
    lowest, highest = np.log(TEMPERATURE_RANGE)
    # The likelihood is concave in 1 / T, so the slope of its negative changes sign once.
    for _ in range(_BISECTIONS):
        middle = (lowest + highest) / 2
        expected = (softmax(values * np.exp(-middle)) * values).sum(axis=1)
        if (
            np.average(expected - true_logits, weights=counts) > 0
        ):  # over-confident at this T: it must grow
            lowest = middle
        else:
            highest = middle
    return float(np.exp((lowest + highest) / 2))


def fit_threshold(
    probabilities: npt.ArrayLike, targets: npt.ArrayLike, right: float = 0.5
) -> float:
    """Return the confidence below which an answer is better withheld.

    The one with the greatest gain, where a right answer is worth ``1 - right``, a wrong one costs
    ``right``, and a withheld one is worth nothing: answers about as sure as this are right in that
    share of the cases.

    Parameters
    ----------
    probabilities : array [shape=(clips, classes)]
        Calibrated, of clips that the model was not trained on and will not be tested on.
    targets : array of int [shape=(clips,)]
        Index of the true class of each clip.
    right : float
        Share of right answers, from 0 to 1, from which an answer is worth giving.

    Returns
    -------
    float
        From 0 to 1; 0 where every answer is worth giving.

    Raises
    ------
    DataError
        If there are no clips, shapes differ, a target is out of range or a number not finite.
    """
    values, indices = _checked(probabilities, targets)
    confidence = values.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    hits = values.argmax(axis=1)[order] == indices[order]
    gain = np.cumsum(np.where(hits, 1 - right, -right))
    kept = len(gain) - int(np.argmax(gain[::-1]))  # the most answers among equal gains
    return 0.0 if kept == len(gain) else float(confidence[order[kept - 1]])


def fit_least_probability(
    probabilities: npt.ArrayLike,
    targets: npt.ArrayLike,
    coverage: float,
    weights: npt.ArrayLike | None = None,
) -> float:
    """Return the probability from which on a class belongs to a prediction set.

    So large that the set of a clip holds its true class as often as asked for: split conformal
    prediction with the probability as its score (Sadinle et al., "Least Ambiguous Set-Valued
    Classifiers with Bounded Error Levels", 2019).

    Parameters
    ----------
    probabilities : array [shape=(clips, classes)]
        Calibrated, of clips that the model was not trained on and will not be tested on.
    targets : array of int [shape=(clips,)]
        Index of the true class of each clip.
    coverage : float
        Share of the clips whose set holds the true class, from 0 to 1.
    weights : array [shape=(clips,)], optional
        How much each clip counts; all alike by default.

    Raises
    ------
    DataError
        If there are no clips, shapes differ, a target is out of range or a number not finite.
    """
    values, indices = _checked(probabilities, targets)
    true = values[np.arange(len(indices)), indices]
    counts = np.ones(len(true)) if weights is None else np.asarray(weights, dtype=np.float64)
    order = np.argsort(-true, kind="stable")
    # A further clip, of which nothing is known, counts as one that is missed.
    held = np.cumsum(counts[order]) / (counts.sum() + counts.mean())
    enough = np.flatnonzero(held >= coverage)
    return float(true[order[enough[0]]]) if len(enough) else 0.0


COVERAGE = 0.9
"""Share of the clips of unheard speakers whose prediction set holds the true emotion."""


def fit_limits(probabilities: npt.ArrayLike, targets: npt.ArrayLike) -> dict[str, float]:
    """Return what ``calibration`` of ``config.json`` holds beside the temperature, by its keys.

    Parameters
    ----------
    probabilities : array [shape=(clips, classes)]
        Calibrated, of clips that the model was not trained on and will not be tested on.
    targets : array of int [shape=(clips,)]

    Raises
    ------
    DataError
        As :func:`fit_threshold`.
    """
    classes = np.shape(probabilities)[-1]
    return {
        "threshold": fit_threshold(probabilities, targets),
        "window_threshold": fit_threshold(probabilities, targets, window_share(classes)),
        "least_probability": fit_least_probability(probabilities, targets, COVERAGE),
    }


def window_share(classes: int) -> float:
    """Return from which share of right answers a window is named: half again chance, at most half.

    Below, a name says little more than a guess; above, what is named shows where emotions change.
    """
    return min(0.5, 1.5 / classes)


def _checked(logits: npt.ArrayLike, targets: npt.ArrayLike) -> tuple[FloatArray, IntArray]:
    values = np.asarray(logits, dtype=np.float64)
    if values.ndim != 2 or values.size == 0:
        raise DataError(
            "logits must be [clips, classes] with at least one clip, "
            f"got the shape {list(values.shape)}"
        )
    indices = check_indices(targets, values.shape[1], "targets")
    if len(indices) != len(values):
        raise DataError(f"there are {len(values)} rows of logits but {len(indices)} targets")
    if not np.isfinite(values).all():
        raise DataError("logits must be finite numbers")
    return values, indices
