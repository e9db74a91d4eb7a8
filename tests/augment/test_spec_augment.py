from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from affekt.augment import SpecAugment
from affekt.errors import ConfigError

FILL = -7.0


def hidden(transform: SpecAugment, shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    """Where a transform puts its fill value: bool [batch, n_mels, frames]."""
    log_mel = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    masked = transform(log_mel, np.random.default_rng(seed + 1), fill=FILL)
    where = masked == np.float32(FILL)
    assert (masked[~where] == log_mel[~where]).all()
    return where


def runs(mask: np.ndarray) -> int:
    """Number of stretches of True in one row."""
    return int((np.diff(np.concatenate([[0], mask.astype(int)])) == 1).sum())


def test_a_frequency_mask_hides_whole_bands_side_by_side() -> None:
    where = hidden(SpecAugment(frequency_masks=1, time_masks=0, max_bands=5), (500, 16, 9))
    assert (where == where[:, :, :1]).all()
    width = where[:, :, 0].sum(axis=1)
    assert set(width) == {0, 1, 2, 3, 4, 5}
    assert max(runs(row) for row in where[:, :, 0]) == 1
    assert where[:, 0, 0].any()
    assert where[:, -1, 0].any()  # the edges can be hidden as well


def test_a_time_mask_hides_whole_frames_side_by_side() -> None:
    where = hidden(SpecAugment(frequency_masks=0, time_masks=1, max_frames=7), (500, 4, 40))
    assert (where == where[:, :1]).all()
    assert set(where[:, 0].sum(axis=1)) == set(range(8))
    assert max(runs(row) for row in where[:, 0]) == 1
    assert where[:, 0, 0].any()
    assert where[:, 0, -1].any()


def test_several_masks_hide_several_stretches() -> None:
    where = hidden(SpecAugment(frequency_masks=0, time_masks=3, max_frames=4), (300, 2, 80))
    count = [runs(row) for row in where[:, 0]]
    assert max(count) == 3
    assert where[:, 0].sum(axis=1).max() <= 12


def test_masks_wider_than_the_recording_fit_into_it() -> None:
    where = hidden(SpecAugment(1, 1, max_bands=100, max_frames=100), (200, 6, 3))
    assert where.shape == (200, 6, 3)
    assert where.all(axis=(1, 2)).any()
    assert not where.all()


def test_each_recording_has_its_own_masks() -> None:
    where = hidden(SpecAugment(0, 1, max_frames=20), (50, 2, 100))
    assert len({row.tobytes() for row in where}) > 30


@pytest.mark.parametrize("options", [(0, 0, 12, 25), (2, 2, 0, 0)])
def test_no_masks_change_nothing(options: tuple[int, int, int, int]) -> None:
    assert not hidden(SpecAugment(*options), (8, 10, 20)).any()


@pytest.mark.parametrize(
    "options",
    [{"frequency_masks": -1}, {"time_masks": -1}, {"max_bands": -2}, {"max_frames": -3}],
)
def test_negative_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="spec_augment: .* cannot be negative"):
        SpecAugment(**options)
