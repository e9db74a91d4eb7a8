"""Syllables and pauses, counted where their number is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from affekt.audio import load_audio
from affekt.features import FeatureSettings
from affekt.features.pitch import Pitch
from affekt.features.rhythm import rhythm, syllable_nuclei

RATE = 16000
SETTINGS = FeatureSettings()


def syllable(seconds: float = 0.15) -> np.ndarray:
    times = np.arange(round(seconds * RATE)) / RATE
    return 0.5 * np.sin(2 * np.pi * 150 * times) * np.sin(np.pi * times / seconds)


def voiced(samples: np.ndarray, is_voiced: bool = True) -> Pitch:
    frames = SETTINGS.frames(len(samples))
    hz = np.full(frames, 150.0 if is_voiced else np.nan, np.float32)
    return Pitch(hz, np.ones(frames, np.float32))


def spoken(*parts: np.ndarray) -> np.ndarray:
    return np.concatenate(parts).astype(np.float32)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE))


def test_syllables_and_their_rate() -> None:
    samples = spoken(silence(0.5), *[syllable()] * 6, silence(0.4), *[syllable()] * 3, silence(1))
    found = rhythm(samples, voiced(samples))
    assert found["syllables"] == 9
    assert found["speech"] == pytest.approx(9 * 0.15 + 0.4, abs=0.06)
    assert found["speaking_rate"] == pytest.approx(9 / found["speech"])
    assert found["pauses"] == 1
    assert found["pause_total"] == pytest.approx(0.4, abs=0.06)
    assert found["pause_mean"] == found["pause_total"]
    assert found["pause_share"] == pytest.approx(found["pause_total"] / found["speech"])
    sounding = found["speech"] - found["pause_total"]
    assert found["articulation_rate"] == pytest.approx(9 / sounding)


def test_two_pauses_and_their_mean() -> None:
    samples = spoken(syllable(), silence(0.3), syllable(), silence(0.7), syllable())
    found = rhythm(samples, voiced(samples))
    assert (found["syllables"], found["pauses"]) == (3, 2)
    assert found["pause_mean"] == pytest.approx(0.5, abs=0.06)


def test_the_closure_of_a_stop_is_no_pause() -> None:
    samples = spoken(syllable(), silence(0.1), syllable())
    found = rhythm(samples, voiced(samples))
    assert (found["syllables"], found["pauses"], found["pause_total"]) == (2, 0, 0)
    assert np.isnan(found["pause_mean"])


def test_level_does_not_matter() -> None:
    samples = spoken(*[syllable()] * 4, silence(0.5), *[syllable()] * 2)
    assert rhythm(0.01 * samples, voiced(samples)) == pytest.approx(
        rhythm(samples, voiced(samples)), nan_ok=True
    )


def test_what_is_not_voiced_is_no_syllable() -> None:
    samples = spoken(*[syllable()] * 4)
    assert rhythm(samples, voiced(samples, False))["syllables"] == 0


@pytest.mark.parametrize("samples", [np.zeros(RATE), np.zeros(1), np.full(RATE, 1e-5)])
def test_silence_has_no_rate(samples: np.ndarray) -> None:
    found = rhythm(samples.astype(np.float32), voiced(samples))
    assert found["speech"] == found["syllables"] == found["pauses"] == 0
    for name in ("speaking_rate", "articulation_rate", "pause_mean", "pause_share"):
        assert np.isnan(found[name])


def test_a_constant_is_one_long_sound() -> None:
    samples = np.full(RATE, 0.3, np.float32)
    found = rhythm(samples, voiced(samples, False))
    assert found["speech"] == 1.0
    assert found["speaking_rate"] == 0


def test_dips_below_two_decibels_do_not_count() -> None:
    level = np.array([-60, -20, -21, -19, -30, -22, -60], float)
    assert syllable_nuclei(level, np.ones(7, bool), -45) == [3, 5]


def test_sentences_whose_syllables_are_known(data_root: Path) -> None:
    """Both sentences of RAVDESS ("Kids are talking by the door") have seven syllables."""
    pytest.importorskip("swift_f0")
    from affekt.features.pitch import track_pitch

    files = sorted((data_root / "ravdess").glob("Actor_*/03-01-01-01-0?-01-*.flac"))[::2]
    counts = []
    for file in files:
        samples = load_audio(file)
        counts.append(rhythm(samples, track_pitch(samples))["syllables"])
    assert len(counts) >= 20
    assert np.median(counts) == pytest.approx(7, abs=1)
    assert np.mean(np.abs(np.array(counts) - 7) <= 2) > 0.7
