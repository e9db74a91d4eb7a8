"""Stationary background noise, added where it costs least: to the mel power."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from affekt.augment.waveform import check_probability, check_range
from affekt.errors import ConfigError


@dataclass(frozen=True)
class NoiseFloor:
    """Add coloured noise to some of the recordings.

    The power of Gaussian noise in one band of one frame is exponentially distributed, so noise
    can be drawn as mel power without making a waveform.

    Parameters
    ----------
    probability : float
        Share of the recordings that get noise.
    min_snr_db, max_snr_db : float
        Range of the ratio between the mean power of the recording and that of the noise.
    slope_db : float
        The noise falls by up to this much from the lowest band to the highest, or rises by up
        to a third of it.
    """

    probability: float = 0.6
    min_snr_db: float = 0.0
    max_snr_db: float = 40.0
    slope_db: float = 18.0

    def __post_init__(self) -> None:
        check_probability("noise_floor", self.probability)
        check_range("noise_floor", "snr_db", self.min_snr_db, self.max_snr_db, -60, 120)
        if self.slope_db < 0:
            raise ConfigError(f"noise_floor: slope_db cannot be negative, got {self.slope_db:g}")

    def __call__(self, power: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Apply to mel power ``[batch, n_mels, frames]``; same shape out."""
        batch, n_mels, _ = power.shape
        snr_db = rng.uniform(self.min_snr_db, self.max_snr_db, (batch, 1, 1))
        slope_db = rng.uniform(-self.slope_db, self.slope_db / 3, (batch, 1, 1))
        chosen = rng.random((batch, 1, 1)) < self.probability
        shape = 10 ** (slope_db * np.linspace(0.0, 1.0, n_mels)[None, :, None] / 10)
        shape = shape / shape.mean(axis=1, keepdims=True)
        level = power.mean(axis=(1, 2), keepdims=True) * 10 ** (-snr_db / 10) * chosen
        noise = rng.standard_exponential(power.shape, dtype=np.float32)
        return np.asarray(power + noise * (level * shape).astype(power.dtype))


def noise_level(power: np.ndarray, snr_db: float) -> float:
    """Mean power of noise at this ratio to mel power of any shape."""
    return float(power.mean()) * float(10 ** (-snr_db / 10))
