"""Slower or faster speech at the same pitch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from affekt.augment.waveform import Samples, WaveformTransform, check_range


def time_stretch(samples: Samples, rate: float, sample_rate: int) -> Samples:
    """Play a recording ``rate`` times as fast without moving its pitch.

    Returns
    -------
    np.ndarray [shape=(round(samples / rate),), float32]
        At least one sample.
    """
    return stretch_to(samples, max(1, round(len(samples) / rate)), sample_rate)


@dataclass(frozen=True)
class TimeStretch(WaveformTransform):
    """Change the tempo by a drawn rate; ``round(samples / rate)`` samples come out.

    Parameters
    ----------
    min_rate, max_rate : float
        Range of the rate; above 1 is faster. A voice sounds natural within 0.8 to 1.2.
    """

    name: ClassVar[str] = "time_stretch"
    min_rate: float = 0.8
    max_rate: float = 1.2

    def __post_init__(self) -> None:
        check_range(self.name, "rate", self.min_rate, self.max_rate, 0.5, 2.0)

    @property
    def keeps_length(self) -> bool:
        """The duration is what changes."""
        return False

    def _apply(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        return time_stretch(samples, rng.uniform(self.min_rate, self.max_rate), sample_rate)


# --- overlap and add ---


WINDOW_MS = 24
"""Hann windows, half overlapping. At least one period of the lowest voice."""

TOLERANCE_MS = 7.5
"""How far a window may move either way: 15 ms in all hold a period of any pitch above 67 Hz."""

_STAY = 0.02  # similarity given up for moving by the whole tolerance; decides ties


def stretch_to(samples: Samples, length: int, sample_rate: int) -> Samples:
    """Stretch or compress a recording to a length, keeping its pitch.

    Parameters
    ----------
    samples : np.ndarray [shape=(samples,)]
        A recording shorter than a window is laid down with the zeros around it.
    length : int
        Samples wanted; the unchanged length gives the unchanged recording.
    sample_rate : int
        Hz.

    Returns
    -------
    np.ndarray [shape=(length,), float32]
    """
    if length == len(samples):
        return np.array(samples)
    half = max(2, round(WINDOW_MS * sample_rate / 2000))
    tolerance = max(1, round(TOLERANCE_MS * sample_rate / 1000))
    ratio = len(samples) / length
    frames = -(-length // half) + 1
    # From here on, position p of the padded recording is sample p - half - tolerance.
    beyond = 2 * half + 2 * tolerance + round(half * ratio) + 2
    padded = np.pad(samples, (half + tolerance, beyond + half))
    positions = _positions(padded, frames, half, tolerance, ratio)
    pieces = padded[positions[:, None] + np.arange(2 * half)]  # [frames, 2 * half]
    window = 0.5 - 0.5 * np.cos(np.pi * np.arange(2 * half, dtype=np.float32) / half)
    tapered = pieces * window
    # Every half window is the end of one piece and the beginning of the next.
    joined = tapered[:-1, half:] + tapered[1:, :half]  # [frames - 1, half]
    return np.asarray(joined.reshape(-1)[:length], dtype=np.float32)


def _positions(padded: Samples, frames: int, half: int, tolerance: int, ratio: float) -> np.ndarray:
    """Where each window is taken from ``[frames]``: near its due place, in step with the last."""
    window = 2 * half
    energy = np.cumsum(np.square(padded, dtype=np.float64))
    energy = energy[window - 1 :] - np.concatenate([[0.0], energy[:-window]])
    # Silence is like anything: what is far below the recording's mean has no say.
    floor = 1e-6 * energy.mean() + 1e-20
    loudness = np.sqrt(np.maximum(energy, 0) + floor).astype(np.float32)
    away = np.arange(-tolerance, tolerance + 1, dtype=np.float32) / tolerance
    effort = np.float32(_STAY) * away * away
    positions = np.full(frames, tolerance)
    for frame in range(1, frames):
        start = round(frame * half * ratio)
        # A window is compared with what followed the last one in the recording.
        last = positions[frame - 1] + half
        found = np.correlate(
            padded[start : start + window + 2 * tolerance], padded[last : last + window]
        )
        similarity = found / (loudness[start : start + 2 * tolerance + 1] * loudness[last])
        positions[frame] = start + int(np.argmax(similarity - effort))
    return positions
