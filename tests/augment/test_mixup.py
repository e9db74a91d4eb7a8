from __future__ import annotations

import numpy as np
import pytest

from affekt.augment import Mixup
from affekt.errors import ConfigError


def draws(alpha: float, count: int = 2000) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.array([Mixup(alpha).draw(4, rng)[0] for _ in range(count)])


def test_the_first_recording_has_the_larger_share() -> None:
    shares = draws(0.4)
    assert shares.min() >= 0.5
    assert shares.max() <= 1
    assert shares.min() < 0.55
    assert shares.max() > 0.95


def test_a_larger_alpha_blends_more() -> None:
    # max(b, 1 - b) of a uniform b (alpha 1) has the mean 3/4.
    np.testing.assert_allclose(draws(1.0).mean(), 0.75, atol=0.01)
    assert draws(0.1).mean() > 0.9
    assert draws(20.0).mean() < 0.6


def test_every_recording_is_partner_once() -> None:
    rng = np.random.default_rng(1)
    partners = [Mixup(0.2).draw(9, rng)[1] for _ in range(20)]
    assert all(sorted(partner) == list(range(9)) for partner in partners)
    assert len({tuple(partner) for partner in partners}) > 15


def test_alpha_zero_blends_nothing() -> None:
    share, partner = Mixup(0).draw(5, np.random.default_rng(0))
    assert share == 1.0
    assert partner.tolist() == [0, 1, 2, 3, 4]


def test_the_seed_decides() -> None:
    first, again, other = (Mixup(0.3).draw(30, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first[0] == again[0] != other[0]
    assert (first[1] == again[1]).all()
    assert (first[1] != other[1]).any()


def test_a_negative_alpha_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"mixup: alpha cannot be negative, got -0\.1"):
        Mixup(-0.1)
