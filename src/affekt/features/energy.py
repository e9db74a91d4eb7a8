"""Level and zero crossings, as librosa has them."""

from __future__ import annotations

import numpy as np

from affekt.features.frames import BLOCK, Floats, frame, pad
from affekt.features.settings import DEFAULT, Settings

FLOOR_DB = -100.0
"""The level given to digital silence, whose logarithm does not exist."""


def rms(samples: Floats, settings: Settings = DEFAULT) -> Floats:
    """Return the root mean square of each frame, as ``librosa.feature.rms``: [1, frames]."""
    frames = frame(pad(samples, settings.n_fft), settings.n_fft, settings.hop_length)
    step = max(1, BLOCK // settings.n_fft)
    sums = [
        np.einsum("ij,ij->i", block, block)
        for block in (frames[start : start + step] for start in range(0, len(frames), step))
    ]
    means: Floats = np.concatenate(sums)[None] / np.float32(settings.n_fft)
    return np.sqrt(means)


def rms_db(samples: Floats, settings: Settings = DEFAULT) -> Floats:
    """Return the level of each frame in dB relative to full scale (1.0): [1, frames].

    A full-scale sine has -3.01; digital silence has `FLOOR_DB`.
    """
    return amplitude_to_db(rms(samples, settings))


def amplitude_to_db(amplitude: Floats) -> Floats:
    """Return an amplitude in dB relative to 1, no lower than `FLOOR_DB`."""
    floor = np.float32(10 ** (FLOOR_DB / 20))
    decibels: Floats = np.float32(20) * np.log10(np.maximum(amplitude, floor))
    return decibels


def zero_crossing_rate(samples: Floats, settings: Settings = DEFAULT) -> Floats:
    """Return the fraction of samples where the sign changes, in each frame.

    As ``librosa.feature.zero_crossing_rate``: magnitudes up to 1e-10 count as 0, 0 counts as
    positive, and the clip goes on with its first and last value.

    Returns
    -------
    np.ndarray [shape=(1, frames)]
        From 0 to 1.
    """
    padded = pad(samples, settings.n_fft, mode="edge")
    negative = padded < np.float32(-1e-10)
    crossings = np.zeros(len(padded), dtype=np.int64)  # up to and with each sample
    np.cumsum(negative[1:] != negative[:-1], out=crossings[1:])
    starts = np.arange(settings.frames(len(samples))) * settings.hop_length
    counts = crossings[starts + settings.n_fft - 1] - crossings[starts]
    return (counts / settings.n_fft).astype(np.float32)[None]
