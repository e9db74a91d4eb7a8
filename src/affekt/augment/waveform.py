"""What every waveform transform has in common: the call, its checks, and how a batch draws."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from affekt.audio.resample import checked_rate
from affekt.errors import AudioError, ConfigError

Samples = NDArray[np.float32]
"""A recording ``[samples]``, float32, nominally within [-1, 1]."""


class WaveformTransform(ABC):
    """A change of the waveform that leaves the emotion as it is.

    Subclasses are frozen dataclasses of their options. They keep no state: what a call draws
    follows from the generator alone.
    """

    name: ClassVar[str]
    """What recipes and the command line call it."""

    @property
    def keeps_length(self) -> bool:
        """Whether as many samples come out as went in."""
        return True

    def __call__(
        self, samples: NDArray[np.floating], sample_rate: int, rng: np.random.Generator
    ) -> Samples:
        """Apply to one recording, or to a batch of recordings of one length.

        Parameters
        ----------
        samples : np.ndarray [shape=(samples,) or (batch, samples)]
            Floats, nominally within [-1, 1]; never modified.
        sample_rate : int
            Hz.
        rng : np.random.Generator
            The rows of a batch draw from it one after the other, as if each were given by
            itself. Where the length may change, every row draws the same instead, so that the
            rows stay equally long.

        Returns
        -------
        np.ndarray [shape=(samples,) or (batch, samples)]
            float32, a new array; finite; not limited to [-1, 1].

        Raises
        ------
        AudioError
            If the samples are no floats, not finite, empty, or of another shape.
        """
        checked = _checked(samples, self.name)
        rate = checked_rate(sample_rate, self.name)
        if checked.ndim == 1:
            return self._apply(checked, rate, rng).astype(np.float32)
        if self.keeps_length:
            return np.stack([self._apply(row, rate, rng) for row in checked]).astype(np.float32)
        twins = [*(copy.deepcopy(rng) for _ in checked[1:]), rng]
        rows = [self._apply(row, rate, twin) for row, twin in zip(checked, twins, strict=True)]
        return np.stack(rows).astype(np.float32)

    @abstractmethod
    def _apply(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        """Transform one recording ``[samples]`` without modifying it."""


def _checked(samples: NDArray[np.floating], name: str) -> Samples:
    array = np.asarray(samples)
    if array.dtype.kind != "f":
        raise AudioError(
            f"{name}: samples of type {array.dtype} cannot be transformed: expected floats "
            "within [-1, 1], as affekt.audio.load_audio gives them"
        )
    if array.ndim not in (1, 2) or array.size == 0:
        raise AudioError(f"{name}: expected [samples] or [batch, samples], got shape {array.shape}")
    array = array.astype(np.float32, copy=False)
    if not np.isfinite(array).all():
        raise AudioError(f"{name}: some samples are NaN or infinite; repair the recording")
    return array


def check_range(name: str, what: str, low: float, high: float, least: float, most: float) -> None:
    """Refuse a range that is empty or goes beyond what makes sense.

    Raises
    ------
    ConfigError
        Naming the option and the values that were wrong.
    """
    if not low <= high:
        raise ConfigError(f"{name}: min_{what} {low:g} is above max_{what} {high:g}")
    if low < least or high > most:
        raise ConfigError(
            f"{name}: {what} from {low:g} to {high:g} is outside {least:g} to {most:g}"
        )


def check_probability(name: str, probability: float) -> None:
    """Refuse what is not a probability.

    Raises
    ------
    ConfigError
        Naming the transform and the value.
    """
    if not 0 <= probability <= 1:
        raise ConfigError(f"{name}: probability {probability:g} is not in [0, 1]")


def mean_power(samples: Samples) -> float:
    """Mean square, in float64: a long recording's sum of squares outgrows float32."""
    return float(np.mean(np.square(samples, dtype=np.float64)))


def fitted(samples: Samples, length: int) -> Samples:
    """Cut at the end, or fill with zeros, to ``length`` samples."""
    if len(samples) >= length:
        return samples[:length]
    return np.pad(samples, (0, length - len(samples)))


def fast_length(length: int) -> int:
    """Return the next length whose Fourier transform is fast: with no factor above 5."""
    best = 1 << (length - 1).bit_length()
    five = 1
    while five < best:
        three = five
        while three < best:
            best = min(best, three << max(0, (-(-length // three) - 1).bit_length()))
            three *= 3
        five *= 5
    return best
