"""The columns of a table of features: name, unit and meaning of each; functionals over frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from affekt.features.settings import DEFAULT, FeatureSettings


@dataclass(frozen=True)
class Feature:
    """A feature, or a row of features that are numbered from 0."""

    name: str
    family: str
    unit: str
    """Empty for a plain number."""
    meaning: str
    size: str = ""
    """The setting that says how many there are; empty for one alone."""
    per_file: bool = False
    """Whether it tells of a whole clip alone, so that there are no frames and no functionals."""

    def count(self, settings: FeatureSettings) -> int:
        """Return how many columns of frames it has."""
        if not self.size:
            return 1
        return int(self.size) if self.size.isdigit() else int(getattr(settings, self.size))

    def names(self, settings: FeatureSettings) -> list[str]:
        """Return its columns, without functionals."""
        if not self.size:
            return [self.name]
        return [f"{self.name}_{index}" for index in range(self.count(settings))]


def _file(name: str, family: str, unit: str, meaning: str) -> Feature:
    return Feature(name, family, unit, meaning, per_file=True)


FEATURES = (
    Feature("mfcc", "mfcc", "dB", "mel-frequency cepstral coefficient; 0 is the level", "n_mfcc"),
    Feature("mfcc_delta", "mfcc", "dB per frame", "its slope over 9 frames", "n_mfcc"),
    Feature("mfcc_delta2", "mfcc", "dB per frame²", "its curvature over 9 frames", "n_mfcc"),
    Feature("logmel", "mel", "dB", "power in a mel band, the lowest first", "n_mels"),
    Feature("pitch_hz", "pitch", "Hz", "fundamental frequency; empty (NaN) without voice"),
    Feature("voicing", "pitch", "0 to 1", "confidence of the tracker that there is voice"),
    _file("voiced_share", "pitch", "0 to 1", "frames that have a pitch"),
    Feature("rms_db", "energy", "dBFS", "root mean square; -100 in digital silence"),
    Feature("zero_crossing_rate", "energy", "0 to 1", "samples where the sign changes"),
    Feature("spectral_centroid_hz", "spectral", "Hz", "mean of the magnitude spectrum"),
    Feature("spectral_bandwidth_hz", "spectral", "Hz", "spread of the spectrum about its mean"),
    Feature("spectral_rolloff_hz", "spectral", "Hz", "85 % of the magnitude lies below it"),
    Feature("spectral_flatness", "spectral", "0 to 1", "0 for a tone, 1 for white noise"),
    Feature("spectral_flux", "spectral", "0 to 1.41", "change of the spectrum's shape by frame"),
    Feature("chroma", "chroma", "0 to 1", "note, C first, by the strongest of the frame", "12"),
    Feature("hnr_db", "voice", "dB", "harmonics to noise; empty (NaN) without voice"),
    _file("jitter_local", "voice", "share of a period", "difference of neighbouring periods"),
    _file("jitter_rap", "voice", "share of a period", "the same, against the mean of three"),
    _file("shimmer_local", "voice", "share of the amplitude", "difference of their amplitudes"),
    _file("shimmer_local_db", "voice", "dB", "ratio of their amplitudes"),
    _file("speech", "rhythm", "s", "from the first to the last sound"),
    _file("syllables", "rhythm", "", "syllable nuclei: voiced peaks of the level"),
    _file("speaking_rate", "rhythm", "1/s", "syllables by the time of speech"),
    _file("articulation_rate", "rhythm", "1/s", "syllables by the time of speech without pauses"),
    _file("pauses", "rhythm", "", "silences of 0.2 s or more between sounds"),
    _file("pause_total", "rhythm", "s", "their time together"),
    _file("pause_mean", "rhythm", "s", "their mean time; empty (NaN) without any"),
    _file("pause_share", "rhythm", "0 to 1", "their part of the time of speech"),
)
"""Everything affekt itself measures, family by family, in the order of the columns."""

SETS = tuple(dict.fromkeys(feature.family for feature in FEATURES))
"""The families, by the names that ``sets`` takes."""

FRAME_SETS = tuple(dict.fromkeys(one.family for one in FEATURES if not one.per_file))
"""The families that have frames."""


def column_names(
    sets: Sequence[str] = SETS, per: str = "file", settings: FeatureSettings = DEFAULT
) -> list[str]:
    """Return the columns of a table, without ``file``, ``time``, ``duration`` and ``error``.

    Parameters
    ----------
    sets : sequence of str
        Families, see `SETS`.
    per : str
        ``"file"`` or ``"frame"``.
    settings : FeatureSettings
        They say how many coefficients and bands there are.
    """
    chosen = [feature for feature in FEATURES if feature.family in sets]
    if per == "frame":
        return [name for one in chosen if not one.per_file for name in one.names(settings)]
    return [name for one in chosen for name in _file_names(one, settings)]


def _file_names(feature: Feature, settings: FeatureSettings) -> list[str]:
    if feature.per_file:
        return [feature.name]
    return [
        f"{name}_{functional}" for name in feature.names(settings) for functional in FUNCTIONALS
    ]


# --- functionals ---


PERCENTILES = (10, 50, 90)

FUNCTIONALS = ("mean", "sd", *(f"p{percent}" for percent in PERCENTILES), "slope")
"""Functionals of each frame feature, in the order of the columns ``<feature>_<functional>``."""


def functionals(frames: Mapping[str, np.ndarray], hop: float) -> dict[str, float]:
    """Return the functionals of frame features.

    Frames that are NaN (such as the pitch where there is no voice) are left out. Where none is
    left, all functionals are NaN; the slope needs two.

    Parameters
    ----------
    frames : mapping of str to np.ndarray [shape=(frames,)]
        Features by name, all of one length.
    hop : float
        Seconds from one frame to the next.

    Returns
    -------
    dict of str to float
        ``<feature>_<functional>``: the mean, the standard deviation (of the population), the
        percentiles (linear between ranks), and the slope of the least-squares line, in units of
        the feature per second.
    """
    result: dict[str, float] = {}
    if not frames:
        return result
    values = np.stack([np.asarray(column, dtype=np.float64) for column in frames.values()], axis=1)
    rows = _functional_rows(values, hop)  # [features, functionals]
    for name, row in zip(frames, rows.tolist(), strict=True):
        for functional, value in zip(FUNCTIONALS, row, strict=True):
            result[f"{name}_{functional}"] = value
    return result


def _functional_rows(values: np.ndarray, hop: float) -> np.ndarray:
    """Return the functionals of features [frames, features]: [features, functionals]."""
    result = np.full((values.shape[1], len(FUNCTIONALS)), np.nan)
    present = np.isfinite(values)
    whole = present.all(axis=0)
    times = np.arange(len(values)) * hop
    if len(values):
        result[whole] = _of_complete(values[:, whole], times)
    for column in np.flatnonzero(~whole):
        kept = present[:, column]
        if kept.any():
            result[column] = _of_complete(values[kept, column, None], times[kept])[0]
    return result


def _of_complete(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the functionals of features without gaps, at times in seconds."""
    mean = values.mean(axis=0)
    deviations = values - mean
    sd = np.sqrt(np.mean(np.square(deviations), axis=0))
    percentiles = _percentiles(np.sort(values, axis=0))
    centred = times - times.mean()
    spread = centred @ centred
    slope = centred @ deviations / spread if spread > 0 else np.full(len(mean), np.nan)
    return np.stack([mean, sd, *percentiles, slope], axis=1)


def _percentiles(ordered: np.ndarray) -> list[np.ndarray]:
    """Return the percentiles of sorted features [frames, features], as ``np.percentile``."""
    found = []
    for percent in PERCENTILES:
        rank = (len(ordered) - 1) * percent / 100
        low = int(rank)
        high = min(low + 1, len(ordered) - 1)
        found.append(ordered[low] + (rank - low) * (ordered[high] - ordered[low]))
    return found
