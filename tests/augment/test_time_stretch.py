"""Tempo changes by the rate; pitch and formants stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from voice import RATE, measure_formants, measure_pitch, pitch_moved, vowel

from affekt.audio import load_audio
from affekt.augment import TimeStretch
from affekt.augment.time_stretch import time_stretch
from affekt.errors import ConfigError

RATES = [0.8, 0.9, 0.97, 1.1, 1.2]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("length", [16_000, 40_001, 5_003])
def test_the_duration_changes_by_the_rate(rate: float, length: int) -> None:
    given = vowel(seconds=3)[:length]
    assert len(time_stretch(given, rate, RATE)) == round(length / rate)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("pitch", [85.0, 125.0, 220.0, 310.0])
def test_pitch_and_formants_stay(pitch: float, rate: float) -> None:
    given = vowel(pitch, seconds=1.5)
    changed = time_stretch(given, rate, RATE)
    assert abs(12 * np.log2(measure_pitch(changed) / pitch)) < 0.03  # semitones
    np.testing.assert_allclose(measure_formants(changed), measure_formants(given), rtol=0.01)


@pytest.mark.parametrize("rate", [0.8, 1.2])
def test_the_pitch_of_a_real_voice_stays(rate: float, recordings: list[Path]) -> None:
    for file in recordings:
        given = load_audio(file)
        moved = pitch_moved(given, time_stretch(given, rate, RATE), rate)
        assert len(moved) > 25
        assert abs(np.median(moved)) < 0.1
        assert np.mean(np.abs(moved) < 0.7) > 0.8  # windows move, and the pitch glides meanwhile


@pytest.mark.parametrize("rate", RATES)
def test_events_come_at_their_time(rate: float) -> None:
    given = np.zeros(2 * RATE, dtype=np.float32)
    noise = np.random.default_rng(0).normal(0, 0.2, RATE // 10)
    for second in (0.3, 0.9, 1.5):
        given[round(second * RATE) : round(second * RATE) + len(noise)] = noise
    changed = time_stretch(given, rate, RATE)
    loud = np.convolve(np.square(changed), np.ones(800), "same")
    for second in (0.35, 0.95, 1.55):  # the middle of each
        due = round(second / rate * RATE)
        around = slice(due - 2400, due + 2400)
        centre = np.average(np.arange(around.start, around.stop), weights=loud[around])
        assert abs(centre - due) < 0.012 * RATE


@pytest.mark.parametrize("frequency", [87.3, 217.3, 1043.7, 3011.3])
def test_a_sine_stays_a_sine(frequency: float) -> None:
    given = np.sin(2 * np.pi * frequency * np.arange(3 * RATE) / RATE).astype(np.float32)
    changed = time_stretch(given, 1.13, RATE)[RATE // 2 : 2 * RATE]
    power = np.abs(np.fft.rfft(changed * np.hanning(len(changed)))) ** 2
    peak = int(power.argmax())
    assert abs(peak * RATE / len(changed) - frequency) < 1
    line = power[peak - 4 : peak + 5].sum()
    assert 10 * np.log10(line / (power.sum() - line)) > 30  # dB of the tone above all else


def test_the_level_stays() -> None:
    given = vowel(seconds=2)
    changed = time_stretch(given, 0.85, RATE)
    assert np.sqrt(np.mean(changed**2) / np.mean(given**2)) == pytest.approx(1, abs=0.02)


def test_rate_one_changes_nothing() -> None:
    given = vowel()
    assert (time_stretch(given, 1.0, RATE) == given).all()


def test_a_constant_stays_constant() -> None:
    changed = time_stretch(np.full(RATE, 0.25, dtype=np.float32), 0.9, RATE)
    np.testing.assert_allclose(changed[RATE // 20 : -RATE // 20], 0.25, rtol=1e-5)


def test_rates_are_drawn_from_the_range() -> None:
    given = vowel(seconds=0.5)
    transform = TimeStretch(0.9, 1.2)
    drawn = [len(given) / len(transform(given, RATE, np.random.default_rng(s))) for s in range(60)]
    assert 0.899 < min(drawn) < 0.93
    assert 1.17 < max(drawn) < 1.201


def test_impossible_ranges() -> None:
    with pytest.raises(ConfigError, match=r"time_stretch: min_rate 1.2 is above max_rate 0.8"):
        TimeStretch(1.2, 0.8)
    with pytest.raises(ConfigError, match=r"time_stretch: rate from 0.1 to 1 is outside 0.5 to 2"):
        TimeStretch(0.1, 1.0)
