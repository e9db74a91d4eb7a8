"""Other people talking in the background: recordings of the same batch, laid over each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from affekt.augment.noise_floor import noise_level
from affekt.augment.waveform import check_probability, check_range
from affekt.errors import ConfigError


@dataclass(frozen=True)
class Babble:
    """Add a few other recordings of the batch, each turned round to another beginning.

    Several at once: a single voice would bring an emotion of its own. In mel power, voices that
    are not in step with each other add up as they do in the air, but for their interference.

    Parameters
    ----------
    probability : float
        Share of the recordings that get a background.
    min_snr_db, max_snr_db : float
        Range of the ratio between the mean power of the recording and that of the background.
    min_voices, max_voices : int
        Number of other clips that are added.
    """

    probability: float = 0.0
    min_snr_db: float = 5.0
    max_snr_db: float = 30.0
    min_voices: int = 3
    max_voices: int = 7

    def __post_init__(self) -> None:
        check_probability("babble", self.probability)
        check_range("babble", "snr_db", self.min_snr_db, self.max_snr_db, -60, 120)
        if not 1 <= self.min_voices <= self.max_voices:
            raise ConfigError(
                f"babble: need 1 <= min_voices <= max_voices, got {self.min_voices} "
                f"and {self.max_voices}"
            )

    def __call__(self, power: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Apply to mel power ``[batch, n_mels, frames]``; same shape out."""
        noisy = np.array(power)
        if len(power) < 2 or not self.probability:  # nor is anything drawn
            return noisy
        for row in np.flatnonzero(rng.random(len(power)) < self.probability):
            others = np.delete(np.arange(len(power)), row)
            count = min(int(rng.integers(self.min_voices, self.max_voices + 1)), len(others))
            babble = np.zeros_like(power[row])
            for other in rng.choice(others, count, replace=False):
                mean = power[other].mean()
                if mean > 0:  # everyone is equally loud
                    shift = int(rng.integers(power.shape[2]))
                    babble += np.roll(power[other], shift, axis=1) / mean
            if babble.any():
                level = noise_level(power[row], rng.uniform(self.min_snr_db, self.max_snr_db))
                noisy[row] += babble * (level / babble.mean())
        return noisy
