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


def moved_odds(probabilities: Floats, factors: Floats) -> Floats:
    """Return probabilities [n, classes] whose odds are multiplied by [n, classes] or [classes]."""
    odds = np.maximum(probabilities, _SMALLEST_PROBABILITY) * factors
    odds /= np.add.reduce(odds, axis=1, keepdims=True)
    return np.asarray(odds, dtype=np.float32)


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
        factors = self.factors(shift)
        if factors is None:
            moved = self.logits(embeddings - shift) - self.logits(embeddings)
            factors = np.exp(moved - moved.max(axis=1, keepdims=True))
        return moved_odds(probabilities, factors)

    def factors(self, shift: Floats) -> Floats | None:
        """Return by what a shift multiplies odds [classes]; None where embeddings differ in it."""
        if self.exponent:
            return None
        moved = -(self.weights @ shift)
        return np.asarray(np.exp(moved - moved.max()))

    def without_mood(self, embeddings: Floats, probabilities: Floats) -> Floats:
        """Take out of embeddings what the emotions that are predicted would move them by.

        The least move that makes the predicted emotion `MOOD_LOGITS` more likely. So the mean of
        recordings in one mood says less of the mood, and more of the voice.

        Parameters
        ----------
        embeddings : np.ndarray [shape=(n, dim)]
        probabilities : np.ndarray [shape=(n, classes)]
        """
        excess = probabilities - 1 / probabilities.shape[1]
        return np.asarray(embeddings - MOOD_LOGITS * excess @ self._moves)

    def mean_squares(self, embeddings: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Return, over classes, the mean square of what embeddings [n, dim] move the logits by.

        Against the mean of the training data; the mean over classes is taken out.
        """
        moves = (embeddings - self.mean) @ self.contrasts.T
        return np.asarray(np.einsum("ij,ij->i", moves, moves) / moves.shape[1])

    @cached_property
    def contrasts(self) -> npt.NDArray[np.float64]:
        """The weights minus their mean over classes [classes, dim]."""
        wide = self.weights.astype(np.float64)
        return np.asarray(wide - wide.mean(axis=0))

    @cached_property
    def _moves(self) -> Floats:
        """By class, the least move of an embedding that adds 1 to its logit [classes, dim]."""
        # In float32 the direction without length, that of equal logits, would not be told as such.
        return np.asarray(np.linalg.pinv(self.contrasts).T, dtype=np.float32)

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
