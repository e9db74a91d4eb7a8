from __future__ import annotations

import numpy as np
import pytest

from affekt.augment import ChannelTilt
from affekt.errors import ConfigError


def gains_db(transform: ChannelTilt, batch: int = 4000, n_mels: int = 32) -> np.ndarray:
    """Gain of every band of every recording: [batch, n_mels], in dB."""
    rng = np.random.default_rng(0)
    power = rng.exponential(size=(batch, n_mels, 4)).astype(np.float32)
    gain_db = 10 * np.log10(transform(power, rng) / power)
    np.testing.assert_allclose(
        gain_db, np.broadcast_to(gain_db[:, :, :1], gain_db.shape), atol=1e-4
    )
    return gain_db[:, :, 0]


def test_the_gain_is_a_straight_line_over_the_bands() -> None:
    gain_db = gains_db(ChannelTilt(tilt_db=4, level_db=2))
    np.testing.assert_allclose(np.diff(gain_db, n=2, axis=1), 0, atol=1e-4)


def test_the_ends_differ_by_what_tilt_says() -> None:
    gain_db = gains_db(ChannelTilt(tilt_db=4, level_db=0))
    np.testing.assert_allclose(gain_db[:, 0], -gain_db[:, -1], atol=1e-4)
    np.testing.assert_allclose(gain_db[:, -1].std(), 4, rtol=0.05)
    np.testing.assert_allclose(gain_db[:, -1].mean(), 0, atol=0.2)


def test_the_level_is_common_to_all_bands() -> None:
    gain_db = gains_db(ChannelTilt(tilt_db=0, level_db=3))
    np.testing.assert_allclose(np.ptp(gain_db, axis=1), 0, atol=1e-4)
    np.testing.assert_allclose(gain_db[:, 0].std(), 3, rtol=0.05)


def test_zero_changes_nothing() -> None:
    assert (gains_db(ChannelTilt(0, 0), batch=10) == 0).all()


@pytest.mark.parametrize(("tilt_db", "level_db"), [(-1, 0), (0, -0.5)])
def test_negative_deviations_are_refused(tilt_db: float, level_db: float) -> None:
    with pytest.raises(ConfigError, match="channel_tilt: need deviations of 0 dB or more"):
        ChannelTilt(tilt_db, level_db)
