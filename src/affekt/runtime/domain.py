"""How unlike its training data a model finds a recording: noise, music, another way of recording.

Embeddings of speech lie near a space of fewer dimensions; those of other sounds do not. The score
is what of an embedding lies outside of that space, relative to what held-out speech of the same
length leaves there: above 1, fewer than one in twenty recordings of speech would be. The numbers
are measured by ``benchmarks/domain.py`` and kept under ``domain`` in ``config.json``; a model
without them gives no score.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from affekt.errors import ModelError
from affekt.runtime.config import ModelConfig
from affekt.runtime.session import Floats

KEY = "domain"
"""Where ``config.json`` keeps what is measured."""
UNLIKE_LIMIT = 1.0
"""The score from which on a recording is unlike the training data."""


@dataclass(frozen=True, eq=False)
class Domain:
    """Where the embeddings of speech lie.

    Attributes
    ----------
    mean, scale : np.ndarray [shape=(dim,)]
        Of the embeddings of training speech.
    basis : np.ndarray [shape=(rank, dim)]
        Orthonormal directions in which scaled embeddings of speech vary.
    limits : tuple of (float, float)
        Length of a recording in seconds, and what remains of held-out speech of that length, in
        rising order of the lengths. Between them, the remainder is interpolated over the
        logarithm of the length; for what is shorter than the first there is no score.
    """

    mean: Floats
    scale: Floats
    basis: Floats
    limits: tuple[tuple[float, float], ...]

    def remainders(self, embeddings: Floats) -> Floats:
        """Return the part of each embedding outside of the space of speech.

        Parameters
        ----------
        embeddings : np.ndarray [shape=(count, dim)]

        Returns
        -------
        np.ndarray [shape=(count,)]
            Mean square, in units of the scale.
        """
        scaled = (embeddings - self.mean) / self.scale  # [count, dim]
        inside = scaled @ self.basis.T  # [count, rank]
        # einsum: a stream asks for one at a time, where the call itself is what takes long
        outside = np.einsum("ij,ij->i", scaled, scaled) - np.einsum("ij,ij->i", inside, inside)
        return np.asarray(np.maximum(outside, 0) / len(self.mean), dtype=np.float32)

    def score(self, embedding: Floats, duration: float) -> float | None:
        """Return how unlike speech of the training data a recording is.

        Parameters
        ----------
        embedding : np.ndarray [shape=(dim,)]
        duration : float
            Seconds.

        Returns
        -------
        float or None
            From 0 up, `UNLIKE_LIMIT` being the limit; None for a recording too short to tell.
        """
        return self.scores(embedding[None], [duration])[0]

    def scores(self, embeddings: Floats, durations: Sequence[float]) -> list[float | None]:
        """Return the same for many: embeddings [count, dim], and how many seconds each is of."""
        shortest = self.limits[0][0]
        times = [math.log(max(duration, shortest)) for duration in durations]
        allowed = np.interp(times, *self._course)
        scores = (self.remainders(embeddings) / allowed).tolist()
        return [
            None if duration < shortest else float(score)
            for score, duration in zip(scores, durations, strict=True)
        ]

    @cached_property
    def _course(self) -> tuple[Floats, Floats]:
        """Logarithms of the lengths, and the limits there."""
        lengths, limits = np.array(self.limits).T
        return np.log(lengths), limits

    def to_config(self) -> dict[str, Any]:
        """Return the numbers as ``config.json`` holds them: float16 in base64, to be short."""
        return {
            "rank": len(self.basis),
            "limits": [[seconds, round(limit, 6)] for seconds, limit in self.limits],
            "mean": _packed(self.mean),
            "scale": _packed(self.scale),
            "basis": _packed(self.basis),
        }


def read_domain(config: ModelConfig) -> Domain | None:
    """Read the space of a model's embeddings of speech; None where not measured.

    Raises
    ------
    ModelError
        If the numbers are damaged or do not fit the model.
    """
    raw = config.raw.get(KEY)
    if raw is None:
        return None
    try:
        domain = _parsed(raw)
        fits = config.embedding_size in (None, len(domain.mean))
    except (KeyError, TypeError, ValueError, binascii.Error):
        fits = False
    if not fits:
        raise ModelError(
            f"the model {config.name!r} has damaged numbers under {KEY!r} in its config.json: "
            f"fetch it again, or measure them again"
        )
    return domain


def _parsed(raw: Mapping[str, Any]) -> Domain:
    mean, scale = _unpacked(raw["mean"]), _unpacked(raw["scale"])
    basis = _unpacked(raw["basis"]).reshape(int(raw["rank"]), len(mean))
    limits = tuple((float(seconds), float(limit)) for seconds, limit in raw["limits"])
    lengths = [seconds for seconds, _ in limits]
    sound = (
        len(scale) == len(mean)
        and limits
        and lengths == sorted(lengths)
        and min(*lengths, *(limit for _, limit in limits)) > 0
        and bool((scale > 0).all())
    )
    if not sound:
        raise ValueError("impossible numbers")
    return Domain(mean, scale, basis, limits)


def _packed(values: Floats) -> str:
    return base64.b64encode(values.astype("<f2").tobytes()).decode("ascii")


def _unpacked(text: str) -> Floats:
    return np.frombuffer(base64.b64decode(text, validate=True), "<f2").astype(np.float32)
