"""From samples to frames and their power spectra, a block of frames at a time.

Blocks keep the frames in the processor's cache, and an hour of audio within memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

BLOCK = 1 << 15  # samples of overlapping frames: 128 kB of float32, which stays in the cache


@lru_cache(maxsize=1)
def transforms() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the fastest ``(rfft, irfft)`` of float32 rows at hand; all agree to rounding."""
    try:
        from scipy.fft import irfft, rfft  # several rows at once: five times as fast as numpy's
    except ImportError:
        return np.fft.rfft, np.fft.irfft
    return rfft, irfft


@lru_cache(maxsize=1024)  # a period of the voice may have any of some hundred lengths
def hann(length: int) -> Floats:
    """Return the periodic Hann window, as librosa's ``window="hann"``: [length]."""
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)).astype(np.float32)
    window.flags.writeable = False
    return window


def pad(samples: Floats, length: int, mode: str = "constant") -> Floats:
    """Put half a window before and behind the samples, so that frame 0 is centred on sample 0.

    Parameters
    ----------
    samples : np.ndarray [shape=(samples,)]
    length : int
        Of a frame, in samples; even.
    mode : str
        ``"constant"`` (zeros) or ``"edge"`` (the first and the last value go on).
    """
    half = length // 2
    padded = np.zeros(len(samples) + 2 * half, dtype=np.float32)
    padded[half : half + len(samples)] = samples
    if mode == "edge" and len(samples):
        padded[:half], padded[half + len(samples) :] = samples[0], samples[-1]
    return padded


def frame(padded: Floats, length: int, hop_length: int) -> Floats:
    """Return overlapping frames as a view that must not be written: [frames, length].

    Parameters
    ----------
    padded : np.ndarray [shape=(samples,)]
        At least ``length`` samples, see `pad`.
    length, hop_length : int
        Of a frame, and from one to the next, in samples.
    """
    return np.lib.stride_tricks.sliding_window_view(padded, length)[::hop_length]


def power_blocks(samples: Floats, n_fft: int, hop_length: int) -> Iterator[Floats]:
    """Yield the power spectrogram of centred Hann windows, a block of frames at a time.

    All blocks together are ``abs(librosa.stft(...)).T ** 2``.

    Yields
    ------
    np.ndarray [shape=(frames, n_fft // 2 + 1)]
        Power; the caller may change it.
    """
    frames = frame(pad(samples, n_fft), n_fft, hop_length)
    window, rfft = hann(n_fft), transforms()[0]
    step = max(1, BLOCK // n_fft)
    for start in range(0, len(frames), step):
        spectrum = rfft(frames[start : start + step] * window)  # [frames, bins]
        parts = spectrum.astype(np.complex64, copy=False).view(np.float32)
        np.square(parts, out=parts)
        yield parts[:, ::2] + parts[:, 1::2]


def power_spectrogram(samples: Floats, n_fft: int, hop_length: int) -> Floats:
    """Return the whole power spectrogram: [frames, n_fft // 2 + 1]."""
    return np.concatenate(list(power_blocks(samples, n_fft, hop_length)))


def bin_frequencies(sample_rate: int, n_fft: int) -> Floats:
    """Return the frequency of each bin of a spectrum in Hz: [n_fft // 2 + 1]."""
    return np.linspace(0, sample_rate / 2, n_fft // 2 + 1, dtype=np.float32)
