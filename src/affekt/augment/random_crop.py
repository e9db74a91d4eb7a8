"""A stretch of the recording instead of all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from affekt.augment.waveform import Samples, WaveformTransform
from affekt.errors import ConfigError


@dataclass(frozen=True)
class RandomCrop(WaveformTransform):
    """Keep a stretch from a drawn place; ``min(samples, round(seconds * sample_rate))`` come out.

    Parameters
    ----------
    seconds : float
        Duration kept. A recording that is no longer comes out whole.
    """

    name: ClassVar[str] = "random_crop"
    seconds: float = 2.0

    def __post_init__(self) -> None:
        if self.seconds <= 0:
            raise ConfigError(f"random_crop: seconds must be positive, got {self.seconds:g}")

    @property
    def keeps_length(self) -> bool:
        """What is longer becomes shorter."""
        return False

    def _apply(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        length = min(len(samples), max(1, round(self.seconds * sample_rate)))
        start = int(rng.integers(len(samples) - length + 1))
        return samples[start : start + length]
