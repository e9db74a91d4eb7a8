"""All features of a clip: families by name, per frame or as functionals of the whole clip."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from affekt.audio import resample
from affekt.errors import AudioError, ConfigError
from affekt.features.columns import FRAME_SETS, SETS, column_names, functionals
from affekt.features.frames import Floats, bin_frequencies, power_blocks
from affekt.features.opensmile import HOP, OPENSMILE_SETS, opensmile_features, opensmile_names
from affekt.features.pitch import track_pitch
from affekt.features.rhythm import rhythm
from affekt.features.settings import DEFAULT, TUTORIAL, FeatureSettings
from affekt.features.spectral import (
    amplitude_to_db,
    chroma,
    delta_of,
    mel_bank,
    mfcc_of,
    power_to_db,
    rms,
    shape_of,
    zero_crossing_rate,
)
from affekt.features.voice_quality import harmonics_to_noise, jitter_and_shimmer
from affekt.files import atomic_path


@dataclass(frozen=True, eq=False)
class Table:
    """Named columns of numbers: one row per clip or per frame.

    ``table["pitch_hz"]`` is a column; ``pandas.DataFrame(dict(table))`` makes a data frame.
    """

    names: tuple[str, ...]
    """Columns; see the column dictionary in docs/features.md."""
    values: np.ndarray
    """[rows, columns], float64; NaN where there is no such value."""

    def __getitem__(self, name: str) -> np.ndarray:
        """Return a column: [rows]."""
        if name not in self.names:
            raise ConfigError(f"there is no column {name!r}: was its set extracted?")
        column: np.ndarray = self.values[:, self.names.index(name)]
        return column

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield each column with its name."""
        return zip(self.names, self.values.T, strict=True)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.values)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the table as CSV, whole or not at all; NaN becomes an empty field."""
        with atomic_path(path) as partial, partial.open("w", encoding="utf-8") as file:
            file.write(",".join(self.names) + "\n")
            for row in self.values.tolist():
                file.write(",".join(map(number, row)) + "\n")


def number(value: float) -> str:
    """Return a number as text that keeps nine digits; NaN becomes empty, 7.0 becomes 7."""
    return "" if value != value else f"{value:.9g}"


Columns = dict[str, np.ndarray]
"""Feature name to its value in each frame: [frames]."""

PER = ("file", "frame")
NEED_PITCH = frozenset({"pitch", "voice", "rhythm"})
"""Sets that are measured along the pitch."""

VECTORS = ("default", "tutorial", *OPENSMILE_SETS)
"""Feature sets for classical models, see `functional_vector`."""


def extract(
    samples: np.ndarray,
    sample_rate: int,
    sets: Sequence[str] = (),
    per: str = "file",
    settings: FeatureSettings = DEFAULT,
) -> Table:
    """Measure a clip.

    Parameters
    ----------
    samples : np.ndarray [shape=(samples,)]
        Mono floats, nominally within [-1, 1], as `affekt.load_audio` returns them.
    sample_rate : int
        Hz; other rates than that of the settings are resampled.
    sets : sequence of str
        Families: any of `affekt.features.SETS`, or openSMILE's ``"egemaps"`` and ``"compare"``;
        by default all of affekt's own.
    per : str
        ``"file"``: one row, of the duration and the functionals of the frames.
        ``"frame"``: one row per frame, with its time.
    settings : FeatureSettings
        The grid of frames, sizes and ranges.

    Returns
    -------
    Table
        With the columns of `table_names`.

    Raises
    ------
    AudioError
        If the samples cannot be measured.
    ConfigError
        If a set or ``per`` is unknown, or they do not go together.
    MissingExtraError
        If a set needs a package that is not installed.
    """
    chosen = checked_sets(sets, per)
    names = table_names(chosen, per, settings)
    ready = _checked_samples(samples, sample_rate, settings)
    parts = [
        opensmile_features(ready, settings.sample_rate, name, per)
        for name in chosen
        if name in OPENSMILE_SETS
    ]
    if per == "frame" and parts:
        times = np.arange(len(parts[0]))[:, None] * HOP
        return Table(names, np.concatenate([times, *parts], axis=1))
    frames, whole = measure(ready, settings, chosen)
    if per == "frame":
        times = np.arange(settings.frames(len(ready))) * settings.hop
        return Table(names, np.stack([times, *frames.values()], axis=1, dtype=np.float64))
    values = functionals(frames, settings.hop) | whole
    own = [values[name] for name in column_names(chosen, per, settings)]
    row = np.array([[len(samples) / sample_rate, *own]])
    return Table(names, np.concatenate([row, *parts], axis=1))


def checked_sets(sets: Sequence[str], per: str) -> tuple[str, ...]:
    """Return the families that are meant, each once, in the order of their columns.

    Raises
    ------
    ConfigError
        If one is unknown, or cannot be had per frame.
    """
    if per not in PER:
        raise ConfigError(f"features are per file or per frame, not per {per!r}")
    if not sets:
        return SETS if per == "file" else FRAME_SETS
    known = (*SETS, *OPENSMILE_SETS)
    for name in sets:
        if name not in known:
            raise ConfigError(f"there is no set {name!r}; expected some of {', '.join(known)}")
    chosen = tuple(name for name in known if name in sets)
    if per == "frame":
        clip_only = [name for name in chosen if name in SETS and name not in FRAME_SETS]
        if clip_only:
            raise ConfigError(f"the set {clip_only[0]!r} tells of whole clips: ask for it per file")
        if len(chosen) > 1 and any(name in OPENSMILE_SETS for name in chosen):
            raise ConfigError(
                "the frames of an openSMILE set are not those of other sets: ask for it alone"
            )
    return chosen


def table_names(sets: Sequence[str], per: str, settings: FeatureSettings) -> tuple[str, ...]:
    """Return the columns of the table that `extract` gives, for checked sets."""
    first = "duration" if per == "file" else "time"
    names = [first, *column_names(sets, per, settings)]
    for name in sets:
        if name in OPENSMILE_SETS:
            names += opensmile_names(name, per)
    return tuple(names)


def _checked_samples(samples: np.ndarray, sample_rate: int, settings: FeatureSettings) -> Floats:
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


def measure(
    samples: Floats, settings: FeatureSettings, sets: Sequence[str]
) -> tuple[Columns, dict[str, float]]:
    """Return the features of each frame, and those of the whole clip alone.

    Parameters
    ----------
    samples : np.ndarray [shape=(samples,)]
        As `_checked_samples` returns them.
    settings : FeatureSettings
    sets : sequence of str
        Families, see `affekt.features.SETS`; others are left out.
    """
    frames = spectrum_features(samples, settings, sets)
    whole: dict[str, float] = {}
    if "energy" in sets:
        frames["rms_db"] = amplitude_to_db(rms(samples, settings)[0])
        frames["zero_crossing_rate"] = zero_crossing_rate(samples, settings)[0]
    if "chroma" in sets:
        frames |= _numbered("chroma", chroma(samples, settings).T)
    if NEED_PITCH & set(sets):
        pitch = track_pitch(samples, settings)
        if "pitch" in sets:
            frames |= {"pitch_hz": pitch.hz, "voicing": pitch.voicing}
            whole["voiced_share"] = float(pitch.voiced.mean())
        if "voice" in sets:
            frames["hnr_db"] = harmonics_to_noise(samples, pitch, settings)[0]
            whole |= jitter_and_shimmer(samples, pitch, settings)
        if "rhythm" in sets:
            whole |= rhythm(samples, pitch, settings)
    ordered = column_names(sets, "frame", settings)
    return {name: frames[name] for name in ordered}, whole


def spectrum_features(samples: Floats, settings: FeatureSettings, sets: Sequence[str]) -> Columns:
    """Return what is read off the short spectra (mfcc, mel, spectral), in one pass over them."""
    cepstra, bands, shape = ("mfcc" in sets), ("mel" in sets), ("spectral" in sets)
    if not (cepstra or bands or shape):
        return {}
    sizes = tuple(dict.fromkeys([settings.bands] * cepstra + [settings.n_mels] * bands))
    bank = mel_bank(settings, sizes) if sizes else None
    bins = bin_frequencies(settings.sample_rate, settings.n_fft)
    mels, shapes, before = [], [], None
    for power in power_blocks(samples, settings.n_fft, settings.hop_length):
        if bank is not None:
            mels.append(bank(power))
        if shape:
            columns, before = shape_of(power, bins, before)
            shapes.append(columns)
    result: Columns = {}
    if bank is not None:
        ends = np.cumsum(sizes)[:-1]
        by_size = dict(zip(sizes, np.split(np.concatenate(mels), ends, axis=1), strict=True))
        if cepstra:
            result |= _cepstra(by_size[settings.bands], settings.n_mfcc)
        if bands:
            result |= _numbered("logmel", power_to_db(by_size[settings.n_mels]))
    for name in shapes[0] if shapes else ():
        result[name] = np.concatenate([columns[name] for columns in shapes])
    return result


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
        ``"default"``: all of affekt's families, as `extract` has them, without the duration.
        ``"tutorial"``: the 66 means that tutorials train on (13 MFCC, their first differences, 40
        log-mel bands). ``"egemaps"``, ``"compare"``: openSMILE's functionals, where it is
        installed (its licence allows no commercial use).

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
    MissingExtraError
        If it needs a package that is not installed.
    """
    if feature_set not in VECTORS:
        raise ConfigError(
            f"there is no feature set {feature_set!r}; expected one of {', '.join(VECTORS)}"
        )
    if feature_set == "tutorial":
        return _tutorial_vector(samples, sample_rate)
    sets = SETS if feature_set == "default" else (feature_set,)
    table = extract(samples, sample_rate, sets)
    return table.names[1:], table.values[0, 1:]


def _tutorial_vector(samples: np.ndarray, sample_rate: int) -> tuple[tuple[str, ...], np.ndarray]:
    ready = _checked_samples(samples, sample_rate, TUTORIAL)
    columns = spectrum_features(ready, TUTORIAL, ("mfcc", "mel"))
    kept = {name: one for name, one in columns.items() if not name.startswith("mfcc_delta2")}
    means = np.stack(list(kept.values())).mean(axis=1, dtype=np.float64)
    return tuple(f"{name}_mean" for name in kept), means
