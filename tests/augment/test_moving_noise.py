from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from affekt.augment import MovingNoise
from affekt.errors import ConfigError


def added(transform: MovingNoise, rows: int = 40, frames: int = 400, seed: int = 0) -> np.ndarray:
    """The noise alone ``[rows, 32, frames]``, added to a level of 1."""
    level = np.ones((rows, 32, frames), dtype=np.float32)
    return transform(level, np.random.default_rng(seed)).astype(np.float64) - 1


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 12.0, 20.0])
def test_the_noise_has_the_ratio_that_was_asked_for(snr_db: float) -> None:
    noise = added(MovingNoise(1.0, snr_db, snr_db))
    np.testing.assert_allclose(-10 * np.log10(noise.mean(axis=(1, 2))), snr_db, atol=0.05)


def test_the_level_moves_as_much_as_it_may() -> None:
    def swing_db(transform: MovingNoise) -> np.ndarray:
        noise = added(transform).reshape(40, 32, 20, 20).mean(axis=(1, 3))  # 20 frames at a time
        return np.asarray((10 * np.log10(noise)).std(axis=1))

    assert swing_db(MovingNoise(1.0, 0, 0, swing_db=0)).max() < 0.8
    moving = swing_db(MovingNoise(1.0, 0, 0, swing_db=10, min_frames=40, max_frames=40))
    assert moving.max() > 4
    assert moving.min() < 2  # nearly still in some recordings


def test_the_colour_is_another_in_each_recording() -> None:
    bands = added(MovingNoise(1.0, 0, 0, colour_db=8, swing_db=0)).mean(axis=2)
    bands_db = 10 * np.log10(bands)
    assert 3 < bands_db.std(axis=1).mean() < 9
    assert len(set(bands_db.argmax(axis=1))) > 5
    white = added(MovingNoise(1.0, 0, 0, colour_db=0, swing_db=0)).mean(axis=2)
    assert (10 * np.log10(white)).std(axis=1).max() < 0.5


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_probability_is_the_share_of_recordings(probability: float) -> None:
    noisy = (added(MovingNoise(probability), rows=1500, frames=6) != 0).any(axis=(1, 2))
    np.testing.assert_allclose(noisy.mean(), probability, atol=0.04)


def test_silence_gets_no_noise() -> None:
    silence = np.zeros((2, 8, 10), dtype=np.float32)
    assert (MovingNoise(1.0)(silence, np.random.default_rng(0)) == 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"probability": 1.5}, r"moving_noise: probability 1\.5 is not in \[0, 1\]"),
        ({"min_snr_db": 50}, "moving_noise: min_snr_db 50 is above max_snr_db 30"),
        ({"swing_db": -3}, "moving_noise: need deviations of 0 dB or more, got 8 and -3"),
        ({"min_frames": 90}, "moving_noise: need 1 <= min_frames <= max_frames, got 90 and 80"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MovingNoise(**options)
