"""Background noise that comes and goes, added where it costs least: to the mel power."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from affekt.augment.noise_floor import noise_level
from affekt.augment.waveform import check_probability, check_range
from affekt.errors import ConfigError

_SPECTRAL_KNOTS = 6
_MOVED_BANDS = 0.5  # share of the movement that each part of the spectrum makes by itself
_NEPER = np.log(10) / 10  # of power, in a dB


@dataclass(frozen=True)
class MovingNoise:
    """Add noise whose level and colour move: traffic, kitchens, machines, crowds.

    The spectrum is a smooth curve through random points. Over time it swells and fades along
    another, for all bands together and for each part of the spectrum, fast in one recording and
    slowly in the next.

    Parameters
    ----------
    probability : float
        Share of the recordings that get noise.
    min_snr_db, max_snr_db : float
        Range of the ratio between the mean power of the recording and that of the noise.
    colour_db : float
        Standard deviation of the spectrum's points, in dB.
    swing_db : float
        Standard deviation of the level over time, in dB, in the recording where it moves most.
    min_frames, max_frames : float
        Range of the time between two points of that movement, in frames.
    """

    probability: float = 0.0
    min_snr_db: float = 0.0
    max_snr_db: float = 30.0
    colour_db: float = 8.0
    swing_db: float = 10.0
    min_frames: float = 4.0
    max_frames: float = 80.0

    def __post_init__(self) -> None:
        check_probability("moving_noise", self.probability)
        check_range("moving_noise", "snr_db", self.min_snr_db, self.max_snr_db, -60, 120)
        if self.colour_db < 0 or self.swing_db < 0:
            raise ConfigError(
                f"moving_noise: need deviations of 0 dB or more, got {self.colour_db:g} "
                f"and {self.swing_db:g}"
            )
        if not 1 <= self.min_frames <= self.max_frames:
            raise ConfigError(
                f"moving_noise: need 1 <= min_frames <= max_frames, got {self.min_frames:g} "
                f"and {self.max_frames:g}"
            )

    def __call__(self, power: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Apply to mel power ``[batch, n_mels, frames]``; same shape out."""
        power = np.array(power)
        if not self.probability:  # nor is anything drawn: what comes after stays what it was
            return power
        for row in np.flatnonzero(rng.random(len(power)) < self.probability):
            noise = self._noise(power.shape[1], power.shape[2], rng)
            level = noise_level(power[row], rng.uniform(self.min_snr_db, self.max_snr_db))
            power[row] += noise * (level / noise.mean())
        return power

    def _noise(self, n_mels: int, frames: int, rng: np.random.Generator) -> np.ndarray:
        """Power of any level ``[n_mels, frames]``."""
        envelope = self.envelope(n_mels, frames, rng)
        return np.asarray(rng.standard_exponential((n_mels, frames), dtype=np.float32) * envelope)

    def envelope(self, n_mels: int, frames: int, rng: np.random.Generator) -> np.ndarray:
        """Mean power of the noise in each band and frame ``[n_mels, frames]``, of any level."""
        colour_db = _curves(rng.normal(0.0, self.colour_db, (1, _SPECTRAL_KNOTS)), n_mels)[0]
        spacing = np.exp(rng.uniform(np.log(self.min_frames), np.log(self.max_frames)))
        knots = max(2, round(frames / spacing) + 1)
        swing_db = rng.uniform(0.0, self.swing_db)
        level_db = _curves(rng.normal(0.0, swing_db, (1, knots)), frames)
        parts_db = _curves(rng.normal(0.0, swing_db, (_SPECTRAL_KNOTS, knots)), frames)
        bands_db = _MOVED_BANDS * _curves(parts_db.T, n_mels).T  # [n_mels, frames]
        power_db = colour_db[:, None] + level_db + bands_db
        return np.asarray(np.exp(_NEPER * power_db).astype(np.float32))


def _curves(points: np.ndarray, count: int) -> np.ndarray:
    """Straight lines through evenly spaced points ``[rows, points]``: ``[rows, count]``."""
    place = np.linspace(0, points.shape[1] - 1, count)
    left = np.minimum(place.astype(int), points.shape[1] - 2)
    share = place - left
    return np.asarray(points[:, left] * (1 - share) + points[:, left + 1] * share)
