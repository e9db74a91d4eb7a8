from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from affekt.augment import Babble
from affekt.errors import ConfigError


def voices(count: int, frames: int = 200) -> np.ndarray:
    """Recordings of very different level, each in a band of its own ``[count, count, frames]``."""
    rng = np.random.default_rng(3)
    level = 10 ** rng.uniform(-4, 2, (count, 1))
    power = np.zeros((count, count, frames), dtype=np.float32)
    power[np.arange(count), np.arange(count)] = rng.exponential(size=(count, frames)) * level
    return power


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 12.0, 30.0])
def test_the_background_has_the_ratio_that_was_asked_for(snr_db: float) -> None:
    power = voices(12)
    noise = Babble(1.0, snr_db, snr_db)(power, np.random.default_rng(0)).astype(np.float64) - power
    found = 10 * np.log10(power.mean(axis=(1, 2)) / noise.mean(axis=(1, 2)))
    np.testing.assert_allclose(found, snr_db, atol=0.05)


def test_as_many_others_are_heard_as_were_asked_for_and_equally_loud() -> None:
    power = voices(12)
    added = Babble(1.0, 0, 0, min_voices=4, max_voices=4)(power, np.random.default_rng(0)) - power
    loudness = added.mean(axis=2)  # [recording, band]: each voice has its band
    assert ((loudness > 0).sum(axis=1) == 4).all()
    assert (np.diagonal(loudness) == 0).all()  # never oneself
    heard = loudness[0][loudness[0] > 0]
    np.testing.assert_allclose(heard, heard[0], rtol=1e-3)


def test_voices_begin_elsewhere() -> None:
    power = voices(3)
    added = Babble(1.0, 0, 0)(power, np.random.default_rng(1)) - power
    alike = np.corrcoef(added[0, 1], power[1, 1])[0, 1]
    assert abs(alike) < 0.5
    np.testing.assert_allclose(
        np.sort(added[0, 1]) / added[0, 1].max(), _scaled(power[1, 1]), atol=1e-5
    )


def _scaled(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.sort(values) / values.max())


def test_small_batches_and_silence() -> None:
    one = voices(1)
    assert (Babble(1.0)(one, np.random.default_rng(0)) == one).all()  # nobody else is there
    two = voices(2)
    assert (Babble(1.0)(two, np.random.default_rng(0)) != two).any()  # fewer than asked for
    silence = np.zeros((3, 8, 10), dtype=np.float32)
    assert (Babble(1.0)(silence, np.random.default_rng(0)) == 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"probability": -1}, r"babble: probability -1 is not in \[0, 1\]"),
        ({"min_snr_db": 50}, "babble: min_snr_db 50 is above max_snr_db 30"),
        ({"min_voices": 0}, "babble: need 1 <= min_voices <= max_voices, got 0 and 7"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Babble(**options)
