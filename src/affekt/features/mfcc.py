"""Mel-frequency cepstral coefficients and their differences, as librosa has them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from affekt.features.frames import Floats, power_blocks
from affekt.features.mel import mel_bank, power_to_db
from affekt.features.settings import DEFAULT, Settings

WIDTH = 9
"""Frames that a difference looks at."""


@lru_cache(maxsize=16)
def dct(n_mfcc: int, n_mels: int) -> Floats:
    """Return the orthonormal discrete cosine transform (type II): [n_mels, n_mfcc]."""
    angles = np.pi / n_mels * np.outer(np.arange(n_mels) + 0.5, np.arange(n_mfcc))
    basis = np.cos(angles) * np.sqrt(2 / n_mels)
    basis[:, 0] /= np.sqrt(2)
    matrix: Floats = basis.astype(np.float32)
    matrix.flags.writeable = False
    return matrix


def mfcc(samples: Floats, settings: Settings = DEFAULT) -> Floats:
    """Return the coefficients, as ``librosa.feature.mfcc``.

    Returns
    -------
    np.ndarray [shape=(n_mfcc, frames)]
        Row 0 follows the level of the clip.
    """
    bank = mel_bank(settings, (settings.bands,))
    blocks = power_blocks(samples, settings.n_fft, settings.hop_length)
    mel: Floats = np.concatenate([bank(power) for power in blocks])  # [frames, mels]
    coefficients: Floats = mfcc_of(mel, settings.n_mfcc).T
    return coefficients


def mfcc_of(mel: Floats, n_mfcc: int) -> Floats:
    """Return the coefficients of a mel power spectrogram [frames, mels]: [frames, n_mfcc]."""
    coefficients: Floats = power_to_db(mel) @ dct(n_mfcc, mel.shape[1])
    return coefficients


def delta(values: Floats, order: int = 1, width: int = WIDTH) -> Floats:
    """Return the differences of features over time, as ``librosa.feature.delta``.

    A line (order 1) or a parabola (order 2) is fitted to the frames around each frame; its slope,
    or its second derivative, is the answer (Savitzky and Golay, 1964). At both ends, the nearest
    whole window answers. Where a clip has fewer frames than the window, the window shrinks, which
    librosa refuses; with fewer than three frames there is no difference, and the answer is 0.

    Parameters
    ----------
    values : np.ndarray [shape=(..., frames)]
    order : int
        1 or 2.
    width : int
        Frames that are looked at; odd, at least 3.

    Returns
    -------
    np.ndarray [shape=(..., frames)]
        Per frame (order 1) or per frame squared (order 2).
    """
    return np.moveaxis(delta_of(np.moveaxis(values, -1, 0), order, width), 0, -1)


def delta_of(values: Floats, order: int = 1, width: int = WIDTH) -> Floats:
    """Return `delta` of values that have time first: [frames, ...]."""
    count = len(values)
    width = min(width, count - 1 + count % 2)
    result = np.zeros(values.shape, dtype=np.float32)
    if width < 3:
        return result
    half = width // 2
    inner = result[half : count - half]
    for offset, weight in enumerate(_weights(order, width)):
        if weight:
            inner += weight * values[offset : offset + count - 2 * half]
    # A polynomial of the same degree as the derivative has one derivative all along its window.
    result[:half], result[count - half :] = inner[0], inner[-1]
    return result


@lru_cache(maxsize=16)
def _weights(order: int, width: int) -> tuple[np.float32, ...]:
    """Return the weights whose sum with a window is the derivative of its fit."""
    steps = np.arange(width) - width // 2
    powers = np.vander(steps, order + 1, increasing=True)  # [width, order + 1]
    row = np.linalg.pinv(powers)[order] * (1, 1, 2)[order]
    row[np.abs(row) < 1e-12] = 0
    return tuple(row.astype(np.float32))
