"""Another tempo and another throat: the spectrum stretched in time and in frequency."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from affekt.audio.mel import hz_to_mel, mel_edges
from affekt.errors import ConfigError

_LARGEST = 1.0  # at most twice as fast, or as high


@dataclass(frozen=True)
class Warp:
    """Play each recording at a tempo and with a voice of its own, apart from each other.

    Playing a recording faster moves tempo and voice together. Here both are drawn, evenly on a
    logarithmic scale, for every clip anew: pitch and formants by scaling frequencies, as vocal
    tract length perturbation does (Jaitly and Hinton, 2013), and tempo by scaling time.

    Parameters
    ----------
    probability : float
        Share of the clips that are warped.
    tempo : float
        Largest change of tempo; 0.15 is from 1/1.15 to 1.15 times.
    frequency : float
        Largest change of pitch and formants.
    """

    probability: float = 0.0
    tempo: float = 0.15
    frequency: float = 0.12

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ConfigError(f"warp: probability must be in 0..1, got {self.probability:g}")
        for name in ("tempo", "frequency"):
            if not 0 <= getattr(self, name) <= _LARGEST:
                raise ConfigError(
                    f"warp: {name} must be in 0..{_LARGEST:g}, got {getattr(self, name):g}"
                )

    def draw(self, rng: np.random.Generator) -> tuple[float, float]:
        """How much faster and higher a clip becomes; 1 and 1 for one that stays."""
        if not self.probability or rng.random() >= self.probability:
            return 1.0, 1.0
        tempo, frequency = rng.uniform(-1.0, 1.0, 2)
        return float((1 + self.tempo) ** tempo), float((1 + self.frequency) ** frequency)


def stretched(frames: np.ndarray, tempo: float) -> np.ndarray:
    """Frames ``[rows, frames]`` so many times faster, interpolated between neighbours, float32."""
    count = max(1, round(frames.shape[1] / tempo))
    return np.asarray(_between(frames.T, np.arange(count) * tempo).T)


def shifted(log_mel: np.ndarray, frequency: float, f_min: float, f_max: float) -> np.ndarray:
    """Log-mel ``[n_mels, frames]`` with all frequencies so many times higher, float32.

    What would have to come from beyond the bands is as the outermost of them is.
    """
    edges = mel_edges(len(log_mel), f_min, f_max)
    mels = hz_to_mel(edges)
    taken = hz_to_mel(edges[1:-1] / frequency)
    return _between(log_mel, (taken - mels[1]) / (mels[1] - mels[0]))


def _between(rows: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Rows at fractional places, those beyond either end as the last one there."""
    last = len(rows) - 1
    places = np.clip(places, 0, last)
    lower = np.minimum(places.astype(int), max(0, last - 1))
    share = (places - lower).astype(np.float32)[:, None]
    rows = rows.astype(np.float32)
    return np.asarray((1 - share) * rows[lower] + share * rows[np.minimum(lower + 1, last)])
