"""SpecAugment: mask bands and frames (Park et al., 2019)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from affekt.errors import ConfigError


@dataclass(frozen=True)
class SpecAugment:
    """Set random bands and random stretches of frames to a fill value.

    Parameters
    ----------
    frequency_masks, time_masks : int
        Number of masks of each kind.
    max_bands : int
        Widest frequency mask.
    max_frames : int
        Longest time mask.
    """

    frequency_masks: int = 2
    time_masks: int = 2
    max_bands: int = 12
    max_frames: int = 25

    def __post_init__(self) -> None:
        if min(self.frequency_masks, self.time_masks, self.max_bands, self.max_frames) < 0:
            raise ConfigError("spec_augment: numbers and widths of masks cannot be negative")

    def __call__(
        self, log_mel: np.ndarray, rng: np.random.Generator, fill: float = 0.0
    ) -> np.ndarray:
        """Apply to log-mel ``[batch, n_mels, frames]``; same shape out.

        Parameters
        ----------
        fill : float
            Value of what is hidden: the mean of the features tells the model nothing.
        """
        batch, n_mels, frames = log_mel.shape
        hidden = np.zeros(log_mel.shape, dtype=bool)
        for _ in range(self.frequency_masks):
            hidden |= _spans(batch, n_mels, self.max_bands, rng)[:, :, None]
        for _ in range(self.time_masks):
            hidden |= _spans(batch, frames, self.max_frames, rng)[:, None, :]
        return np.where(hidden, np.float32(fill), log_mel)


def _spans(batch: int, size: int, widest: int, rng: np.random.Generator) -> np.ndarray:
    """One random span per row: a boolean mask ``[batch, size]``."""
    width = rng.integers(0, min(widest, size) + 1, (batch, 1))
    start = (rng.random((batch, 1)) * (size - width + 1)).astype(int)
    position = np.arange(size)[None]
    return (position >= start) & (position < start + width)
