"""The mel scale as a filter bank, in Slaney's form (librosa's default).

Models and tables of features weigh their spectra with the same one.
"""

from __future__ import annotations

import numpy as np

_HZ_PER_MEL = 200.0 / 3
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0


def hz_to_mel(hz: np.ndarray) -> np.ndarray:
    """Frequency in Hz to mel: linear below 1 kHz, logarithmic above (Slaney, 1998)."""
    hz = np.asarray(hz, dtype=np.float64)
    above = _BREAK_MEL + np.log(np.maximum(hz, 1e-9) / _BREAK_HZ) / _LOG_STEP
    return np.where(hz >= _BREAK_HZ, above, hz / _HZ_PER_MEL)


def mel_to_hz(mel: np.ndarray) -> np.ndarray:
    """Mel to frequency in Hz, the inverse of :func:`hz_to_mel`."""
    mel = np.asarray(mel, dtype=np.float64)
    above = _BREAK_HZ * np.exp(_LOG_STEP * (mel - _BREAK_MEL))
    return np.where(mel >= _BREAK_MEL, above, mel * _HZ_PER_MEL)


def mel_edges(n_mels: int, f_min: float, f_max: float) -> np.ndarray:
    """Corners of ``n_mels`` overlapping triangles in Hz, evenly spaced in mel [n_mels + 2]."""
    limits = hz_to_mel(np.array([f_min, f_max]))
    return mel_to_hz(np.linspace(limits[0], limits[1], n_mels + 2))


def mel_filterbank(
    sample_rate: int, n_fft: int, n_mels: int, f_min: float, f_max: float
) -> np.ndarray:
    """Triangular filters of equal area, evenly spaced in mel.

    Parameters
    ----------
    sample_rate, n_fft : int
        Hz and samples of the spectrum that the filters are applied to.
    n_mels : int
        Number of filters.
    f_min, f_max : float
        Lower edge of the first and upper edge of the last filter, in Hz.

    Returns
    -------
    np.ndarray [shape=(n_mels, n_fft // 2 + 1), float32]
        Weights for a power spectrum.
    """
    bins = np.linspace(0.0, sample_rate / 2, n_fft // 2 + 1)
    edges = mel_edges(n_mels, f_min, f_max)
    lower, centre, upper = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising = (bins - lower) / (centre - lower)
    falling = (upper - bins) / (upper - centre)
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return np.asarray(triangles * (2.0 / (upper - lower)), dtype=np.float32)
