"""Random slope of the spectrum: another microphone, another room."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from affekt.errors import ConfigError

_DB_TO_NEPER = np.log(10) / 10  # of power


@dataclass(frozen=True)
class ChannelTilt:
    """Tilt and shift the level of each recording's spectrum.

    Parameters
    ----------
    tilt_db : float
        Standard deviation of the gain at the highest band, in dB; the lowest band gets the opposite
        gain, those between a linear one over the mel scale.
    level_db : float
        Standard deviation of a gain common to all bands, in dB.
    """

    tilt_db: float = 4.0
    level_db: float = 2.0

    def __post_init__(self) -> None:
        if self.tilt_db < 0 or self.level_db < 0:
            raise ConfigError(
                f"channel_tilt: need deviations of 0 dB or more, got {self.tilt_db:g} "
                f"and {self.level_db:g}"
            )

    def __call__(self, power: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Apply to mel power ``[batch, n_mels, frames]``; same shape out."""
        batch, n_mels, _ = power.shape
        slope = np.linspace(-1.0, 1.0, n_mels)[None, :, None]
        gain_db = rng.normal(0.0, self.tilt_db, (batch, 1, 1)) * slope
        gain_db = gain_db + rng.normal(0.0, self.level_db, (batch, 1, 1))
        return np.asarray(power * np.exp(gain_db * _DB_TO_NEPER).astype(power.dtype))
