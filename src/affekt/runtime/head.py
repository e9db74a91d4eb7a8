"""The last, linear layer of a model, kept in numbers: from embeddings to probabilities.

The graph has it too. Outside of the graph it tells what another embedding would have given: one
from which the mean of a speaker is taken out, for example. The numbers stand under
``emotion_head`` in ``config.json``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from affekt.errors import ModelError
from affekt.runtime.config import ModelConfig
from affekt.runtime.session import Floats

KEY = "emotion_head"
"""Where ``config.json`` keeps it."""
SMALLEST_DISTANCE = 0.1
"""Mean square of an embedding below which the logits are divided by no less."""
MOOD_LOGITS = 3.0
"""By how much an emotion raises its own logit, about: chosen on two corpora of other languages."""
_SMALLEST_PROBABILITY = 1e-12


@dataclass(frozen=True, eq=False)
class Head:
    """A linear layer, calibrated.

    Attributes
    ----------
    weights : np.ndarray [shape=(classes, dim)]
        Divided by the temperature of the calibration, as is the bias.
    bias : np.ndarray [shape=(classes,)]
    mean : np.ndarray [shape=(dim,)]
        Of the embeddings of training clips.
    exponent : float
        The logits are divided by this power of the embedding's mean square; 0: by nothing.
    """

    weights: Floats
    bias: Floats
    mean: Floats
    exponent: float = 0.0

    def logits(self, embeddings: Floats) -> Floats:
        """Return calibrated logits [n, classes] of embeddings [n, dim]."""
        logits = embeddings @ self.weights.T + self.bias
        return np.asarray(logits / self.power(embeddings) if self.exponent else logits)

    def power(self, embeddings: Floats) -> Floats:
        """Return what the logits of embeddings [n, dim] are divided by [n, 1]."""
        distance = np.square(embeddings).mean(axis=1, keepdims=True)
        return np.asarray(np.maximum(distance, SMALLEST_DISTANCE) ** self.exponent)

    def moved(self, probabilities: Floats, embeddings: Floats, shift: Floats) -> Floats:
        """Return what the model would answer if embeddings were moved.

        Parameters
        ----------
        probabilities : np.ndarray [shape=(n, classes)]
            What the model answers.
        embeddings : np.ndarray [shape=(n, dim)]
        shift : np.ndarray [shape=(dim,)]
            Taken out of each embedding. With 0, the answer is what it was.

        Returns
        -------
        np.ndarray [shape=(n, classes), float32]
        """
        if self.exponent:
            moved = self.logits(embeddings - shift) - self.logits(embeddings)
        else:  # the same for every embedding
            moved = -(self.weights @ shift)
        logits = np.log(np.maximum(probabilities, _SMALLEST_PROBABILITY)) + moved
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True), dtype=np.float32)

    def without_mood(self, embeddings: Floats, probabilities: Floats) -> Floats:
        """Take out of embeddings what the emotions that are predicted would move them by.

        The least move that makes the predicted emotion `MOOD_LOGITS` more likely. So the mean of
        recordings in one mood says less of the mood, and more of the voice.

        Parameters
        ----------
        embeddings : np.ndarray [shape=(n, dim)]
        probabilities : np.ndarray [shape=(n, classes)]
        """
        excess = probabilities - probabilities.mean(axis=1, keepdims=True)
        return np.asarray(embeddings - MOOD_LOGITS * excess @ self._moves)

    def mean_squares(self, embeddings: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Return, over classes, the mean square of what embeddings [n, dim] move the logits by.

        Against the mean of the training data; the mean over classes is taken out.
        """
        apart = np.asarray(embeddings, dtype=np.float64) - self.mean
        return np.asarray(np.square(apart @ self.contrasts.T).mean(axis=1))

    @cached_property
    def contrasts(self) -> Floats:
        """The weights minus their mean over classes [classes, dim]."""
        return np.asarray(self.weights - self.weights.mean(axis=0))

    @cached_property
    def _moves(self) -> Floats:
        """By class, the least move of an embedding that adds 1 to its logit [classes, dim]."""
        # In float32 the direction without length, that of equal logits, would not be told as such.
        wide = self.weights.astype(np.float64)
        return np.asarray(np.linalg.pinv(wide - wide.mean(axis=0)).T, dtype=np.float32)

    @cached_property
    def fingerprint(self) -> str:
        """Name the space of the embeddings: the same for all exports of one network."""
        content = b"".join(_little(array).tobytes() for array in (self.weights, self.mean))
        return hashlib.sha256(content).hexdigest()[:16]

    def to_config(self) -> dict[str, Any]:
        """Return the numbers as ``config.json`` holds them: float32 in base64."""
        return {
            "weights": _packed(self.weights),
            "bias": _packed(self.bias),
            "mean": _packed(self.mean),
            "exponent": round(self.exponent, 6),
        }


def read_head(config: ModelConfig) -> Head:
    """Read the head of a model.

    Raises
    ------
    ModelError
        If the model does not keep it, or the numbers are damaged.
    """
    raw = config.raw.get(KEY)
    if raw is None:
        raise ModelError(
            f"the model {config.name!r} keeps no {KEY!r} in its config.json, so that no baseline "
            "can be taken out: export it again with this version of affekt"
        )
    try:
        return _parsed(raw, len(config.labels))
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise ModelError(
            f"the model {config.name!r} has damaged numbers under {KEY!r} in its config.json: "
            "fetch it again, or export it again"
        ) from None


def _parsed(raw: Mapping[str, Any], classes: int) -> Head:
    mean, bias = _unpacked(raw["mean"]), _unpacked(raw["bias"])
    weights = _unpacked(raw["weights"]).reshape(classes, len(mean))
    head = Head(weights, bias, mean, float(raw["exponent"]))
    numbers = np.concatenate([weights.ravel(), mean, bias, [head.exponent]])
    if len(bias) != classes or not len(mean) or not np.isfinite(numbers).all():
        raise ValueError("impossible numbers")
    return head


def _little(values: Floats) -> Floats:
    return np.ascontiguousarray(values, dtype="<f4")


def _packed(values: Floats) -> str:
    return base64.b64encode(_little(values).tobytes()).decode("ascii")


def _unpacked(text: str) -> Floats:
    return np.frombuffer(base64.b64decode(text, validate=True), "<f4").astype(np.float32)
