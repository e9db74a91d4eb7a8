"""Pitch moves by the semitones; the duration stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from voice import RATE, measure_formants, measure_pitch, pitch_moved, vowel

from affekt.audio import load_audio
from affekt.augment import PitchShift
from affekt.augment.pitch_shift import pitch_shift
from affekt.errors import ConfigError

SEMITONES = [-2.0, -0.7, 0.5, 1.0, 2.0]


@pytest.mark.parametrize("semitones", SEMITONES)
@pytest.mark.parametrize("pitch", [90.0, 125.0, 220.0, 300.0])
def test_the_pitch_moves_by_the_semitones(pitch: float, semitones: float) -> None:
    given = vowel(pitch, seconds=1.5)
    changed = pitch_shift(given, semitones, RATE)
    assert len(changed) == len(given)
    assert 12 * np.log2(measure_pitch(changed) / pitch) == pytest.approx(semitones, abs=0.03)


@pytest.mark.parametrize("semitones", [-2.0, 2.0])
def test_the_pitch_of_a_real_voice_moves(semitones: float, recordings: list[Path]) -> None:
    for file in recordings:
        given = load_audio(file)
        changed = pitch_shift(given, semitones, RATE)
        assert len(changed) == len(given)
        moved = pitch_moved(given, changed)
        assert len(moved) > 25
        assert np.median(moved) == pytest.approx(semitones, abs=0.1)
        assert np.mean(np.abs(moved - semitones) < 0.7) > 0.8


def test_formants_move_along() -> None:
    given = vowel(seconds=1.5)
    moved = measure_formants(pitch_shift(given, 2.0, RATE)) / measure_formants(given)
    np.testing.assert_allclose(moved, 2 ** (2 / 12), rtol=0.015)


def test_the_tempo_stays() -> None:
    given = np.zeros(2 * RATE, dtype=np.float32)
    given[RATE : RATE + 1600] = vowel(seconds=0.1)
    loud = np.square(pitch_shift(given, -2.0, RATE), dtype=np.float64)
    centre = np.average(np.arange(len(loud)), weights=loud)
    due = np.average(np.arange(len(given)), weights=np.square(given, dtype=np.float64))
    assert abs(centre - due) < 0.01 * RATE


def test_no_semitones_change_nothing() -> None:
    given = vowel()
    assert (pitch_shift(given, 0.0, RATE) == given).all()


def test_semitones_are_drawn_from_the_range() -> None:
    given = vowel(seconds=0.4)
    drawn = [
        12 * np.log2(measure_pitch(PitchShift(-1, 2)(given, RATE, np.random.default_rng(s))) / 125)
        for s in range(12)
    ]
    assert -1.05 < min(drawn) < 0 < 1 < max(drawn) < 2.05


def test_impossible_ranges() -> None:
    with pytest.raises(ConfigError, match="min_semitones 2 is above max_semitones -2"):
        PitchShift(2, -2)
    with pytest.raises(ConfigError, match="semitones from -24 to 0 is outside -12 to 12"):
        PitchShift(-24, 0)
