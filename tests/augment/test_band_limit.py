from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from affekt.audio.mel import hz_to_mel
from affekt.augment import BandLimit
from affekt.errors import ConfigError

N_MELS = 64


def lost_bands(transform: BandLimit, batch: int = 400, seed: int = 0) -> np.ndarray:
    """Which bands of flat spectra a transform takes away: bool [batch, n_mels]."""
    limited = transform(np.ones((batch, N_MELS, 3), dtype=np.float32), np.random.default_rng(seed))
    assert (limited == limited[:, :, :1]).all()  # alike in every frame
    return limited[:, :, 0] < 1


def test_lost_bands_are_weaker_by_the_attenuation_and_the_others_are_untouched() -> None:
    power = np.random.default_rng(0).exponential(size=(50, N_MELS, 20)).astype(np.float32)
    limited = BandLimit(1.0, max_high=0.35, max_low=0.1, attenuation_db=30)(
        power, np.random.default_rng(1)
    )
    gain_db = 10 * np.log10(limited / power)
    kept = gain_db == 0
    np.testing.assert_allclose(gain_db[~kept], -30, atol=1e-4)
    assert 0.1 < (~kept).mean() < 0.35


def test_only_the_top_is_lost_without_a_low_share() -> None:
    lost = lost_bands(BandLimit(1.0, max_high=0.25, max_low=0))
    count = lost.sum(axis=1)
    expected = np.arange(N_MELS) >= N_MELS - count[:, None]
    assert (lost == expected).all()
    assert count.max() == 15  # whole bands only, of 16 that are in the share
    assert count.min() == 0
    np.testing.assert_allclose(count.mean(), 7.5, atol=1)


def test_only_the_bottom_is_lost_without_a_high_share() -> None:
    lost = lost_bands(BandLimit(1.0, max_high=0, max_low=0.125))
    count = lost.sum(axis=1)
    assert (lost == (np.arange(N_MELS) < count[:, None])).all()
    assert count.max() == 8


def test_the_shares_mean_the_frequencies_that_the_docstring_says() -> None:
    low, high = hz_to_mel(np.array([50.0, 8000.0]))
    mel = hz_to_mel(np.array([400.0, 2700.0, 3400.0]))
    share_below = (mel - low) / (high - low)
    np.testing.assert_allclose(share_below, [0.12, 1 - 0.35, 1 - 0.28], atol=0.01)


def test_the_smallest_shares_are_always_lost() -> None:
    lost = lost_bands(BandLimit(1.0, max_high=0.3, max_low=0.2, min_high=0.25, min_low=0.125))
    assert lost[:, -16:].all()
    assert lost[:, :8].all()
    assert not lost[:, 13:-19].any()


@pytest.mark.parametrize("probability", [0.0, 0.2, 1.0])
def test_probability_is_the_share_of_recordings(probability: float) -> None:
    lost = lost_bands(BandLimit(probability, max_high=0.3, max_low=0.2), batch=2000)
    # With these shares nearly every recording that is limited loses a band or more.
    np.testing.assert_allclose(lost.any(axis=1).mean(), probability, atol=0.03)
    if probability == 0:
        assert not lost.any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_high": 0.5}, r"band_limit: min_high 0\.5 is not in 0\.\.max_high 0\.35"),
        ({"min_low": -1}, r"band_limit: min_low -1 is not in 0\.\.max_low 0\.12"),
        ({"probability": 1.5}, r"band_limit: probability 1\.5 is not in \[0, 1\]"),
        ({"probability": float("nan")}, "band_limit: probability nan"),
        ({"max_high": -0.1, "max_low": 0.1}, r"band_limit: shares -0\.1 and 0\.1 leave no band"),
        ({"max_high": 0.6, "max_low": 0.4}, "band_limit: shares 0.6 and 0.4 leave no band"),
        ({"attenuation_db": -6}, "band_limit: attenuation_db -6 would amplify"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BandLimit(**options)
