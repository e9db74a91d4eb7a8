"""A speaker's baseline: the mean embedding of some recordings, whatever they express.

Voices, rooms and languages move all embeddings of a speaker the same way; what is left once that
is taken out says more about the emotion. A baseline holds statistics alone, never sound.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from affekt.errors import DataError
from affekt.files import atomic_path, json_text

PRIOR_CLIPS = 8.0
"""How many recordings the mean of the training data weighs as much as."""
UNCERTAIN = 3.0
"""Squared standard errors of a mean below which it says nothing of the voice."""
FORMAT_VERSION = 1
_MOST_CLIPS = 2**53
_LARGEST = 1e6  # of a mean: embeddings are far smaller, and squares of it stay finite in float32
_LONGEST_NAME = 200  # characters; names come back in messages
_DAMAGED = "it is no baseline of affekt, or damaged: build it again with affekt baseline build"
_NO_RECORDINGS = "the baseline is of no recordings: build it from some with affekt baseline build"


@dataclass(frozen=True, eq=False)
class Baseline:
    """The mean of embeddings of one speaker, or of one room.

    Attributes
    ----------
    model : str
        Name of the model whose embeddings these are.
    head : str
        Fingerprint of its head: a baseline serves no other model.
    mean : np.ndarray [shape=(dim,), float64]
        Zeros where there are no recordings.
    mean_square : float
        Mean square of what the recordings one by one move the logits by, over recordings and
        classes: with the mean it gives their variance.
    count : int
        Recordings.
    """

    model: str
    head: str
    mean: npt.NDArray[np.float64]
    mean_square: float
    count: int

    def updated(self, embeddings: npt.ArrayLike, mean_squares: npt.ArrayLike) -> Baseline:
        """Return the baseline with more recordings.

        Parameters
        ----------
        embeddings : array [shape=(n, dim)]
        mean_squares : array [shape=(n,)]
            Of what each moves the logits by.

        Raises
        ------
        DataError
            If they are of another shape, or not finite.
        """
        rows = np.asarray(embeddings, dtype=np.float64)
        squares = np.asarray(mean_squares, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != len(self.mean):
            raise DataError(
                f"a baseline of {self.model} takes embeddings [n, {len(self.mean)}], got the "
                f"shape {list(rows.shape)}"
            )
        total, square = rows.sum(axis=0), float(squares.sum())
        if not (np.isfinite(total).all() and math.isfinite(square)):
            raise DataError("an embedding is not finite: it cannot be part of a baseline")
        if not len(rows):
            return self
        count = self.count + len(rows)
        mean = self.mean + (total - len(rows) * self.mean) / count
        mean_square = (self.count * self.mean_square + square) / count
        return replace(self, mean=mean, mean_square=mean_square, count=count)

    def merged(self, other: Baseline) -> Baseline:
        """Return the baseline of the recordings of both.

        Raises
        ------
        DataError
            If they are of different models.
        """
        if (other.head, len(other.mean)) != (self.head, len(self.mean)):
            raise DataError(
                f"these baselines are of different models, {self.model} and {other.model}: build "
                "both with one"
            )
        count = self.count + other.count
        if not count:
            return self
        share = other.count / count
        return replace(
            self,
            mean=self.mean + (other.mean - self.mean) * share,
            mean_square=self.mean_square + (other.mean_square - self.mean_square) * share,
            count=count,
        )

    def weight(
        self, training_mean: npt.NDArray[np.float32], contrasts: npt.NDArray[np.float64]
    ) -> float:
        """Return how much of the mean is taken out, from 0 to nearly 1.

        The mean is uncertain with few recordings, so it is drawn to that of the training data,
        which counts as `PRIOR_CLIPS` recordings. Where it moves the logits by no more than chance
        does, nothing is taken out: with the standard error e of what it moves them by, m, the
        weight is 1 - `UNCERTAIN` e^2 / m^2, or 0. (James and Stein, 1961.) One recording does not
        tell its standard error.

        Parameters
        ----------
        training_mean : np.ndarray [shape=(dim,)]
        contrasts : np.ndarray [shape=(classes, dim)]
            Weights of the logits minus their mean over classes.
        """
        moves = contrasts @ (self.mean - training_mean)
        effect = float(moves @ moves) / len(moves)
        if self.count < 2 or not effect:
            return 0.0
        variance = max(0.0, self.mean_square - effect) / (self.count - 1)  # of the mean
        sure = max(0.0, 1 - UNCERTAIN * variance / effect)
        return sure * self.count / (self.count + PRIOR_CLIPS)

    def shift(
        self, training_mean: npt.NDArray[np.float32], contrasts: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float32]:
        """Return what to take out of each embedding [dim]; parameters as of `weight`."""
        weight = self.weight(training_mean, contrasts)
        return np.asarray(weight * (self.mean - training_mean), dtype=np.float32)

    def to_dict(self) -> dict[str, Any]:
        """Return what a file, a request or a session holds of it."""
        values = {
            "format_version": FORMAT_VERSION,
            "model": self.model,
            "head": self.head,
            "count": self.count,
            "mean_square": self.mean_square,
            "mean": [float(f"{value:.7g}") for value in self.mean],
        }
        return {"affekt_baseline": values}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the baseline as a JSON file, whole or not at all.

        Raises
        ------
        DataError
            If it is of no recordings.
        """
        if not self.count:
            raise DataError(f"{path}: {_NO_RECORDINGS}")
        with atomic_path(path) as partial:
            partial.write_text(json_text(self.to_dict()), encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Baseline:
        """Read a file that `save` wrote.

        Raises
        ------
        DataError
            If it is missing, damaged, of a newer format, of no recordings, or holds impossible
            numbers.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise DataError(f"{path}: the baseline cannot be read: {reason}") from None
        return cls.from_json(text, str(path))

    @classmethod
    def from_json(cls, text: str, where: str = "the baseline") -> Baseline:
        """Read what `save` wrote; see `load`."""
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            raise DataError(f"{where}: {_DAMAGED}") from None
        return cls.from_dict(values, where)

    @classmethod
    def from_dict(cls, values: Any, where: str = "the baseline") -> Baseline:
        """Read what `to_dict` gave; see `load`."""
        try:
            inner = values["affekt_baseline"]
            version = inner["format_version"]
        except (KeyError, TypeError):
            raise DataError(f"{where}: {_DAMAGED}") from None
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise DataError(
                f"{where}: its format is newer than this affekt reads: pip install --upgrade affekt"
            )
        try:
            baseline = _checked(inner)
        except (KeyError, TypeError, ValueError, OverflowError):
            raise DataError(
                f"{where}: the baseline holds impossible numbers: build it again with affekt "
                "baseline build"
            ) from None
        if not baseline.count:
            raise DataError(f"{where}: {_NO_RECORDINGS}")
        return baseline


def _checked(values: Mapping[str, Any]) -> Baseline:
    count, names = values["count"], (values["model"], values["head"])
    mean_square = float(values["mean_square"])
    if not all(isinstance(name, str) and len(name) <= _LONGEST_NAME for name in names):
        raise TypeError("names are text")
    if not isinstance(values["mean"], list):
        raise TypeError("a mean is a list")
    mean = np.array([float(value) for value in values["mean"]])
    if type(count) is not int or not 0 <= count <= _MOST_CLIPS:
        raise ValueError("an impossible count")
    if not len(mean) or not np.abs(mean).max() <= _LARGEST:
        raise ValueError("an impossible mean")
    if not 0 <= mean_square <= sys.float_info.max:
        raise ValueError("an impossible mean square")
    return Baseline(*names, mean, mean_square, count)
