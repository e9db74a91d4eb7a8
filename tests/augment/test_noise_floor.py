from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from affekt.augment import NoiseFloor
from affekt.errors import ConfigError


def speech(batch: int, frames: int = 3000, n_mels: int = 24) -> np.ndarray:
    """Mel power that falls with frequency, of recordings of very different level."""
    rng = np.random.default_rng(3)
    fall = 10 ** (-np.linspace(0, 4, n_mels))[None, :, None]
    level = 10 ** rng.uniform(-4, 2, (batch, 1, 1))
    return (rng.exponential(size=(batch, n_mels, frames)) * fall * level).astype(np.float32)


def added(transform: NoiseFloor, power: np.ndarray, seed: int = 0) -> np.ndarray:
    """The noise alone, in float64."""
    noisy = transform(power, np.random.default_rng(seed))
    return noisy.astype(np.float64) - power


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 12.0, 30.0])
def test_the_noise_has_the_ratio_that_was_asked_for(snr_db: float) -> None:
    power = speech(16)
    noise = added(NoiseFloor(1.0, snr_db, snr_db), power)
    found = 10 * np.log10(power.mean(axis=(1, 2)) / noise.mean(axis=(1, 2)))
    np.testing.assert_allclose(found, snr_db, atol=0.15)
    np.testing.assert_allclose(found.mean(), snr_db, atol=0.1)


def test_the_ratio_is_drawn_from_the_range() -> None:
    power = speech(300, frames=400)
    noise = added(NoiseFloor(1.0, 5, 25, slope_db=0), power)
    found = 10 * np.log10(power.mean(axis=(1, 2)) / noise.mean(axis=(1, 2)))
    assert 4.5 < found.min() < 7
    assert 23 < found.max() < 25.5
    np.testing.assert_allclose(found.mean(), 15, atol=1)


def test_the_slope_lies_between_a_fall_and_a_third_of_it_upwards() -> None:
    noise = added(NoiseFloor(1.0, 0, 0, slope_db=18), speech(200))
    band_db = 10 * np.log10(noise.mean(axis=2))
    slope_db = band_db[:, -1] - band_db[:, 0]
    assert -18.5 < slope_db.min() < -16
    assert 5 < slope_db.max() < 6.5
    # A straight line in dB over the bands.
    line = band_db[:, :1] + slope_db[:, None] * np.linspace(0, 1, band_db.shape[1])
    np.testing.assert_allclose(band_db, line, atol=0.5)


def test_the_noise_is_that_of_a_gaussian_waveform() -> None:
    """Power of Gaussian noise is exponential: its deviation equals its mean."""
    noise = added(NoiseFloor(1.0, 0, 0, slope_db=0), speech(4))
    np.testing.assert_allclose(noise.std(axis=2) / noise.mean(axis=2), 1, atol=0.08)
    assert noise.min() >= -1e-3 * noise.mean()


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_probability_is_the_share_of_recordings(probability: float) -> None:
    noise = added(NoiseFloor(probability), speech(2000, frames=5))
    np.testing.assert_allclose((noise != 0).any(axis=(1, 2)).mean(), probability, atol=0.03)


def test_silence_gets_no_noise() -> None:
    silence = np.zeros((2, 8, 10), dtype=np.float32)
    assert (NoiseFloor(1.0)(silence, np.random.default_rng(0)) == 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"probability": -0.1}, r"noise_floor: probability -0\.1 is not in \[0, 1\]"),
        ({"min_snr_db": 50, "max_snr_db": 45}, "noise_floor: min_snr_db 50 is above max_snr_db 45"),
        ({"slope_db": -3}, "noise_floor: slope_db cannot be negative, got -3"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        NoiseFloor(**options)
