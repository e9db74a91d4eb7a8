"""Tables of a clip: their columns, their rows, and every clip that is hard."""

from __future__ import annotations

import csv
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from affekt.errors import AffektError, ConfigError
from affekt.features import (
    FRAME_SETS,
    FUNCTIONALS,
    OPENSMILE_SETS,
    SETS,
    FeatureSettings,
    column_names,
    extract,
)
from affekt.features.spectral import delta, logmel, mel_bank, mfcc, spectral_flux

RATE = 16000
WITHOUT_PITCH = ("mfcc", "mel", "energy", "spectral", "chroma")


def noise(length: int = RATE) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, length).astype(np.float32)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("settings", [FeatureSettings(), FeatureSettings(n_mfcc=20, n_mels=64)])
def test_the_columns_are_those_of_the_dictionary(name: str, settings: FeatureSettings) -> None:
    pytest.importorskip("swift_f0")
    table = extract(noise(), RATE, [name], settings=settings)
    assert table.names == ("duration", *column_names([name], "file", settings))
    assert table.values.shape == (1, len(table.names))
    if name in FRAME_SETS:
        table = extract(noise(), RATE, [name], "frame", settings)
        assert table.names == ("time", *column_names([name], "frame", settings))
        assert table.values.shape == (settings.frames(RATE), len(table.names))


def test_all_columns_have_their_own_name() -> None:
    names = column_names()
    assert len(set(names)) == len(names)
    assert {f"mfcc_12_{functional}" for functional in FUNCTIONALS} <= set(names)
    assert column_names(["mel"], "frame", FeatureSettings(n_mels=80))[-1] == "logmel_79"


def test_frames_are_those_of_the_single_functions() -> None:
    settings = FeatureSettings()
    samples = noise(50_000)  # several blocks
    table = extract(samples, RATE, WITHOUT_PITCH, "frame")
    coefficients = mfcc(samples, settings)
    for index in (0, 12):
        expected = coefficients[index]
        np.testing.assert_allclose(table[f"mfcc_{index}"], expected, atol=1e-3)
        np.testing.assert_allclose(table[f"mfcc_delta2_{index}"], delta(expected, 2), atol=1e-3)
    np.testing.assert_allclose(table["logmel_39"], logmel(samples, settings)[39], atol=1e-3)
    np.testing.assert_allclose(table["spectral_flux"], spectral_flux(samples)[0], atol=1e-4)
    np.testing.assert_allclose(table["time"], np.arange(len(table)) * 0.01)


def test_functionals_are_those_of_the_frames() -> None:
    samples = noise()
    frames, clip = extract(samples, RATE, ["energy"], "frame"), extract(samples, RATE, ["energy"])
    assert clip["rms_db_mean"][0] == pytest.approx(frames["rms_db"].mean())
    assert clip["rms_db_p90"][0] == pytest.approx(np.percentile(frames["rms_db"], 90))
    assert clip["duration"][0] == 1.0


def test_tutorials_mel_bands_of_their_own() -> None:
    settings = FeatureSettings(n_fft=2048, hop_length=512, mfcc_mels=128)
    table = extract(noise(), RATE, ["mfcc", "mel"], "frame", settings)
    np.testing.assert_allclose(table["mfcc_5"], mfcc(noise(), settings)[5], atol=1e-3)
    np.testing.assert_allclose(table["logmel_5"], logmel(noise(), settings)[5], atol=1e-3)


KINDS = {
    "noise": noise,
    "silence": lambda length: np.zeros(length, np.float32),
    "constant": lambda length: np.full(length, 0.3, np.float32),
    "full scale": lambda length: np.sign(np.sin(0.06 * np.arange(length) + 0.1)),
    "tone": lambda length: np.sin(0.06 * np.arange(length)),
    "one click": lambda length: np.eye(1, length, length // 2)[0],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [1, 2, 159, 160, 400, 511, 1600, 12_000])
def test_no_clip_is_too_hard(kind: str, length: int) -> None:
    pytest.importorskip("swift_f0")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clip = extract(KINDS[kind](length), RATE)
        frames = extract(KINDS[kind](length), RATE, per="frame")
    assert not np.isinf(clip.values).any()
    assert not np.isinf(frames.values).any()
    always = extract(KINDS[kind](length), RATE, WITHOUT_PITCH, "frame")
    assert np.isfinite(always.values).all()


def test_a_clip_without_voice_has_no_pitch_and_nothing_else_is_missing() -> None:
    pytest.importorskip("swift_f0")
    table = extract(noise(), RATE)
    missing = {name for name, column in table if np.isnan(column[0])}
    pitch = {
        f"{name}_{functional}" for name in ("pitch_hz", "hnr_db") for functional in FUNCTIONALS
    }
    voice = {name for name in table.names if name.startswith(("jitter", "shimmer"))}
    assert missing == pitch | voice | {"pause_mean"}
    assert table["voiced_share"][0] == 0


@pytest.mark.parametrize(
    ("sets", "per", "message"),
    [
        (["mfc"], "file", "no set 'mfc'; expected some of mfcc, mel"),
        (["rhythm"], "frame", "'rhythm' tells of whole clips"),
        (["egemaps", "mfcc"], "frame", "are not those of other sets"),
        (["mfcc"], "word", "not per 'word'"),
    ],
)
def test_what_cannot_be_asked_for(sets: list[str], per: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        extract(noise(), RATE, sets, per)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_fft": 511}, "n_fft cannot be 511; expected an even number"),
        ({"hop_length": 0}, "hop_length cannot be 0"),
        ({"hop_length": 513}, "expected from 1 to n_fft"),
        ({"n_mfcc": 41}, "n_mfcc cannot be 41; expected from 1 to the 40 mel bands"),
        ({"n_mels": 257}, "n_mels cannot be 257"),
        ({"fmax": 9000.0}, "fmax cannot be 9000.0; expected up to half the sample rate, 8000"),
        ({"fmin": 8000.0}, "fmin cannot be 8000.0"),
        ({"sample_rate": 100}, "sample_rate cannot be 100"),
        ({"pitch": "ear"}, "pitch cannot be 'ear'; expected one of swift-f0, pyin"),
        ({"pitch_min": 700.0}, "pitch_min cannot be 700.0"),
    ],
)
def test_settings_that_cannot_be(options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FeatureSettings(**options)  # type: ignore[arg-type]


def test_sets_come_once_and_in_their_order() -> None:
    first = extract(noise(), RATE, ["energy", "mfcc", "energy"])
    assert first.names == extract(noise(), RATE, ["mfcc", "energy"]).names


def test_a_column_that_is_not_there() -> None:
    with pytest.raises(AffektError, match="no column 'pitch_hz_mean': was its set extracted"):
        extract(noise(), RATE, ["energy"])["pitch_hz_mean"]


def test_a_table_as_csv(tmp_path: Path) -> None:
    pytest.importorskip("swift_f0")
    table = extract(noise(), RATE, ["pitch", "energy"])
    table.to_csv(tmp_path / "table.csv")
    with (tmp_path / "table.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert tuple(row) == table.names
    assert row["pitch_hz_mean"] == ""
    assert float(row["rms_db_mean"]) == pytest.approx(table["rms_db_mean"][0])


def test_without_scipy_the_numbers_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("scipy")
    from affekt.features.frames import transforms

    expected = extract(noise(), RATE, WITHOUT_PITCH).values
    for cached in (transforms, mel_bank):
        cached.cache_clear()
    for name in ("scipy.fft", "scipy.sparse"):
        monkeypatch.setitem(sys.modules, name, None)
    try:
        assert transforms()[0] is np.fft.rfft
        found = extract(noise(), RATE, WITHOUT_PITCH).values
    finally:
        for cached in (transforms, mel_bank):
            cached.cache_clear()
    np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("name", OPENSMILE_SETS)
def test_opensmile_sets_are_opensmiles_own(name: str) -> None:
    opensmile = pytest.importorskip("opensmile")
    smile = opensmile.Smile(opensmile.FeatureSet[OPENSMILE_SETS[name]])
    expected = smile.process_signal(noise(), RATE)
    table = extract(noise(), RATE, [name])
    assert table.names == ("duration", *expected.columns)
    np.testing.assert_array_equal(table.values[0, 1:], expected.to_numpy()[0])
    assert np.isnan(extract(noise(50), RATE, [name]).values[0, 1:]).all()
    frames = extract(noise(), RATE, [name], "frame")
    assert frames.names[0] == "time"
    assert len(frames) > 90


def test_opensmile_beside_affekts_own() -> None:
    pytest.importorskip("opensmile")
    table = extract(noise(), RATE, ["egemaps", "compare", "energy"])
    assert len(set(table.names)) == len(table.names)
    assert table.values.shape == (1, 1 + 12 + 88 + 6373)
