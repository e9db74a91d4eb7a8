"""Playback at another speed: tempo and pitch move together (Ko et al., 2015)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from affekt.augment.waveform import Samples, WaveformTransform, check_range, fitted


def resample_to(samples: Samples, length: int) -> Samples:
    """Resample a recording so that it becomes ``length`` samples ``[length]``, by soxr (HQ)."""
    if length == len(samples):
        return np.array(samples)
    import soxr  # type: ignore[import-untyped]

    resampled: Samples = soxr.resample(samples, len(samples), length, "HQ")
    return fitted(resampled, length)


def change_speed(samples: Samples, rate: float) -> Samples:
    """Play a recording ``rate`` times as fast; its pitch rises by the same factor.

    Returns
    -------
    np.ndarray [shape=(round(samples / rate),), float32]
        At least one sample.
    """
    return resample_to(samples, max(1, round(len(samples) / rate)))


@dataclass(frozen=True)
class SpeedPerturbation(WaveformTransform):
    """Change the speed by a drawn rate; ``round(samples / rate)`` samples come out.

    Parameters
    ----------
    min_rate, max_rate : float
        Range of the rate; above 1 is faster and higher.
    """

    name: ClassVar[str] = "speed_perturbation"
    min_rate: float = 0.9
    max_rate: float = 1.1

    def __post_init__(self) -> None:
        check_range(self.name, "rate", self.min_rate, self.max_rate, 0.5, 2.0)

    @property
    def keeps_length(self) -> bool:
        """The duration changes with the speed."""
        return False

    def _apply(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        return change_speed(samples, rng.uniform(self.min_rate, self.max_rate))
