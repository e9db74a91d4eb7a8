"""Slower or faster speech at the same pitch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from affekt.augment.waveform import Samples, WaveformTransform, check_range
from affekt.augment.wsola import stretch_to


def time_stretch(samples: Samples, rate: float, sample_rate: int) -> Samples:
    """Play a recording ``rate`` times as fast without moving its pitch.

    Returns
    -------
    np.ndarray [shape=(round(samples / rate),), float32]
        At least one sample.
    """
    return stretch_to(samples, max(1, round(len(samples) / rate)), sample_rate)


@dataclass(frozen=True)
class TimeStretch(WaveformTransform):
    """Change the tempo by a drawn rate; ``round(samples / rate)`` samples come out.

    Parameters
    ----------
    min_rate, max_rate : float
        Range of the rate; above 1 is faster. A voice sounds natural within 0.8 to 1.2.
    """

    name: ClassVar[str] = "time_stretch"
    min_rate: float = 0.8
    max_rate: float = 1.2

    def __post_init__(self) -> None:
        check_range(self.name, "rate", self.min_rate, self.max_rate, 0.5, 2.0)

    @property
    def keeps_length(self) -> bool:
        """The duration is what changes."""
        return False

    def _apply(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        return time_stretch(samples, rng.uniform(self.min_rate, self.max_rate), sample_rate)
