"""Mel spectrograms and decibels, number for number as librosa has them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from affekt.audio.mel import mel_filterbank
from affekt.features.frames import Floats, power_blocks
from affekt.features.settings import DEFAULT, Settings

AMIN = 1e-10
"""Power below which nothing is told apart: -100 dB."""

TOP_DB = 80.0
"""Range kept below the loudest value of a clip, in dB."""


@lru_cache(maxsize=16)
def mel_filters(sample_rate: int, n_fft: int, n_mels: int, fmin: float, fmax: float) -> Floats:
    """Return triangular filters of equal area, the transpose of ``librosa.filters.mel``.

    Returns
    -------
    np.ndarray [shape=(n_fft // 2 + 1, n_mels)]
        Weights for a power spectrum; not to be written.
    """
    filters = np.ascontiguousarray(
        mel_filterbank(sample_rate, n_fft, n_mels, fmin, fmax or sample_rate / 2).T
    )
    filters.flags.writeable = False
    return filters


@lru_cache(maxsize=16)
def mel_bank(settings: Settings, sizes: tuple[int, ...]) -> Callable[[Floats], Floats]:
    """Return what brings power [frames, bins] to mel bands [frames, sum of the sizes].

    Parameters
    ----------
    settings : Settings
    sizes : tuple of int
        Numbers of mel bands; the banks stand side by side.
    """
    banks = [
        mel_filters(settings.sample_rate, settings.n_fft, n_mels, settings.fmin, settings.fmax)
        for n_mels in sizes
    ]
    dense = np.concatenate(banks, axis=1)
    try:
        from scipy.sparse import csr_array
    except ImportError:
        return lambda power: power @ dense
    # Every bin is in two filters of a bank at most: three times as fast as the whole product.
    sparse = csr_array(np.ascontiguousarray(dense.T))
    return lambda power: (sparse @ np.ascontiguousarray(power.T)).T


def power_to_db(power: Floats, top_db: float = TOP_DB) -> Floats:
    """Return power in dB relative to 1, no lower than ``top_db`` below its largest value.

    As ``librosa.power_to_db``: the floor hangs on the whole clip.
    """
    decibels: Floats = np.maximum(power, np.float32(AMIN))
    np.log10(decibels, out=decibels)
    decibels *= np.float32(10)
    np.maximum(decibels, decibels.max() - np.float32(top_db), out=decibels)
    return decibels


def melspectrogram(samples: Floats, settings: Settings = DEFAULT) -> Floats:
    """Return the power in each mel band, as ``librosa.feature.melspectrogram``.

    Returns
    -------
    np.ndarray [shape=(n_mels, frames)]
    """
    bank = mel_bank(settings, (settings.n_mels,))
    blocks = power_blocks(samples, settings.n_fft, settings.hop_length)
    mel: Floats = np.concatenate([bank(power) for power in blocks]).T
    return mel


def logmel(samples: Floats, settings: Settings = DEFAULT) -> Floats:
    """Return the level of each mel band in dB: [n_mels, frames]."""
    return power_to_db(melspectrogram(samples, settings))
