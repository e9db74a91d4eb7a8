"""What stands before and after the speech: silence, or the noise of the room."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from affekt.augment.waveform import Samples, WaveformTransform, check_probability
from affekt.errors import ConfigError

_FLOOR_SECONDS = 0.05  # length of the quietest stretch


@dataclass(frozen=True)
class PadEnds(WaveformTransform):
    """Add silence, or the recording's own noise floor, before and after the recording.

    The floor is the quietest stretch of 50 ms, repeated forwards and backwards, without a jump.

    Parameters
    ----------
    max_seconds : float
        Most that is added at each end; the length is drawn for each.
    floor : float
        Probability of the noise floor in place of silence.
    """

    name: ClassVar[str] = "pad_ends"
    max_seconds: float = 1.0
    floor: float = 0.7

    def __post_init__(self) -> None:
        check_probability(self.name, self.floor)
        if not 0 < self.max_seconds <= 60:
            raise ConfigError(
                f"pad_ends: max_seconds must be above 0 and at most 60, got {self.max_seconds:g}"
            )

    @property
    def keeps_length(self) -> bool:
        """Recordings become longer."""
        return False

    def _apply(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        before, after = (rng.uniform(0, self.max_seconds, 2) * sample_rate).astype(int)
        floor = floor_course(samples, sample_rate) if rng.random() < self.floor else np.zeros(1)
        return np.concatenate([np.resize(floor, before), samples, np.resize(floor, after)])


def floor_course(samples: Samples, sample_rate: int) -> Samples:
    """The quietest stretch of 50 ms, forwards and backwards ``[samples of both]``, to repeat."""
    size = min(max(1, round(_FLOOR_SECONDS * sample_rate)), len(samples))
    stretches = samples[: len(samples) // size * size].reshape(-1, size)
    quietest = stretches[np.mean(stretches**2, axis=1).argmin()]
    return np.concatenate([quietest, quietest[::-1]])
