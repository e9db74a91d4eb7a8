"""Log-linear pooling: the answers of several modalities become one.

Of the calibrated probabilities ``p_m`` of the modalities at hand, and a weight of each::

    p(emotion) ~ product over m of p_m(emotion) ** weight_m

With weights of 1 it is the product rule (Kittler et al., "On combining classifiers", 1998). The
answer of a single modality stays as it is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from affekt.errors import DataError
from affekt.evaluation.calibration import softmax
from affekt.evaluation.metrics import check_indices
from affekt.labels import canonical
from affekt.results import Prediction

Doubles = npt.NDArray[np.float64]

SMALLEST = 1e-4
"""Lowest probability that counts: no modality rules an emotion out by itself."""
_LEAST_LABELS = 2
_TOLERANCE = 1e-3  # of probabilities that were rounded before they were written
_STEPS = 100
_DAMPING = 1e-9  # keeps the curvature of modalities that say the same invertible


def fuse(
    answers: Mapping[str, Prediction | Mapping[str, float]],
    weights: Mapping[str, float] | None = None,
) -> Prediction:
    """Pool the answers of several modalities about one recording.

    Parameters
    ----------
    answers : mapping of str to Prediction, or to probabilities by emotion
        By modality, those at hand: ``{"voice": model.predict(file), "face": {"happy": 0.7, ...}}``.
        Probabilities sum to 1.
    weights : mapping of str to float, optional
        How much each counts, 0 or more; 1 where it is not named. `fit_weights` finds them.

    Returns
    -------
    Prediction
        Over the emotions that all modalities know, in the order of the first; duration, quality
        and embedding are those of the first Prediction. ``modalities`` tells the share of each in
        the answer.

    Raises
    ------
    DataError
        If there is no answer, probabilities are impossible, or fewer than two emotions are shared.
    """
    if not answers:
        raise DataError("there is nothing to fuse: give the answer of one modality or more")
    scores = {
        name: _checked(answer.scores if isinstance(answer, Prediction) else answer, name)
        for name, answer in answers.items()
    }
    of_sound = next((one for one in answers.values() if isinstance(one, Prediction)), None)
    first = next(iter(scores.values()))
    labels = [label for label in first if all(label in one for one in scores.values())]
    if len(labels) < _LEAST_LABELS:
        known = "; ".join(f"{name}: {', '.join(one)}" for name, one in scores.items())
        raise DataError(f"the modalities share fewer than two emotions ({known})")
    notes = []
    for name, one in scores.items():
        unshared = [label for label in one if label not in labels]
        if sum(one[label] for label in unshared) > sum(one[label] for label in labels):
            notes.append(
                f"the {name} points to an emotion that the others do not know "
                f"({', '.join(unshared)})"
            )
    shares = dict.fromkeys(scores, 1.0)
    pooled = np.array([first[label] for label in labels])
    if len(scores) > 1:
        logs = np.array([_logs([one[label] for label in labels]) for one in scores.values()])
        factors = np.array([_weight(name, weights or {}) for name in scores])
        pooled = softmax(factors @ logs)
        evidence = _shares(factors[:, None] * logs, int(pooled.argmax()))
        shares = dict(zip(scores, evidence, strict=True))
    best = int(pooled.argmax())
    fused: dict[str, Any] = {
        "label": labels[best],
        "confidence": float(pooled[best]),
        "scores": dict(zip(labels, map(float, pooled), strict=True)),
        "modalities": shares,
        "likely": None,  # measured of the voice alone
    }
    if of_sound is None:
        return Prediction(**fused, duration=0.0, warnings=tuple(notes))
    return replace(of_sound, **fused, warnings=(*of_sound.warnings, *notes))


def _shares(evidence: Doubles, best: int) -> list[float]:
    """Return how much of the answer is due to each modality.

    Parameters
    ----------
    evidence : np.ndarray [shape=(modalities, emotions)]
        Weighted logarithms.
    best : int
        The answer.

    Returns
    -------
    list of float
        Of each, what it adds to the answer beyond the mean of the other emotions; divided so that
        the magnitudes sum to 1. Below 0 for one that speaks against it.
    """
    others = np.delete(evidence, best, axis=1).mean(axis=1)
    added = evidence[:, best] - others
    total = np.abs(added).sum()
    even = np.full(len(added), 1 / len(added))
    return [float(one) for one in (added / total if total > 0 else even)]


def fit_weights(
    probabilities: Mapping[str, npt.ArrayLike], targets: npt.ArrayLike
) -> dict[str, float]:
    """Find the weights that make the true emotions most likely.

    Parameters
    ----------
    probabilities : mapping of str to array [shape=(clips, emotions)]
        By modality, of the same clips and emotions: of speakers that no model was trained on and
        that nothing will be measured on.
    targets : array of int [shape=(clips,)]
        Index of the true emotion of each clip. Emotions weigh the same, whatever their number of
        clips.

    Returns
    -------
    dict of str to float
        0 or more each.

    Raises
    ------
    DataError
        If there are no clips, or the shapes differ.
    """
    logs = np.array([_logs(one) for one in map(_matrix, probabilities.values())], dtype=float)
    if logs.ndim != 3 or not logs.size:
        raise DataError("weights need probabilities [clips, emotions] of one modality or more")
    indices = check_indices(targets, logs.shape[2], "targets")
    if len(indices) != logs.shape[1]:
        raise DataError(f"there are {logs.shape[1]} rows of probabilities, {len(indices)} targets")
    counts = np.bincount(indices, minlength=logs.shape[2])
    clips = 1 / counts[indices] / np.count_nonzero(counts)
    true = logs[:, np.arange(len(indices)), indices]  # [modalities, clips]
    weights = np.ones(len(logs))

    def loss(values: Doubles) -> float:
        pooled = np.tensordot(values, logs, 1)
        top = pooled.max(axis=1, keepdims=True)
        total = top[:, 0] + np.log(np.exp(pooled - top).sum(axis=1))
        return float(clips @ (total - values @ true))

    # Newton's method on the weights that are free: the loss is convex.
    for _ in range(_STEPS):
        expected = softmax(np.tensordot(weights, logs, 1))  # [clips, emotions]
        mean = (logs * expected).sum(axis=2)
        gradient = (mean - true) @ clips
        free = (weights > 0) | (gradient < 0)
        if not free.any():
            break
        spread = (
            np.einsum("mce,nce,ce,c->mn", logs, logs, expected, clips) - (mean * clips) @ mean.T
        )
        curvature = spread[np.ix_(free, free)] + _DAMPING * np.eye(int(free.sum()))
        step = np.zeros(len(weights))
        step[free] = np.linalg.solve(curvature, gradient[free])
        before, pace = loss(weights), 1.0
        while pace > _TOLERANCE and loss(np.maximum(weights - pace * step, 0)) > before:
            pace /= 2
        moved = np.maximum(weights - pace * step, 0)
        if loss(moved) >= before or np.abs(moved - weights).max() < _DAMPING:
            break
        weights = moved
    return dict(zip(probabilities, map(float, weights), strict=True))


def read_scores(path: str | os.PathLike[str]) -> dict[str, float]:
    """Read probabilities by emotion from JSON that another tool wrote.

    It holds an object of numbers, or one with such an object under ``scores``.

    Raises
    ------
    DataError
        If it cannot be read, or holds no probabilities.
    """
    path = Path(path)
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: it is no JSON: {error}") from None
    if isinstance(content, dict) and isinstance(content.get("scores"), dict):
        content = content["scores"]
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected an object of probabilities by emotion")
    return _checked(content, str(path))


def _checked(scores: Mapping[str, Any], where: str) -> dict[str, float]:
    """Return probabilities by canonical emotion, which sum to 1."""
    found: dict[str, float] = {}
    for name, value in scores.items():
        number = isinstance(value, (int, float, np.floating)) and not isinstance(value, bool)
        if not number or not 0 <= value <= 1:
            raise DataError(f"{where}: {name!r} has {value!r}: a probability goes from 0 to 1")
        label = canonical(str(name))
        if label in found:
            raise DataError(f"{where}: {label!r} is named twice")
        found[label] = float(value)
    total = sum(found.values())
    if abs(total - 1) > max(_TOLERANCE, _TOLERANCE * len(found)):
        raise DataError(f"{where}: probabilities sum to 1, these to {total:.4g}")
    return {label: value / total for label, value in found.items()}


def _weight(name: str, weights: Mapping[str, float]) -> float:
    weight = weights.get(name, 1.0)
    if not (np.isfinite(weight) and weight >= 0):
        raise DataError(f"the weight of {name!r} must be a number of 0 or more, got {weight!r}")
    return float(weight)


def _matrix(values: npt.ArrayLike) -> Doubles:
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.ndim != 2 or not np.isfinite(matrix).all():
        raise DataError(
            "probabilities must be finite numbers [clips, emotions], got the shape "
            f"{list(matrix.shape)}"
        )
    return matrix


def _logs(probabilities: npt.ArrayLike) -> Doubles:
    return np.asarray(np.log(np.maximum(probabilities, SMALLEST)))
