"""How much noise is in a recording, and how far up its sound reaches: two simple measures.

Both look at the power of short frames in bands, spread evenly over the recording, so that an hour
costs no more than two minutes. Neither detects speech; see `docs/input-quality.md` for what
they miss.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FRAME = 0.032
"""Length of a frame, in seconds."""
MOST_FRAMES = 4000
"""More frames than this are passed over evenly."""

NOISE_PERCENTILE = 10.0
"""The share of frames, in each band, that are taken to hold noise alone."""
LOWEST = 60.0
"""Rumble and hum below are passed over: hardly any speech is there. In Hz."""
BAND = 125.0
"""Width of the bands in which the reach is sought, in Hz; the noise, in two of them at a time."""
SNR_RANGE_DB = (-10.0, 60.0)
"""Ratios beyond cannot be estimated from a few seconds."""
FEWEST_FRAMES = 12
"""Fewer frames hold no pause to find noise in."""

REACH_PERCENTILE = 95.0
"""What counts as the loud moments of a band."""
REACH_DB = 50.0
"""How far below the loudest band a band may be and still count as sound."""

_DIGITAL_SILENCE = 1e-11  # mean power per sample: below the noise of 16 bits
_QUANTILE_Z = -1.2815515655446004  # of the normal distribution, at NOISE_PERCENTILE


def band_power(
    samples: NDArray[np.float32], rate: int, most: int = MOST_FRAMES
) -> NDArray[np.float32]:
    """Return the power in bands of frames that hold any sound.

    Parameters
    ----------
    samples : np.ndarray [shape=(samples,) or (samples, channels)]
        Channels are mixed.
    rate : int
        Hz.
    most : int
        Frames that are looked at, spread evenly.

    Returns
    -------
    np.ndarray [shape=(frames, bands)]
        Of frames of `FRAME` seconds that lie end to end, under a Hann window, in bands of `BAND`
        from `LOWEST` up. Frames of digital silence (gated codecs, padding) are left out.
    """
    size, lowest, width = _layout(rate)
    count, channels = len(samples) // size, samples.size // max(1, len(samples))
    frames = samples[: count * size].reshape(count, size, channels)
    if count > most:
        frames = frames[np.linspace(0, count - 1, most).astype(int)]
    mono = frames[:, :, 0] if channels == 1 else frames.mean(axis=2)
    loud = np.einsum("ij,ij->i", mono, mono) > _DIGITAL_SILENCE * size
    spectra = np.fft.rfft((mono if loud.all() else mono[loud]) * _taper(size))
    parts = spectra.astype(np.complex64, copy=False).view(np.float32)  # real, imaginary, real ...
    bands = (size // 2 + 1 - lowest) // width
    chosen = np.square(parts[:, 2 * lowest : 2 * (lowest + bands * width)])
    power = chosen.reshape(-1, 2 * width) @ np.full(2 * width, 1 / width, dtype=np.float32)
    return np.asarray(power.reshape(len(parts), bands))


def signal_to_noise(power: NDArray[np.float32], rate: int) -> float | None:
    """Estimate the ratio of the sound to the steady noise under it.

    In each pair of bands, the quietest tenth of the frames is taken for noise (speech
    leaves every band now and then, even where it never pauses); its level is corrected for being
    the quietest of what fluctuates. The ratio is that of the mean powers, summed over bands.

    Parameters
    ----------
    power : np.ndarray [shape=(frames, bands)]
        From `band_power`.
    rate : int
        Hz.

    Returns
    -------
    float or None
        In dB, within `SNR_RANGE_DB`; None for fewer than `FEWEST_FRAMES` frames.
    """
    if len(power) < FEWEST_FRAMES:
        return None
    pairs = power.shape[1] // 2
    wide = power[:, : 2 * pairs].reshape(len(power), pairs, 2).mean(axis=2, dtype=np.float32)
    noise = _percentile(wide, NOISE_PERCENTILE) / _quantile_of_noise(2 * _layout(rate)[2])
    total = wide.mean(axis=0)
    noise_power = float(np.minimum(noise, total).sum())
    signal_power = float(total.sum()) - noise_power
    if noise_power <= 0:
        return SNR_RANGE_DB[1]
    ratio = 10 * math.log10(max(signal_power / noise_power, 1e-9))
    return min(max(ratio, SNR_RANGE_DB[0]), SNR_RANGE_DB[1])


def reach(power: NDArray[np.float32], rate: int) -> float | None:
    """Return the highest frequency that the sound reaches.

    That is the upper edge of the highest band whose loud moments (`REACH_PERCENTILE` over time)
    are within `REACH_DB` of the loudest band's.

    Parameters
    ----------
    power : np.ndarray [shape=(frames, bands)]
        From `band_power`.
    rate : int
        Hz.

    Returns
    -------
    float or None
        In Hz, at most half the rate; None where there is no frame with sound.
    """
    if len(power) == 0:
        return None
    loud = _percentile(power, REACH_PERCENTILE)
    present = np.flatnonzero(loud > loud.max() * 10 ** (-REACH_DB / 10))
    if len(present) == 0:
        return None
    if present[-1] + 1 == power.shape[1]:  # what is left above is less than a band
        return rate / 2
    size, lowest, width = _layout(rate)
    return float(min((lowest - 1 + (present[-1] + 1) * width) * rate / size, rate / 2))


def frame_size(rate: int) -> int:
    """Return the samples of a frame."""
    return _layout(rate)[0]


def _layout(rate: int) -> tuple[int, int, int]:
    """Return the samples of a frame, its first bin above `LOWEST`, and the bins of a band."""
    size = max(16, int(FRAME * rate))
    return size, int(LOWEST / rate * size) + 1, max(1, round(BAND / rate * size))


@lru_cache(maxsize=8)
def _taper(size: int) -> NDArray[np.float32]:
    return np.hanning(size).astype(np.float32)


def _percentile(power: NDArray[np.float32], percent: float) -> NDArray[np.float32]:
    """Return the percentile over time of each band [bands]: `np.percentile`, in half the time."""
    place = percent / 100 * (len(power) - 1)
    below, above = math.floor(place), math.ceil(place)
    ranked = np.partition(power.T, (below, above), axis=1)  # [bands, frames]
    return np.asarray(ranked[:, below] + (place - below) * (ranked[:, above] - ranked[:, below]))


def _quantile_of_noise(bins: int) -> float:
    """Return the `NOISE_PERCENTILE` of the mean power of Gaussian noise in a band, over its mean.

    Powers of bins are exponentially distributed and neighbours under a Hann window share half of
    what they know, so that a band's mean is nearly a gamma variable (Wilson and Hilferty, 1931).
    """
    shape = max(1.0, bins / 1.9)
    return float((1 - 1 / (9 * shape) + _QUANTILE_Z / (3 * math.sqrt(shape))) ** 3)
