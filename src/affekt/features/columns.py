"""The columns of a table of features: name, unit and meaning of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from affekt.features.functionals import FUNCTIONALS
from affekt.features.settings import DEFAULT, Settings


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

    def count(self, settings: Settings) -> int:
        """Return how many columns of frames it has."""
        if not self.size:
            return 1
        return int(self.size) if self.size.isdigit() else int(getattr(settings, self.size))

    def names(self, settings: Settings) -> list[str]:
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
    sets: Sequence[str] = SETS, per: str = "file", settings: Settings = DEFAULT
) -> list[str]:
    """Return the columns of a table, without ``file``, ``time``, ``duration`` and ``error``.

    Parameters
    ----------
    sets : sequence of str
        Families, see `SETS`.
    per : str
        ``"file"`` or ``"frame"``.
    settings : Settings
        They say how many coefficients and bands there are.
    """
    chosen = [feature for feature in FEATURES if feature.family in sets]
    if per == "frame":
        return [name for one in chosen if not one.per_file for name in one.names(settings)]
    return [name for one in chosen for name in _file_names(one, settings)]


def _file_names(feature: Feature, settings: Settings) -> list[str]:
    if feature.per_file:
        return [feature.name]
    return [
        f"{name}_{functional}" for name in feature.names(settings) for functional in FUNCTIONALS
    ]
