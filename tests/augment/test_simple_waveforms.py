"""Gain, clipping, dropouts, crops and shifts do what they say."""

from __future__ import annotations

import numpy as np
import pytest
from voice import RATE, vowel

from affekt.augment import (
    Clipping,
    Dropouts,
    Gain,
    PadEnds,
    RandomCrop,
    RandomShift,
    SyntheticNoise,
)
from affekt.augment.clipping import clip_share
from affekt.errors import ConfigError


def noise(seconds: float = 1.0) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


@pytest.mark.parametrize("gain_db", [-20.0, 0.0, 6.0])
def test_gain_is_in_decibels(gain_db: float) -> None:
    louder = Gain(gain_db, gain_db)(vowel(), RATE, np.random.default_rng(0))
    np.testing.assert_allclose(louder, vowel() * 10 ** (gain_db / 20), rtol=1e-6)


def test_gains_are_drawn_from_the_range() -> None:
    generator = np.random.default_rng(0)
    ratios = [Gain(-6, 6)(vowel(), RATE, generator).max() / 0.5 for _ in range(100)]
    assert 10 ** (-6 / 20) <= min(ratios) < 0.6
    assert 1.8 < max(ratios) <= 10 ** (6 / 20) * 1.0001


@pytest.mark.parametrize("share", [0.01, 0.1, 0.4])
@pytest.mark.parametrize("level", [1.0, 0.01])
def test_clipping_cuts_the_share(share: float, level: float) -> None:
    given = noise() * np.float32(level)
    cut = clip_share(given, share)
    ceiling = np.abs(cut).max()
    assert np.mean(np.abs(given) > ceiling) == pytest.approx(share, abs=1e-4)
    inside = np.abs(given) <= ceiling
    assert (cut[inside] == given[inside]).all()
    assert (np.sign(cut) == np.sign(given)).all()


def test_no_share_cuts_nothing() -> None:
    assert (clip_share(noise(), 0.0) == noise()).all()


def runs_of_zeros(samples: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], samples == 0, [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def test_dropouts_have_their_number_and_duration() -> None:
    given = noise(3.0) + 1  # never zero by itself
    for seed in range(20):
        dropped = Dropouts(3, 6, 20, 40)(given, RATE, np.random.default_rng(seed))
        runs = runs_of_zeros(dropped)
        assert 3 <= len(runs) <= 6
        assert all(320 <= end - start <= 640 for start, end in runs)
        kept = dropped != 0
        assert (dropped[kept] == given[kept]).all()


def test_half_of_a_short_clip_survives() -> None:
    for length in (1, 2, 3, 50, 333):
        dropped = Dropouts(5, 5, 60, 60)(noise()[:length], RATE, np.random.default_rng(0))
        assert np.mean(dropped != 0) >= 0.5


def test_a_crop_is_a_stretch_of_the_recording() -> None:
    given = np.arange(3 * RATE, dtype=np.float32)
    starts = set()
    for seed in range(30):
        kept = RandomCrop(0.5)(given, RATE, np.random.default_rng(seed))
        assert len(kept) == RATE // 2
        assert (kept == np.arange(len(kept)) + kept[0]).all()
        starts.add(kept[0])
    assert len(starts) > 20
    assert min(starts) < RATE / 2
    assert max(starts) > 2 * RATE


def test_a_crop_of_all_is_all() -> None:
    given = np.arange(RATE, dtype=np.float32)
    for seconds in (1.0, 5.0):
        assert (RandomCrop(seconds)(given, RATE, np.random.default_rng(0)) == given).all()


def test_a_shift_moves_and_leaves_silence() -> None:
    given = np.arange(1, RATE + 1, dtype=np.float32)
    moves = []
    for seed in range(40):
        shifted = RandomShift(0.1)(given, RATE, np.random.default_rng(seed))
        assert len(shifted) == len(given)
        (move,) = set((np.arange(1, RATE + 1) - shifted)[shifted > 0].astype(int))
        silent = shifted == 0
        assert silent.sum() == abs(move)
        assert silent[:move].all() if move > 0 else silent[len(given) + move :].all()
        moves.append(move)
    assert min(moves) >= -1600
    assert max(moves) <= 1600
    assert min(moves) < -1000 < 1000 < max(moves)


def test_ends_are_silent_or_the_floor_and_the_recording_stays() -> None:
    quiet = np.full(RATE // 20, 1e-3, dtype=np.float32)
    given = np.concatenate([noise()[:RATE], quiet, noise()[:RATE]])
    lengths = []
    for seed in range(20):
        silent, floor = (
            PadEnds(0.5, share)(given, RATE, np.random.default_rng(seed)) for share in (0, 1)
        )
        (start,) = np.flatnonzero(silent)[:1]
        assert (silent[start : start + len(given)] == given).all()
        assert (silent[:start] == 0).all()
        assert (silent[start + len(given) :] == 0).all()
        assert (floor[start : start + len(given)] == given).all()
        assert (floor[:start] == np.float32(1e-3)).all()
        assert (floor[start + len(given) :] == np.float32(1e-3)).all()
        lengths += [start, len(silent) - start - len(given)]
    assert max(lengths) <= RATE / 2
    assert np.ptp(lengths) > RATE / 4


def test_synthetic_noise_has_the_level_that_was_asked_for_and_another_colour_each_time() -> None:
    given = noise()[:RATE]
    colours = []
    for seed in range(8):
        noisy = SyntheticNoise(10, 10)(given, RATE, np.random.default_rng(seed))
        added = (noisy - given).astype(np.float64)
        assert 10 * np.log10(np.mean(given**2) / np.mean(added**2)) == pytest.approx(10, abs=0.01)
        power = np.abs(np.fft.rfft(added)) ** 2
        low, high = power[: len(power) // 4].mean(), power[len(power) // 4 :].mean()
        colours.append(10 * np.log10(low / high))
    assert np.ptp(colours) > 6


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PadEnds(0), "pad_ends: max_seconds must be above 0 and at most 60, got 0"),
        (lambda: PadEnds(1, 2), "pad_ends: probability 2 is not in"),
        (lambda: SyntheticNoise(9, 3), "synthetic_noise: min_snr_db 9 is above max_snr_db 3"),
        (lambda: Gain(6, -6), "gain: min_gain_db 6 is above max_gain_db -6"),
        (lambda: Clipping(0, 0.9), "clipping: share from 0 to 0.9 is outside 0 to 0.5"),
        (lambda: Dropouts(0, 0), "dropouts: max_count 0 would drop nothing"),
        (lambda: Dropouts(min_ms=-1), "dropouts: ms from -1 to 60 is outside"),
        (lambda: RandomCrop(0), "random_crop: seconds must be positive, got 0"),
        (lambda: RandomShift(-1), "random_shift: max_seconds must be positive, got -1"),
        (lambda: Gain(float("nan"), 0), "gain: min_gain_db nan is above"),
    ],
)
def test_impossible_options(make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError, match=message):
        make()
