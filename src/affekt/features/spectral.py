"""Features of the spectrum: its shape, mel bands, cepstra, chroma, and energy."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from affekt.audio.mel import mel_filterbank
from affekt.features.frames import (
    BLOCK,
    Floats,
    bin_frequencies,
    frame,
    pad,
    power_blocks,
    power_spectrogram,
)
from affekt.features.settings import DEFAULT, FeatureSettings

ROLL_PERCENT = 0.85
"""Share of the magnitude below the roll-off."""

_TINY = np.float32(np.finfo(np.float32).tiny)


def spectral_centroid(samples: Floats, settings: FeatureSettings = DEFAULT) -> Floats:
    """Return the mean frequency of the magnitude spectrum, in Hz: [1, frames].

    As ``librosa.feature.spectral_centroid``; 0 in digital silence.
    """
    return _centroid_of(_magnitude(samples, settings), _bins(settings))[None]


def spectral_bandwidth(samples: Floats, settings: FeatureSettings = DEFAULT) -> Floats:
    """Return the spread of the magnitude spectrum about its centroid, in Hz: [1, frames].

    As ``librosa.feature.spectral_bandwidth``; 0 in digital silence.
    """
    magnitude, bins = _magnitude(samples, settings), _bins(settings)
    return _bandwidth_of(magnitude, bins, _centroid_of(magnitude, bins))[None]


def spectral_rolloff(samples: Floats, settings: FeatureSettings = DEFAULT) -> Floats:
    """Return the frequency with 85 % of the magnitude below it, in Hz: [1, frames].

    As ``librosa.feature.spectral_rolloff``; 0 in digital silence.
    """
    return _rolloff_of(_magnitude(samples, settings), _bins(settings))[None]


def spectral_flatness(samples: Floats, settings: FeatureSettings = DEFAULT) -> Floats:
    """Return the geometric by the arithmetic mean of the power: [1, frames].

    As ``librosa.feature.spectral_flatness``: near 0 for a tone, 1 for white noise and silence.
    """
    power = power_spectrogram(samples, settings.n_fft, settings.hop_length)
    return _flatness_of(power)[None]


def spectral_flux(samples: Floats, settings: FeatureSettings = DEFAULT) -> Floats:
    """Return how much the shape of the spectrum changed since the frame before: [1, frames].

    The Euclidean distance between two magnitude spectra, each scaled to length 1, so that a
    change of level alone is no flux. 0 in the first frame; a silent spectrum has length 0.
    """
    magnitude = _magnitude(samples, settings)
    return _flux_of(magnitude, magnitude[:1])[None]


def _centroid_of(magnitude: Floats, bins: Floats) -> Floats:
    """Return the centroid of magnitude spectra [frames, bins] in Hz: [frames]."""
    centroid: Floats = (magnitude @ bins) / np.maximum(magnitude.sum(axis=1), _TINY)
    return centroid


def _bandwidth_of(magnitude: Floats, bins: Floats, centroid: Floats) -> Floats:
    """Return the spread of magnitude spectra [frames, bins] about their centroid: [frames]."""
    squares = np.square(bins - centroid[:, None])
    weighted = np.einsum("ij,ij->i", magnitude, squares)
    spread: Floats = np.sqrt(weighted / np.maximum(magnitude.sum(axis=1), _TINY))
    return spread


def _rolloff_of(magnitude: Floats, bins: Floats) -> Floats:
    """Return the roll-off of magnitude spectra [frames, bins] in Hz: [frames]."""
    below = np.cumsum(magnitude, axis=1)
    reached = below >= np.float32(ROLL_PERCENT) * below[:, -1:]
    found: Floats = bins[reached.argmax(axis=1)]
    return found


def _flatness_of(power: Floats) -> Floats:
    """Return the flatness of power spectra [frames, bins]: [frames]."""
    floored = np.maximum(power, np.float32(1e-10))
    flatness: Floats = np.exp(np.log(floored).mean(axis=1)) / floored.mean(axis=1)
    return flatness


def _flux_of(magnitude: Floats, before: Floats) -> Floats:
    """Return the flux of magnitude spectra [frames, bins], given the one before: [frames]."""
    both = np.concatenate([before, magnitude])
    length = np.sqrt(np.einsum("ij,ij->i", both, both))
    both /= np.maximum(length, _TINY)[:, None]
    steps = np.diff(both, axis=0)
    flux: Floats = np.sqrt(np.einsum("ij,ij->i", steps, steps))
    return flux


def shape_of(
    power: Floats, bins: Floats, before: Floats | None
) -> tuple[dict[str, Floats], Floats]:
    """Return all of the above of a block of power spectra, by the names of their columns.

    Parameters
    ----------
    power : np.ndarray [shape=(frames, bins)]
    bins : np.ndarray [shape=(bins,)]
        Hz.
    before : np.ndarray [shape=(1, bins)], optional
        The last magnitude spectrum of the block before.

    Returns
    -------
    dict of str to np.ndarray [shape=(frames,)], and np.ndarray [shape=(1, bins)]
        The last magnitude spectrum, for the next block.
    """
    magnitude = np.sqrt(power)
    centroid = _centroid_of(magnitude, bins)
    columns = {
        "spectral_centroid_hz": centroid,
        "spectral_bandwidth_hz": _bandwidth_of(magnitude, bins, centroid),
        "spectral_rolloff_hz": _rolloff_of(magnitude, bins),
        "spectral_flatness": _flatness_of(power),
        "spectral_flux": _flux_of(magnitude, magnitude[:1] if before is None else before),
    }
    return columns, magnitude[-1:]


def _magnitude(samples: Floats, settings: FeatureSettings) -> Floats:
    power = power_spectrogram(samples, settings.n_fft, settings.hop_length)
    np.sqrt(power, out=power)
    return power


def _bins(settings: FeatureSettings) -> Floats:
    return bin_frequencies(settings.sample_rate, settings.n_fft)


# --- mel ---


AMIN = 1e-10
"""Smallest power: -100 dB."""

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
def mel_bank(settings: FeatureSettings, sizes: tuple[int, ...]) -> Callable[[Floats], Floats]:
    """Return what brings power [frames, bins] to mel bands [frames, sum of the sizes].

    Parameters
    ----------
    settings : FeatureSettings
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


def melspectrogram(samples: Floats, settings: FeatureSettings = DEFAULT) -> Floats:
    """Return the power in each mel band, as ``librosa.feature.melspectrogram``.

    Returns
    -------
    np.ndarray [shape=(n_mels, frames)]
    """
    bank = mel_bank(settings, (settings.n_mels,))
    blocks = power_blocks(samples, settings.n_fft, settings.hop_length)
    mel: Floats = np.concatenate([bank(power) for power in blocks]).T
    return mel


def logmel(samples: Floats, settings: FeatureSettings = DEFAULT) -> Floats:
    """Return the level of each mel band in dB: [n_mels, frames]."""
    return power_to_db(melspectrogram(samples, settings))


# --- cepstra ---


WIDTH = 9
"""Frames of a difference."""


@lru_cache(maxsize=16)
def dct(n_mfcc: int, n_mels: int) -> Floats:
    """Return the orthonormal discrete cosine transform (type II): [n_mels, n_mfcc]."""
    angles = np.pi / n_mels * np.outer(np.arange(n_mels) + 0.5, np.arange(n_mfcc))
    basis = np.cos(angles) * np.sqrt(2 / n_mels)
    basis[:, 0] /= np.sqrt(2)
    matrix: Floats = basis.astype(np.float32)
    matrix.flags.writeable = False
    return matrix


def mfcc(samples: Floats, settings: FeatureSettings = DEFAULT) -> Floats:
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


# --- chroma ---


NOTES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
"""The notes of the rows."""

_A0_HZ = 27.5
_CENTRE_OCTAVE, _OCTAVE_WIDTH = 5.0, 2.0


@lru_cache(maxsize=8)
def chroma_filters(sample_rate: int, n_fft: int) -> Floats:
    """Return the share of each bin in each note, the transpose of ``librosa.filters.chroma``.

    Every bin is a Gaussian bump about its note, one octave like another; octaves far from the
    fifth count less (Ellis, 2007). The tuning is A = 440 Hz.

    Returns
    -------
    np.ndarray [shape=(n_fft // 2 + 1, 12)]
    """
    count = len(NOTES)
    hz = np.arange(1, n_fft) * sample_rate / n_fft
    notes = count * np.log2(hz / _A0_HZ)
    notes = np.concatenate([[notes[0] - 1.5 * count], notes])  # bin 0 has no logarithm
    widths = np.concatenate([np.maximum(np.diff(notes), 1), [1]])
    distance = notes[:, None] - np.arange(count)  # [bins, notes]
    distance = np.remainder(distance + count // 2 + 10 * count, count) - count // 2
    weights = np.exp(-0.5 * (2 * distance / widths[:, None]) ** 2)
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    octaves = (notes / count - _CENTRE_OCTAVE) / _OCTAVE_WIDTH
    weights *= np.exp(-0.5 * octaves**2)[:, None]
    from_c = np.roll(weights, -3, axis=1)[: n_fft // 2 + 1]  # the first note was A
    filters: Floats = np.ascontiguousarray(from_c, dtype=np.float32)
    filters.flags.writeable = False
    return filters


def chroma(samples: Floats, settings: FeatureSettings = DEFAULT) -> Floats:
    """Return the strength of each note, as ``librosa.feature.chroma_stft(tuning=0)``.

    The window has ``chroma_n_fft`` samples; the frames are those of every other feature.

    Returns
    -------
    np.ndarray [shape=(12, frames)]
        Relative to the strongest note of the frame, which has 1; C first. 0 in digital silence.
    """
    filters = chroma_filters(settings.sample_rate, settings.chroma_n_fft)
    blocks = power_blocks(samples, settings.chroma_n_fft, settings.hop_length)
    raw = np.concatenate([power @ filters for power in blocks])  # [frames, notes]
    strongest = raw.max(axis=1, keepdims=True)
    notes: Floats = (raw / np.where(strongest < np.finfo(np.float32).tiny, 1, strongest)).T
    return notes


# --- energy ---


FLOOR_DB = -100.0
"""The level given to digital silence, whose logarithm does not exist."""


def rms(samples: Floats, settings: FeatureSettings = DEFAULT) -> Floats:
    """Return the root mean square of each frame, as ``librosa.feature.rms``: [1, frames]."""
    frames = frame(pad(samples, settings.n_fft), settings.n_fft, settings.hop_length)
    step = max(1, BLOCK // settings.n_fft)
    sums = [
        np.einsum("ij,ij->i", block, block)
        for block in (frames[start : start + step] for start in range(0, len(frames), step))
    ]
    means: Floats = np.concatenate(sums)[None] / np.float32(settings.n_fft)
    return np.sqrt(means)


def rms_db(samples: Floats, settings: FeatureSettings = DEFAULT) -> Floats:
    """Return the level of each frame in dB relative to full scale (1.0): [1, frames].

    A full-scale sine has -3.01; digital silence has `FLOOR_DB`.
    """
    return amplitude_to_db(rms(samples, settings))


def amplitude_to_db(amplitude: Floats) -> Floats:
    """Return an amplitude in dB relative to 1, no lower than `FLOOR_DB`."""
    floor = np.float32(10 ** (FLOOR_DB / 20))
    decibels: Floats = np.float32(20) * np.log10(np.maximum(amplitude, floor))
    return decibels


def zero_crossing_rate(samples: Floats, settings: FeatureSettings = DEFAULT) -> Floats:
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
