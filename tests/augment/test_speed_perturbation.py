"""Duration and pitch change by the same factor."""

from __future__ import annotations

import numpy as np
import pytest
from voice import RATE, measure_pitch, vowel

from affekt.augment import SpeedPerturbation
from affekt.augment.speed_perturbation import change_speed, resample_to
from affekt.errors import ConfigError


@pytest.mark.parametrize("rate", [0.8, 0.9, 0.987, 1.1, 1.25])
def test_duration_and_pitch_change_by_the_rate(rate: float) -> None:
    given = vowel(120.0, seconds=1.3)
    changed = change_speed(given, rate)
    assert len(changed) == round(len(given) / rate)
    assert measure_pitch(changed) == pytest.approx(120 * rate, rel=0.002)


def test_rate_one_changes_nothing() -> None:
    given = vowel()
    assert (change_speed(given, 1.0) == given).all()


@pytest.mark.parametrize("length", [1, 2, 15_999, 16_001, 23_456])
def test_any_length_is_met(length: int) -> None:
    assert resample_to(vowel(), length).shape == (length,)


def test_rates_are_drawn_from_the_range() -> None:
    given = vowel(seconds=0.5)
    transform = SpeedPerturbation(0.9, 1.1)
    drawn = [len(given) / len(transform(given, RATE, np.random.default_rng(s))) for s in range(60)]
    assert 0.899 < min(drawn) < 0.92
    assert 1.08 < max(drawn) < 1.101


def test_impossible_ranges() -> None:
    with pytest.raises(ConfigError, match="speed_perturbation: min_rate 2 is above max_rate 1"):
        SpeedPerturbation(2.0, 1.0)
