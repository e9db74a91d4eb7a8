"""A stretch of another recording, and exactly as much of its label."""

from __future__ import annotations

import numpy as np
import pytest

from affekt.augment import CutMix
from affekt.errors import ConfigError

LENGTHS = np.array([100, 80, 120, 3, 1])


def draws(cutmix: CutMix, count: int = 200) -> list:
    generator = np.random.default_rng(0)
    return [cutmix.draw(LENGTHS, generator) for _ in range(count)]


def test_the_share_is_what_is_left() -> None:
    for drawn in draws(CutMix(1.0)):
        taken, partner, share = drawn
        assert taken.shape == (5, 120)
        assert sorted(partner) == [0, 1, 2, 3, 4]
        np.testing.assert_allclose(share, 1 - taken.sum(axis=1) / LENGTHS)
        assert (share >= 0.5 - 1e-9).all()


def test_one_stretch_within_both_recordings() -> None:
    for taken, partner, _ in draws(CutMix(1.0)):
        for row, length, other in zip(taken, LENGTHS, LENGTHS[partner], strict=True):
            places = np.flatnonzero(row)
            if len(places):
                assert places[-1] < min(length, other)
                assert len(places) == places[-1] - places[0] + 1


def test_stretches_differ() -> None:
    widths = [taken[0].sum() for taken, _, _ in draws(CutMix(1.0))]
    assert min(widths) < 5
    assert max(widths) > 40


def test_the_probability_is_that_of_a_batch() -> None:
    cut = sum(drawn is not None for drawn in draws(CutMix(0.3), 1000))
    assert 250 < cut < 350


def test_off_draws_nothing() -> None:
    generator = np.random.default_rng(0)
    before = generator.bit_generator.state
    assert CutMix().draw(LENGTHS, generator) is None
    assert generator.bit_generator.state == before


def test_impossible_options() -> None:
    with pytest.raises(ConfigError, match=r"cutmix: probability 2 is not in \[0, 1\]"):
        CutMix(probability=2)
    with pytest.raises(ConfigError, match="cutmix: alpha must be positive, got 0"):
        CutMix(alpha=0)
