"""Formants move by the factor; pitch and duration stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from voice import FORMANTS, RATE, measure_formants, measure_pitch, pitch_moved, vowel

from affekt.audio import load_audio
from affekt.augment import VocalTractLength
from affekt.augment.vocal_tract_length import warp_formants
from affekt.errors import ConfigError


@pytest.mark.parametrize("factor", [0.9, 0.95, 1.05, 1.1, 1.2])
@pytest.mark.parametrize("pitch", [90.0, 125.0])  # high voices have too few harmonics to measure
def test_formants_move_and_pitch_stays(pitch: float, factor: float) -> None:
    given = vowel(pitch, seconds=1.5)
    changed = warp_formants(given, factor, RATE)
    assert len(changed) == len(given)
    wanted = [factor * frequency for frequency, _ in FORMANTS]
    np.testing.assert_allclose(measure_formants(changed), wanted, rtol=0.035)
    assert measure_pitch(changed) == pytest.approx(pitch, rel=1e-3)


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_the_pitch_of_a_real_voice_stays(factor: float, recordings: list[Path]) -> None:
    for file in recordings:
        given = load_audio(file)
        moved = pitch_moved(given, warp_formants(given, factor, RATE))
        assert len(moved) > 15
        assert np.median(np.abs(moved)) < 0.15
        assert np.mean(np.abs(moved) < 0.2) > 0.75


def test_factor_one_changes_nothing() -> None:
    given = vowel()
    np.testing.assert_allclose(warp_formants(given, 1.0, RATE), given, atol=1e-6)


def test_white_noise_has_no_formants_to_move() -> None:
    given = np.random.default_rng(0).normal(0, 0.1, 2 * RATE).astype(np.float32)
    changed = warp_formants(given, 1.1, RATE)
    before, after = (np.abs(np.fft.rfft(x)) ** 2 for x in (given, changed))
    bands = [
        (a.mean(), b.mean())
        for a, b in zip(np.array_split(before, 8), np.array_split(after, 8), strict=True)
    ]
    assert all(abs(10 * np.log10(b / a)) < 1.5 for a, b in bands)


def test_impossible_factors() -> None:
    with pytest.raises(ConfigError, match="vocal_tract_length: factor from 0.5 to 1 is outside"):
        VocalTractLength(0.5, 1.0)
