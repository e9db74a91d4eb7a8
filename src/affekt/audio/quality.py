"""How much noise is in a recording, and how far up its sound reaches: two simple measures.

Both look at the power spectrum of short frames, spread evenly over the recording, so that an hour
costs no more than a minute. Neither knows what speech is; see `docs/input-quality.md` for what
they miss.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FRAME = 0.032
"""Length of a frame, in seconds."""
MOST_FRAMES = 4000
"""More frames than this are passed over evenly."""

NOISE_PERCENTILE = 10.0
"""The share of frames, in each band, that are taken to hold noise alone."""
SNR_FROM = 60.0
"""Rumble and hum below are passed over: hardly any speech is there."""
SNR_BAND = 250.0
"""Width of the bands in which the noise is sought, in Hz."""
SNR_RANGE_DB = (-10.0, 60.0)
"""Ratios beyond cannot be told from a few seconds."""
FEWEST_FRAMES = 12
"""Fewer frames hold no pause to find noise in."""

REACH_DB = 50.0
"""How far below the loudest band a band may be and still count as sound."""
REACH_BAND = 125.0
"""Width of the bands of the reach, in Hz."""

_DIGITAL_SILENCE = 1e-11  # mean power per sample: below the noise of 16 bits
_QUANTILE_Z = -1.2815515655446004  # of the normal distribution, at NOISE_PERCENTILE


def power_frames(
    samples: NDArray[np.float32], rate: int, most: int = MOST_FRAMES
) -> NDArray[np.float32]:
    """Return the power spectra of frames that hold any sound.

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
    np.ndarray [shape=(frames, bins)]
        Half-overlapping frames of `FRAME` seconds under a Hann window;
        frames of digital silence (gated codecs, padding) are left out.
    """
    size = max(16, int(FRAME * rate))
    count = 1 + (len(samples) - size) // (size // 2)
    if count < 1:
        return np.zeros((0, size // 2 + 1), np.float32)
    chosen = np.linspace(0, count - 1, min(count, most)).astype(int) * (size // 2)
    frames = samples[chosen[:, None] + np.arange(size)]  # [frames, size] or with channels
    if frames.ndim == 3:
        frames = frames.mean(axis=2)
    loud = np.einsum("ij,ij->i", frames, frames) > _DIGITAL_SILENCE * size
    spectra = np.fft.rfft(frames[loud] * np.hanning(size).astype(np.float32))
    return np.asarray(spectra.real**2 + spectra.imag**2, dtype=np.float32)


def signal_to_noise(power: NDArray[np.float32], rate: int) -> float | None:
    """Estimate the ratio of the sound to the steady noise under it.

    In each band of `SNR_BAND` Hz, the quietest tenth of the frames is taken for noise (speech
    leaves every band now and then, even where it never pauses); its level is corrected for being
    the quietest of what fluctuates. The ratio is that of the mean powers, summed over bands.

    Parameters
    ----------
    power : np.ndarray [shape=(frames, bins)]
        From `power_frames`.
    rate : int
        Hz.

    Returns
    -------
    float or None
        In dB, within `SNR_RANGE_DB`; None for fewer than `FEWEST_FRAMES` frames.
    """
    if len(power) < FEWEST_FRAMES:
        return None
    lowest = int(SNR_FROM / rate * 2 * (power.shape[1] - 1))
    banded, width = _banded(power[:, lowest:], rate / 2 - SNR_FROM, SNR_BAND)
    noise = np.percentile(banded, NOISE_PERCENTILE, axis=0) / _quantile_of_noise(width)
    total = banded.mean(axis=0)
    noise_power = float(np.minimum(noise, total).sum())
    signal_power = float(total.sum()) - noise_power
    if noise_power <= 0:
        return SNR_RANGE_DB[1]
    ratio = 10 * math.log10(max(signal_power / noise_power, 1e-9))
    return min(max(ratio, SNR_RANGE_DB[0]), SNR_RANGE_DB[1])


def reach(power: NDArray[np.float32], rate: int) -> float | None:
    """Return the highest frequency that the sound reaches.

    That is the upper edge of the highest band of `REACH_BAND` Hz whose loud moments (95th
    percentile over time) are within `REACH_DB` of the loudest band's.

    Parameters
    ----------
    power : np.ndarray [shape=(frames, bins)]
        From `power_frames`.
    rate : int
        Hz.

    Returns
    -------
    float or None
        In Hz, at most half the rate; None where there is no frame with sound.
    """
    if len(power) == 0:
        return None
    banded, width = _banded(power, rate / 2, REACH_BAND)
    loud = np.percentile(banded, 95, axis=0)
    heard = np.flatnonzero(loud > loud.max() * 10 ** (-REACH_DB / 10))
    if len(heard) == 0:
        return None
    hz_per_bin = rate / 2 / (power.shape[1] - 1)
    return float(min((heard[-1] + 1) * width * hz_per_bin, rate / 2))


def _banded(power: NDArray[np.float32], span: float, hz: float) -> tuple[NDArray[np.float32], int]:
    """Return the mean power of bands, [frames, bands], and how many bins make one."""
    bins = power.shape[1] - 1  # the one at 0 Hz holds an offset, not sound
    width = min(max(1, round(hz / span * bins)), bins)
    bands = bins // width
    shaped = power[:, 1 : 1 + bands * width].reshape(len(power), bands, width)
    return shaped.mean(axis=2), width


def _quantile_of_noise(bins: int) -> float:
    """Return the `NOISE_PERCENTILE` of the mean power of Gaussian noise in a band, over its mean.

    Powers of bins are exponentially distributed and neighbours under a Hann window share half of
    what they know, so that a band's mean is nearly a gamma variable (Wilson and Hilferty, 1931).
    """
    shape = max(1.0, bins / 1.9)
    return float((1 - 1 / (9 * shape) + _QUANTILE_Z / (3 * math.sqrt(shape))) ** 3)
