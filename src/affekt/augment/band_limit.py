"""Loss of the highest and lowest bands: telephones, cheap microphones, old codecs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from affekt.augment.waveform import check_probability
from affekt.errors import ConfigError


@dataclass(frozen=True)
class BandLimit:
    """Silence the outer mel bands of some of the recordings.

    Parameters
    ----------
    probability : float
        Share of the recordings that are limited.
    max_high : float
        Largest share of the bands lost at the top. Of 64 bands up to 8 kHz, 0.28 leaves a
        telephone's 3.4 kHz and 0.35 leaves 2.7 kHz.
    max_low : float
        Largest share of the bands lost at the bottom; 0.12 cuts below 400 Hz.
    min_high, min_low : float
        Smallest of these shares.
    attenuation_db : float
        Attenuation of these bands.
    """

    probability: float = 0.3
    max_high: float = 0.35
    max_low: float = 0.12
    attenuation_db: float = 60.0
    min_high: float = 0.0
    min_low: float = 0.0

    def __post_init__(self) -> None:
        check_probability("band_limit", self.probability)
        if min(self.max_high, self.max_low) < 0 or self.max_high + self.max_low >= 1:
            raise ConfigError(
                f"band_limit: shares {self.max_high:g} and {self.max_low:g} leave no band"
            )
        for end in ("high", "low"):
            least, most = getattr(self, f"min_{end}"), getattr(self, f"max_{end}")
            if not 0 <= least <= most:
                raise ConfigError(
                    f"band_limit: min_{end} {least:g} is not in 0..max_{end} {most:g}"
                )
        if self.attenuation_db < 0:
            raise ConfigError(f"band_limit: attenuation_db {self.attenuation_db:g} would amplify")

    def __call__(self, power: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Apply to mel power ``[batch, n_mels, frames]``; same shape out."""
        batch, n_mels, _ = power.shape
        chosen = rng.random((batch, 1)) < self.probability
        lost_high = rng.uniform(self.min_high, self.max_high, (batch, 1)) * n_mels
        lost_low = rng.uniform(self.min_low, self.max_low, (batch, 1)) * n_mels
        band = np.arange(n_mels)[None]
        lost = chosen & ((band >= n_mels - lost_high) | (band < lost_low))
        gain = np.where(lost, 10 ** (-self.attenuation_db / 10), 1.0).astype(power.dtype)
        return np.asarray(power * gain[:, :, None])
