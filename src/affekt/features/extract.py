"""All features of a clip: families by name, per frame or as functionals of the whole clip."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from affekt.audio import resample
from affekt.errors import AudioError, ConfigError
from affekt.features.energy import amplitude_to_db, rms, zero_crossing_rate
from affekt.features.frames import Floats, bin_frequencies, power_blocks
from affekt.features.functionals import functionals
from affekt.features.mel import filters_of, power_to_db
from affekt.features.mfcc import delta_of, mfcc_of
from affekt.features.settings import DEFAULT, TUTORIAL, Settings
from affekt.features.spectral import (
    bandwidth_of,
    centroid_of,
    flatness_of,
    flux_of,
    rolloff_of,
)

Columns = dict[str, np.ndarray]
"""Feature name to its value in each frame: [frames]."""

SPECTRAL = (
    *("spectral_centroid_hz", "spectral_bandwidth_hz", "spectral_rolloff_hz"),
    *("spectral_flatness", "spectral_flux"),
)


def checked_samples(samples: np.ndarray, sample_rate: int, settings: Settings) -> Floats:
    """Return samples as float32 at the rate of the settings.

    Raises
    ------
    AudioError
        If they are not mono, there are none, or some are NaN or infinite.
    """
    values = np.asarray(samples)
    if values.ndim != 1:
        raise AudioError(f"features: the samples have the shape {values.shape}; expected [samples]")
    if not len(values):
        raise AudioError("features: there are no samples to measure")
    if values.dtype.kind != "f":
        raise AudioError(
            f"features: samples of type {values.dtype} have no known full scale; "
            f"pass floats within [-1, 1], as affekt.load_audio returns them"
        )
    floats = values.astype(np.float32, copy=False)
    if not np.isfinite(floats).all():
        raise AudioError("features: some samples are NaN or infinite")
    return resample(floats, sample_rate, settings.sample_rate)


def spectrum_features(samples: Floats, settings: Settings, sets: Sequence[str]) -> Columns:
    """Return what is read off the short spectra (mfcc, mel, spectral), in one pass over them."""
    cepstra, bands, shape = ("mfcc" in sets), ("mel" in sets), ("spectral" in sets)
    if not (cepstra or bands or shape):
        return {}
    sizes = sorted({settings.bands} if cepstra else set()) + ([settings.n_mels] if bands else [])
    sizes = list(dict.fromkeys(sizes))
    filters = [filters_of(settings, size) for size in sizes]
    bank = np.concatenate(filters, axis=1) if filters else None
    bins = bin_frequencies(settings.sample_rate, settings.n_fft)
    mels, shapes, before = [], [], None
    for power in power_blocks(samples, settings.n_fft, settings.hop_length):
        if bank is not None:
            mels.append(power @ bank)
        if shape:
            magnitude = np.sqrt(power)
            before = magnitude[:1] if before is None else before
            shapes.append(_shape_of(power, magnitude, bins, before))
            before = magnitude[-1:]
    result: Columns = {}
    if bank is not None:
        ends = np.cumsum(sizes)[:-1]
        by_size = dict(zip(sizes, np.split(np.concatenate(mels), ends, axis=1), strict=True))
        if cepstra:
            result |= _cepstra(by_size[settings.bands], settings.n_mfcc)
        if bands:
            result |= _numbered("logmel", power_to_db(by_size[settings.n_mels]))
    if shape:
        result |= dict(zip(SPECTRAL, np.concatenate(shapes, axis=1), strict=True))
    return result


def _shape_of(power: Floats, magnitude: Floats, bins: Floats, before: Floats) -> Floats:
    centroid = centroid_of(magnitude, bins)
    return np.stack(
        [
            centroid,
            bandwidth_of(magnitude, bins, centroid),
            rolloff_of(magnitude, bins),
            flatness_of(power),
            flux_of(magnitude, before),
        ]
    )


def _cepstra(mel: Floats, n_mfcc: int) -> Columns:
    coefficients = mfcc_of(mel, n_mfcc)
    return (
        _numbered("mfcc", coefficients)
        | _numbered("mfcc_delta", delta_of(coefficients))
        | _numbered("mfcc_delta2", delta_of(coefficients, order=2))
    )


def _numbered(name: str, values: Floats) -> Columns:
    """Return the columns of values [frames, count] under ``name_0``, ``name_1``, ..."""
    return {f"{name}_{index}": values[:, index] for index in range(values.shape[1])}


def energy_features(samples: Floats, settings: Settings) -> Columns:
    """Return the level and the zero crossings of each frame."""
    return {
        "rms_db": amplitude_to_db(rms(samples, settings)[0]),
        "zero_crossing_rate": zero_crossing_rate(samples, settings)[0],
    }


SETS = ("mfcc", "mel", "energy", "spectral")
"""The feature families, in the order of their columns."""


def frame_features(samples: Floats, settings: Settings, sets: Sequence[str]) -> Columns:
    """Return the features of each frame: name to [frames]."""
    result = spectrum_features(samples, settings, sets)
    if "energy" in sets:
        result |= energy_features(samples, settings)
    return result


def _default_vector(samples: np.ndarray, sample_rate: int) -> Mapping[str, float]:
    ready = checked_samples(samples, sample_rate, DEFAULT)
    return functionals(frame_features(ready, DEFAULT, SETS), DEFAULT.hop)


def _tutorial_vector(samples: np.ndarray, sample_rate: int) -> Mapping[str, float]:
    ready = checked_samples(samples, sample_rate, TUTORIAL)
    columns = spectrum_features(ready, TUTORIAL, ("mfcc", "mel"))
    return {
        f"{name}_mean": float(np.mean(values, dtype=np.float64))
        for name, values in columns.items()
        if not name.startswith("mfcc_delta2")
    }


VECTORS: Mapping[str, Callable[[np.ndarray, int], Mapping[str, float]]] = {
    "default": _default_vector,
    "tutorial": _tutorial_vector,
}
"""Feature sets for classical models, by name."""


def functional_vector(
    samples: np.ndarray, sample_rate: int, feature_set: str = "default"
) -> tuple[tuple[str, ...], np.ndarray]:
    """Return one clip as a fixed row of numbers, for classical models.

    Parameters
    ----------
    samples : np.ndarray [shape=(samples,)]
        Mono floats, nominally within [-1, 1].
    sample_rate : int
        Hz; other rates than 16 kHz are resampled.
    feature_set : str
        ``"default"``: functionals of all families. ``"tutorial"``: the 66 means that tutorials
        train on (13 MFCC, their first differences, 40 log-mel bands).

    Returns
    -------
    names : tuple of str
        The same for every clip.
    vector : np.ndarray [shape=(len(names),), float64]
        NaN where a clip has no such value, e.g. the pitch of a clip without voice.

    Raises
    ------
    AudioError
        If the samples cannot be measured.
    ConfigError
        If there is no such feature set.
    """
    if feature_set not in VECTORS:
        raise ConfigError(
            f"there is no feature set {feature_set!r}; expected one of {', '.join(VECTORS)}"
        )
    values = VECTORS[feature_set](samples, sample_rate)
    return tuple(values), np.array(list(values.values()), dtype=np.float64)
