"""What all transforms promise: the generator decides, the input stays, shape and kind are kept."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from affekt.augment import Babble, BandLimit, ChannelTilt, MovingNoise, NoiseFloor, SpecAugment

Transform = Callable[[np.ndarray, np.random.Generator], np.ndarray]
TRANSFORMS = [
    Babble(1.0),
    BandLimit(1.0),
    ChannelTilt(),
    MovingNoise(1.0),
    NoiseFloor(1.0),
    SpecAugment(),
]
SHAPES = [(1, 1, 1), (3, 64, 1), (5, 64, 120), (2, 40, 301)]


def power(shape: tuple[int, int, int]) -> np.ndarray:
    return np.random.default_rng(9).exponential(size=shape).astype(np.float32)


@pytest.fixture(params=TRANSFORMS, ids=lambda transform: type(transform).__name__)
def transform(request: pytest.FixtureRequest) -> Transform:
    found: Transform = request.param
    return found


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shape_and_kind_are_kept(transform: Transform, shape: tuple[int, int, int]) -> None:
    changed = transform(power(shape), np.random.default_rng(0))
    assert changed.shape == shape
    assert changed.dtype == np.float32
    assert np.isfinite(changed).all()
    assert (changed >= 0).all()


def test_something_changes_and_the_input_does_not(transform: Transform) -> None:
    given = power((6, 64, 100))
    before = given.copy()
    changed = transform(given, np.random.default_rng(0))
    assert (given == before).all()
    assert (changed != given).any()
    assert not np.shares_memory(changed, given)


def test_the_generator_decides(transform: Transform) -> None:
    given = power((6, 64, 100))
    first, again, other = (transform(given, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert (first == again).all()
    assert (first != other).any()


def test_the_generator_moves_on(transform: Transform) -> None:
    given, rng = power((6, 64, 100)), np.random.default_rng(5)
    assert (transform(given, rng) != transform(given, rng)).any()


def test_extreme_levels_stay_finite(transform: Transform) -> None:
    for level in (0.0, 1e-12, 1e12):
        given = power((2, 64, 50)) * np.float32(level)
        assert np.isfinite(transform(given, np.random.default_rng(0))).all()
