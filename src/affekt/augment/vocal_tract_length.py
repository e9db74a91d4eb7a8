"""A longer or shorter throat: formants move, the pitch stays (after Jaitly and Hinton, 2013).

Vocal-tract-length perturbation is usually a warp of the mel bands, which moves harmonics and
formants alike. Here the spectral envelope alone is warped, on the waveform: the result can be
heard, goes through the model's own frontend, and keeps the pitch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from affekt.augment.waveform import Samples, WaveformTransform, check_range

WINDOW_MS = 32
"""Half-overlapping windows whose spectra are reshaped."""

HIGHEST = 0.85
"""Share of the half sample rate up to which the warp is a factor; from there it bends back."""

MOST_DB = 24.0
"""Largest change of any frequency: noise between the formants is not torn up."""

BLUR_HZ = 40.0
"""Standard deviation by which the spectrum is blurred before its envelope is taken."""

_NOISE = 1e-5  # of a frame's power


def warp_formants(samples: Samples, factor: float, sample_rate: int) -> Samples:
    """Multiply the frequencies of the formants by ``factor``; pitch and length stay.

    Parameters
    ----------
    samples : np.ndarray [shape=(samples,)]
    factor : float
        Above 1 is a shorter vocal tract.
    sample_rate : int
        Hz.

    Returns
    -------
    np.ndarray [shape=(samples,), float32]
    """
    half = max(8, round(WINDOW_MS * sample_rate / 2000))
    size = 2 * half
    count = -(-len(samples) // half) + 1
    padded = np.zeros((count + 1) * half, dtype=np.float32)
    padded[half : half + len(samples)] = samples
    window = np.sin(np.pi * (np.arange(size, dtype=np.float32) + 0.5) / size)
    halves = padded.reshape(-1, half)
    frames = np.concatenate([halves[:-1], halves[1:]], axis=1)  # [count, size]
    spectrum = np.fft.rfft(frames * window)  # [count, half + 1]
    shaped = np.fft.irfft(spectrum * _gain(spectrum, factor, sample_rate), size) * window
    joined = shaped[:-1, half:] + shaped[1:, :half]
    return np.asarray(joined.reshape(-1)[: len(samples)], dtype=np.float32)


def _gain(spectrum: np.ndarray, factor: float, sample_rate: int) -> np.ndarray:
    """By how much each frequency of each frame changes ``[frames, bins]``."""
    bins = spectrum.shape[1]
    envelope = _log_envelope(spectrum, sample_rate)
    source = _source_bins(bins, factor)
    below = np.minimum(source.astype(int), bins - 2)
    share = source - below
    warped = envelope[:, below] * (1 - share) + envelope[:, below + 1] * share
    most = MOST_DB * np.log(10) / 20
    return np.asarray(np.exp(np.clip(warped - envelope, -most, most)))


def _log_envelope(spectrum: np.ndarray, sample_rate: int) -> np.ndarray:
    """Logarithm of the all-pole envelope of each frame ``[frames, bins]``, by linear prediction.

    Two poles per formant, one formant per kHz, and two for the slope of the voice. A cepstrum
    of so few numbers would smooth the formants until a warp hardly moves them.
    """
    order = round(sample_rate / 1000) + 2
    size = 2 * (spectrum.shape[1] - 1)
    power = spectrum.real.astype(np.float64) ** 2 + spectrum.imag.astype(np.float64) ** 2
    lags = np.fft.irfft(power)[:, : order + 1]
    # Blurred along frequency, so that the envelope of a high voice does not cling to harmonics.
    lags *= np.exp(-0.5 * (2 * np.pi * BLUR_HZ / sample_rate * np.arange(order + 1)) ** 2)
    # A little noise of the same strength everywhere keeps the equations solvable.
    lags[:, 0] = lags[:, 0] * (1 + _NOISE) + 1e-12
    predictor = np.zeros((len(lags), order + 1))  # Levinson's recursion, all frames at once
    predictor[:, 0] = 1.0
    error = lags[:, 0].copy()
    for i in range(1, order + 1):
        reflection = -np.einsum("fi,fi->f", predictor[:, :i], lags[:, i:0:-1]) / error
        predictor[:, 1 : i + 1] += reflection[:, None] * predictor[:, i - 1 :: -1][:, :i]
        error *= 1 - reflection**2
    return np.asarray(-np.log(np.abs(np.fft.rfft(predictor, size)) + 1e-12))


def _source_bins(bins: int, factor: float) -> np.ndarray:
    """Where the envelope of each bin comes from: bin / factor, then a line to the last bin."""
    last = bins - 1
    bend = HIGHEST * last * min(factor, 1.0)
    bin_number = np.arange(bins, dtype=np.float64)
    slope = (last - bend / factor) / (last - bend)
    return np.asarray(
        np.where(bin_number <= bend, bin_number / factor, last - slope * (last - bin_number))
    )


@dataclass(frozen=True)
class VocalTractLength(WaveformTransform):
    """Move the formants by a drawn factor; pitch and length stay.

    Parameters
    ----------
    min_factor, max_factor : float
        Range of the factor of the formant frequencies; women's are about 1.15 times men's.
    """

    name: ClassVar[str] = "vocal_tract_length"
    min_factor: float = 0.9
    max_factor: float = 1.1

    def __post_init__(self) -> None:
        check_range(self.name, "factor", self.min_factor, self.max_factor, 0.7, 1.4)

    def _apply(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        return warp_formants(samples, rng.uniform(self.min_factor, self.max_factor), sample_rate)
