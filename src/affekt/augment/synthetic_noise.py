"""Background noise that needs no recordings: its level and colour are drawn, and move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from affekt.augment.background_noise import mix
from affekt.augment.moving_noise import MovingNoise
from affekt.augment.waveform import Samples, WaveformTransform, check_range

_WINDOW_SECONDS = 0.032
_BANDS = 40  # on the mel scale, from 0 Hz to half the rate


@dataclass(frozen=True)
class SyntheticNoise(WaveformTransform):
    """Add noise made of random numbers at a drawn signal-to-noise ratio; the length stays.

    Its spectrum and its course over time are those of
    :class:`~affekt.augment.moving_noise.MovingNoise`, made audible.

    Parameters
    ----------
    min_snr_db, max_snr_db : float
        Range of the signal-to-noise ratio, of mean powers over the whole recording.
    """

    name: ClassVar[str] = "synthetic_noise"
    min_snr_db: float = 0.0
    max_snr_db: float = 30.0

    def __post_init__(self) -> None:
        check_range(self.name, "snr_db", self.min_snr_db, self.max_snr_db, -60, 120)

    def _apply(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        snr_db = rng.uniform(self.min_snr_db, self.max_snr_db)
        return mix(samples, _noise(len(samples), sample_rate, rng), snr_db)


def _noise(length: int, sample_rate: int, rng: np.random.Generator) -> Samples:
    """Noise of any level ``[length]``: random spectra of frames that overlap by half."""
    half = max(1, round(_WINDOW_SECONDS * sample_rate / 2))
    size, frames = 2 * half, length // half + 2
    bands = MovingNoise().envelope(_BANDS, frames, rng)  # power [bands, frames]
    hz = np.fft.rfftfreq(size, 1 / sample_rate)
    place = np.log1p(hz / 700) / np.log1p(hz[-1] / 700) * (_BANDS - 1)  # on the mel scale
    below = np.minimum(place.astype(int), _BANDS - 2)
    share = (place - below)[:, None]
    amplitude = np.sqrt(bands[below] * (1 - share) + bands[below + 1] * share)
    parts = rng.standard_normal((2, len(hz), frames), dtype=np.float32) * amplitude
    window = np.sin(np.pi * (np.arange(size) + 0.5) / size)  # powers of the halves add up to 1
    pieces = np.fft.irfft(parts[0] + 1j * parts[1], size, axis=0).T * window  # [frames, size]
    noise = pieces[1:, :half] + pieces[:-1, half:]
    return np.asarray(noise.reshape(-1)[:length], dtype=np.float32)
