from __future__ import annotations

import numpy as np
import pytest

from affekt.audio.mel import mel_edges, mel_filterbank
from affekt.augment import Warp
from affekt.augment.warp import shifted, stretched
from affekt.errors import ConfigError

RATE, N_FFT, N_MELS, F_MIN, F_MAX = 16000, 2048, 64, 50.0, 8000.0


def log_mel_of(tones: tuple[float, ...]) -> np.ndarray:
    """Log-mel ``[n_mels, 1]`` of a second with tones at so many Hz."""
    time = np.arange(N_FFT) / RATE
    sound = sum(np.sin(2 * np.pi * hz * time) for hz in tones) * np.hanning(N_FFT)
    power = np.abs(np.fft.rfft(sound)) ** 2
    return np.log(mel_filterbank(RATE, N_FFT, N_MELS, F_MIN, F_MAX) @ power + 1e-3)[:, None]


@pytest.mark.parametrize("frequency", [0.85, 1.0, 1.12])
def test_what_is_shifted_is_what_a_higher_voice_gives(frequency: float) -> None:
    """Bands of a sound shifted have their peaks where those of the higher sound have them."""
    found = shifted(log_mel_of((1000.0, 3000.0)), frequency, F_MIN, F_MAX)[:, 0]
    expected = log_mel_of((1000.0 * frequency, 3000.0 * frequency))[:, 0]
    for half in (slice(0, 36), slice(36, 64)):
        assert abs(found[half].argmax() - expected[half].argmax()) <= 1


def test_bands_from_beyond_are_as_the_outermost() -> None:
    rising = np.arange(N_MELS, dtype=np.float32)[:, None]
    found = shifted(rising, 0.5, F_MIN, F_MAX)
    centres = mel_edges(N_MELS, F_MIN, F_MAX)[1:-1]
    assert (found[centres > F_MAX / 2] == N_MELS - 1).all()
    assert (np.diff(found[:, 0]) >= 0).all()


@pytest.mark.parametrize("tempo", [0.5, 0.87, 1.0, 1.15, 2.0])
def test_a_faster_recording_is_shorter_and_keeps_its_course(tempo: float) -> None:
    frames = np.sin(np.arange(300) / 20)[None] * np.ones((3, 1))
    found = stretched(frames, tempo)
    assert found.shape == (3, round(300 / tempo))
    inside = np.arange(found.shape[1]) * tempo < 299
    expected = np.sin(np.arange(found.shape[1]) * tempo / 20)
    np.testing.assert_allclose(found[0][inside], expected[inside], atol=1e-3)


def test_a_single_frame_can_be_stretched() -> None:
    assert stretched(np.ones((4, 1)), 2.0).shape == (4, 1)


def test_tempo_and_frequency_are_drawn_apart_and_evenly_around_1() -> None:
    rng, warp = np.random.default_rng(0), Warp(probability=0.5, tempo=0.2, frequency=0.1)
    drawn = np.array([warp.draw(rng) for _ in range(4000)])
    still = (drawn == 1).all(axis=1)
    assert still.mean() == pytest.approx(0.5, abs=0.03)
    moved = np.log(drawn[~still])
    limits = np.log([1.2, 1.1])
    assert (np.abs(moved) <= limits).all()
    assert (np.abs(moved).max(axis=0) > 0.95 * limits).all()
    np.testing.assert_allclose(moved.mean(axis=0), 0, atol=0.01)
    assert abs(np.corrcoef(moved.T)[0, 1]) < 0.06


def test_nothing_is_drawn_where_nothing_warps() -> None:
    rng = np.random.default_rng(0)
    state = rng.bit_generator.state
    assert Warp().draw(rng) == (1.0, 1.0)
    assert rng.bit_generator.state == state


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"probability": 1.5}, r"warp: probability must be in 0\.\.1, got 1\.5"),
        ({"tempo": -0.1}, r"warp: tempo must be in 0\.\.1, got -0\.1"),
        ({"frequency": 1.5}, r"warp: frequency must be in 0\.\.1, got 1\.5"),
    ],
)
def test_impossible_options(options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Warp(**options)
