"""The shape of the spectrum: where its weight lies, and how fast it changes."""

from __future__ import annotations

import numpy as np

from affekt.features.frames import Floats, bin_frequencies, power_spectrogram
from affekt.features.settings import DEFAULT, Settings

ROLL_PERCENT = 0.85
"""Share of the magnitude that lies below the roll-off."""

_TINY = np.float32(np.finfo(np.float32).tiny)


def spectral_centroid(samples: Floats, settings: Settings = DEFAULT) -> Floats:
    """Return the mean frequency of the magnitude spectrum, in Hz: [1, frames].

    As ``librosa.feature.spectral_centroid``; 0 in digital silence.
    """
    return centroid_of(_magnitude(samples, settings), _bins(settings))[None]


def spectral_bandwidth(samples: Floats, settings: Settings = DEFAULT) -> Floats:
    """Return the spread of the magnitude spectrum about its centroid, in Hz: [1, frames].

    As ``librosa.feature.spectral_bandwidth``; 0 in digital silence.
    """
    magnitude, bins = _magnitude(samples, settings), _bins(settings)
    return bandwidth_of(magnitude, bins, centroid_of(magnitude, bins))[None]


def spectral_rolloff(samples: Floats, settings: Settings = DEFAULT) -> Floats:
    """Return the frequency below which 85 % of the magnitude lies, in Hz: [1, frames].

    As ``librosa.feature.spectral_rolloff``; 0 in digital silence.
    """
    return rolloff_of(_magnitude(samples, settings), _bins(settings))[None]


def spectral_flatness(samples: Floats, settings: Settings = DEFAULT) -> Floats:
    """Return the geometric by the arithmetic mean of the power: [1, frames].

    As ``librosa.feature.spectral_flatness``: near 0 for a tone, 1 for white noise and silence.
    """
    power = power_spectrogram(samples, settings.n_fft, settings.hop_length)
    return flatness_of(power)[None]


def spectral_flux(samples: Floats, settings: Settings = DEFAULT) -> Floats:
    """Return how much the shape of the spectrum changed since the frame before: [1, frames].

    The Euclidean distance between two magnitude spectra, each scaled to length 1, so that a
    change of level alone is no flux. 0 in the first frame; a silent spectrum has length 0.
    """
    magnitude = _magnitude(samples, settings)
    return flux_of(magnitude, magnitude[:1])[None]


def centroid_of(magnitude: Floats, bins: Floats) -> Floats:
    """Return the centroid of magnitude spectra [frames, bins] in Hz: [frames]."""
    centroid: Floats = (magnitude @ bins) / np.maximum(magnitude.sum(axis=1), _TINY)
    return centroid


def bandwidth_of(magnitude: Floats, bins: Floats, centroid: Floats) -> Floats:
    """Return the spread of magnitude spectra [frames, bins] about their centroid: [frames]."""
    squares = np.square(bins - centroid[:, None])
    weighted = np.einsum("ij,ij->i", magnitude, squares)
    spread: Floats = np.sqrt(weighted / np.maximum(magnitude.sum(axis=1), _TINY))
    return spread


def rolloff_of(magnitude: Floats, bins: Floats) -> Floats:
    """Return the roll-off of magnitude spectra [frames, bins] in Hz: [frames]."""
    below = np.cumsum(magnitude, axis=1)
    reached = below >= np.float32(ROLL_PERCENT) * below[:, -1:]
    found: Floats = bins[reached.argmax(axis=1)]
    return found


def flatness_of(power: Floats) -> Floats:
    """Return the flatness of power spectra [frames, bins]: [frames]."""
    floored = np.maximum(power, np.float32(1e-10))
    flatness: Floats = np.exp(np.log(floored).mean(axis=1)) / floored.mean(axis=1)
    return flatness


def flux_of(magnitude: Floats, before: Floats) -> Floats:
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
    centroid = centroid_of(magnitude, bins)
    columns = {
        "spectral_centroid_hz": centroid,
        "spectral_bandwidth_hz": bandwidth_of(magnitude, bins, centroid),
        "spectral_rolloff_hz": rolloff_of(magnitude, bins),
        "spectral_flatness": flatness_of(power),
        "spectral_flux": flux_of(magnitude, magnitude[:1] if before is None else before),
    }
    return columns, magnitude[-1:]


def _magnitude(samples: Floats, settings: Settings) -> Floats:
    power = power_spectrogram(samples, settings.n_fft, settings.hop_length)
    np.sqrt(power, out=power)
    return power


def _bins(settings: Settings) -> Floats:
    return bin_frequencies(settings.sample_rate, settings.n_fft)
