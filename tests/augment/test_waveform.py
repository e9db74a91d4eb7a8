"""What all waveform transforms promise, whatever they do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from voice import RATE, vowel

from affekt.augment import TRANSFORMS, WaveformTransform, get_transform
from affekt.augment.waveform import fast_length
from affekt.errors import AudioError

NAMES = list(TRANSFORMS)


@pytest.fixture(params=NAMES)
def transform(
    request: pytest.FixtureRequest, noise_folder: Path, room_folder: Path
) -> WaveformTransform:
    folders = {"background_noise": noise_folder, "room_impulse_response": room_folder}
    folder = folders.get(request.param)
    return get_transform(request.param, {"folder": str(folder)} if folder else {})


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    """2.1 s: longer than every sound of the noise folder, and than what a crop keeps."""
    rng = np.random.default_rng(0)
    return vowel(seconds=2.1) + rng.normal(0, 1e-3, round(2.1 * RATE)).astype(np.float32)


def rng(seed: int = 5) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_result_is_new_finite_float32(transform: WaveformTransform, voice: np.ndarray) -> None:
    before = voice.copy()
    changed = transform(voice, RATE, rng())
    assert changed.dtype == np.float32
    assert changed.ndim == 1
    assert np.isfinite(changed).all()
    assert not np.shares_memory(changed, voice)
    assert (voice == before).all()
    assert changed.shape != voice.shape or (changed != voice).any()


def test_a_read_only_recording_is_enough(transform: WaveformTransform, voice: np.ndarray) -> None:
    locked = voice.copy()
    locked.flags.writeable = False
    assert (transform(locked, RATE, rng()) == transform(voice, RATE, rng())).all()


def test_the_length_rule(transform: WaveformTransform, voice: np.ndarray) -> None:
    for seed in range(3):
        same = len(transform(voice, RATE, rng(seed))) == len(voice)
        assert same or not transform.keeps_length
    if not transform.keeps_length:
        assert any(len(transform(voice, RATE, rng(s))) != len(voice) for s in range(3))


def test_the_same_seed_gives_the_same(transform: WaveformTransform, voice: np.ndarray) -> None:
    assert (transform(voice, RATE, rng(1)) == transform(voice, RATE, rng(1))).all()


def test_workers_draw_differently(transform: WaveformTransform, voice: np.ndarray) -> None:
    # 24 kinds and rates of codec may be drawn alike twice; not six times.
    seeds = np.random.SeedSequence(7).spawn(6)
    results = [transform(voice, RATE, np.random.default_rng(seed)) for seed in seeds]
    assert any(not np.array_equal(results[0], result) for result in results[1:])


def test_the_generator_moves_on(transform: WaveformTransform, voice: np.ndarray) -> None:
    generator = rng()
    state = generator.bit_generator.state
    transform(voice, RATE, generator)
    assert generator.bit_generator.state != state


def test_a_batch_equals_one_by_one(transform: WaveformTransform, voice: np.ndarray) -> None:
    batch = np.stack([voice, voice[::-1], 0.1 * voice])
    together = transform(batch, RATE, rng())
    generator = rng()
    for row, result in zip(batch, together, strict=True):
        # What changes the length draws alike for all rows; the rest goes on drawing.
        own = generator if transform.keeps_length else rng()
        np.testing.assert_array_equal(result, transform(row, RATE, own))


@pytest.mark.parametrize("length", [1, 2, 7, 100, 399])
def test_a_clip_shorter_than_a_window(transform: WaveformTransform, length: int) -> None:
    short = vowel(seconds=0.1)[:length]
    changed = transform(short, RATE, rng())
    assert np.isfinite(changed).all()
    assert len(changed) >= 1
    if transform.keeps_length:
        assert len(changed) == length


def test_silence_stays_silent(transform: WaveformTransform) -> None:
    changed = transform(np.zeros(RATE, dtype=np.float32), RATE, rng())
    # A lossy codec may leave its last bit; nobody hears -80 dBFS.
    assert np.abs(changed).max() < 1e-4


@pytest.mark.parametrize("level", [0.5, -1.0, 1e-6])
def test_a_constant_stays_finite(transform: WaveformTransform, level: float) -> None:
    changed = transform(np.full(RATE, level, dtype=np.float32), RATE, rng())
    assert np.isfinite(changed).all()


def test_other_rates(transform: WaveformTransform) -> None:
    for rate in (8_000, 44_100):
        given = vowel(seconds=0.7, rate=rate)
        changed = transform(given, rate, rng())
        assert np.isfinite(changed).all()
        assert len(changed) == len(given) or not transform.keeps_length


def test_what_is_no_recording_is_refused(transform: WaveformTransform) -> None:
    with pytest.raises(AudioError, match=rf"{transform.name}: samples of type int16 .* floats"):
        transform(np.zeros(100, dtype=np.int16), RATE, rng())
    with pytest.raises(AudioError, match=r"expected \[samples\] or \[batch, samples\]"):
        transform(np.zeros(0, dtype=np.float32), RATE, rng())
    with pytest.raises(AudioError, match=r"got shape \(1, 2, 3\)"):
        transform(np.zeros((1, 2, 3), dtype=np.float32), RATE, rng())
    with pytest.raises(AudioError, match="NaN or infinite"):
        transform(np.array([0, np.nan], dtype=np.float32), RATE, rng())
    with pytest.raises(AudioError, match="sample rate of 0 Hz"):
        transform(np.zeros(100, dtype=np.float32), 0, rng())


def test_float64_is_taken_and_rounded(transform: WaveformTransform, voice: np.ndarray) -> None:
    changed = transform(voice.astype(np.float64), RATE, rng())
    np.testing.assert_array_equal(changed, transform(voice, RATE, rng()))


@pytest.mark.parametrize("length", [1, 2, 7, 11, 97, 4097, 51_234])
def test_fast_lengths_have_small_factors(length: int) -> None:
    found = fast_length(length)
    assert length <= found < 1.2 * length + 1
    for factor in (2, 3, 5):
        while found % factor == 0:
            found //= factor
    assert found == 1
