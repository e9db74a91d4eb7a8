"""The same recording, begun a little earlier or later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from affekt.augment.waveform import Samples, WaveformTransform
from affekt.errors import ConfigError


@dataclass(frozen=True)
class RandomShift(WaveformTransform):
    """Move the recording in time; what leaves at one end is lost, the other end is silent.

    The length stays, and so does at least half of the recording.

    Parameters
    ----------
    max_seconds : float
        Furthest move, either way.
    """

    name: ClassVar[str] = "random_shift"
    max_seconds: float = 0.25

    def __post_init__(self) -> None:
        if self.max_seconds <= 0:
            raise ConfigError(
                f"random_shift: max_seconds must be positive, got {self.max_seconds:g}"
            )

    def _apply(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        furthest = min(round(self.max_seconds * sample_rate), len(samples) // 2)
        later = int(rng.integers(-furthest, furthest + 1))
        shifted = np.zeros_like(samples)
        shifted[max(0, later) : len(samples) + min(0, later)] = samples[
            max(0, -later) : len(samples) - max(0, later)
        ]
        return shifted
