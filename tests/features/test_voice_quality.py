"""Jitter, shimmer and HNR of voices whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from affekt.features import FeatureSettings
from affekt.features.pitch import Pitch
from affekt.features.voice_quality import (
    HNR_RANGE_DB,
    harmonics_to_noise,
    jitter_and_shimmer,
    period_marks,
    stretches,
)

RATE = 16000
SETTINGS = FeatureSettings()
SECONDS = 1.5


def known_pitch(hz: float, samples: np.ndarray) -> Pitch:
    frames = SETTINGS.frames(len(samples))
    return Pitch(np.full(frames, hz, np.float32), np.ones(frames, np.float32))


def voice(hz: float, jitter: float = 0.0, shimmer: float = 0.0) -> tuple[np.ndarray, ...]:
    """Return pulses through a resonance, with the lengths and amplitudes of their periods."""
    rng = np.random.default_rng(0)
    count = int(SECONDS * hz)
    lengths = RATE / hz * (1 + jitter * rng.normal(size=count))
    amplitudes = 1 + shimmer * rng.normal(size=count)
    times = np.arange(int(SECONDS * RATE))
    samples = np.zeros(len(times))
    for place, amplitude in zip(np.cumsum(lengths), amplitudes, strict=True):
        since = times - place
        ring = np.exp(-np.maximum(since, 0) / 20) * np.sin(2 * np.pi * 700 / RATE * since)
        samples += amplitude * np.where(since >= 0, ring, 0)
    return samples.astype(np.float32), lengths, amplitudes


@pytest.mark.parametrize("hz", [90, 133.7, 250])
def test_a_regular_voice_has_neither(hz: float) -> None:
    samples, _, _ = voice(hz)
    found = jitter_and_shimmer(samples, known_pitch(hz, samples))
    assert found["jitter_local"] < 0.002
    assert found["jitter_rap"] < 0.002
    assert found["shimmer_local"] < 0.02


@pytest.mark.parametrize("jitter", [0.005, 0.01, 0.02])
def test_jitter_is_found(jitter: float) -> None:
    samples, lengths, _ = voice(120, jitter=jitter)
    truth = np.abs(np.diff(lengths)).mean() / lengths.mean()
    found = jitter_and_shimmer(samples, known_pitch(120, samples))
    assert found["jitter_local"] == pytest.approx(truth, rel=0.2)
    three = np.stack([lengths[:-2], lengths[1:-1], lengths[2:]])
    rap = np.abs(three[1] - three.mean(axis=0)).mean() / lengths.mean()
    assert found["jitter_rap"] == pytest.approx(rap, rel=0.2)


@pytest.mark.parametrize("shimmer", [0.02, 0.05, 0.1])
def test_shimmer_is_found(shimmer: float) -> None:
    samples, _, amplitudes = voice(120, shimmer=shimmer)
    truth = np.abs(np.diff(amplitudes)).mean() / amplitudes.mean()
    decibels = 20 * np.abs(np.log10(amplitudes[1:] / amplitudes[:-1])).mean()
    found = jitter_and_shimmer(samples, known_pitch(120, samples))
    assert found["shimmer_local"] == pytest.approx(truth, rel=0.2)
    assert found["shimmer_local_db"] == pytest.approx(decibels, rel=0.2)


def test_every_period_has_one_mark() -> None:
    samples, lengths, _ = voice(100)
    pitch = known_pitch(100, samples)
    marks = period_marks(samples, pitch.hz, 0, len(pitch.hz) - 1, SETTINGS)
    assert np.diff(marks) == pytest.approx(lengths.mean(), abs=0.5)
    assert len(marks) == pytest.approx(len(lengths), abs=4)


@pytest.mark.parametrize("snr_db", [0, 10, 20, 30])
@pytest.mark.parametrize("hz", [80, 150, 300])
def test_harmonics_to_noise_is_the_ratio_that_was_mixed(snr_db: float, hz: float) -> None:
    times = np.arange(2 * RATE) / RATE
    tone = sum(np.sin(2 * np.pi * hz * k * times) / k for k in range(1, 6))
    assert isinstance(tone, np.ndarray)
    noise = np.random.default_rng(0).normal(size=len(tone))
    noise *= np.sqrt(np.mean(tone**2) / 10 ** (snr_db / 10))
    samples = (0.1 * (tone + noise)).astype(np.float32)
    found = harmonics_to_noise(samples, known_pitch(hz, samples))[0, 10:-10]
    assert found.mean() == pytest.approx(snr_db, abs=1.0)


def test_a_pure_tone_and_silence_stay_in_range() -> None:
    tone = np.sin(2 * np.pi * 200 * np.arange(RATE) / RATE).astype(np.float32)
    for samples in (tone, np.zeros(RATE, np.float32), np.full(RATE, 0.3, np.float32)):
        found = harmonics_to_noise(samples, known_pitch(200, samples))
        assert np.isfinite(found).all()
        assert found.min() >= HNR_RANGE_DB[0] - 0.01
        assert found.max() <= HNR_RANGE_DB[1] + 0.01
    assert np.median(harmonics_to_noise(tone, known_pitch(200, tone))) > 35


def test_without_voice_all_is_nan() -> None:
    samples = np.random.default_rng(0).normal(size=RATE).astype(np.float32)
    frames = SETTINGS.frames(RATE)
    pitch = Pitch(np.full(frames, np.nan, np.float32), np.zeros(frames, np.float32))
    assert np.isnan(harmonics_to_noise(samples, pitch)).all()
    assert np.isnan(list(jitter_and_shimmer(samples, pitch).values())).all()


@pytest.mark.parametrize("length", [1, 10, 100, 500])
def test_voice_for_less_than_three_periods(length: int) -> None:
    samples = np.sin(0.05 * np.arange(length)).astype(np.float32)
    found = jitter_and_shimmer(samples, known_pitch(127, samples))
    assert np.isnan(list(found.values())).all()
    assert np.isfinite(harmonics_to_noise(samples, known_pitch(127, samples))).all()


def test_silence_that_a_tracker_calls_voiced() -> None:
    samples = np.zeros(RATE, np.float32)
    found = jitter_and_shimmer(samples, known_pitch(127, samples))
    assert np.isnan(list(found.values())).all()


def test_stretches() -> None:
    flags = np.array([1, 1, 0, 1, 0, 0, 1, 1, 1], bool)
    assert stretches(flags) == [(0, 1), (3, 3), (6, 8)]
    assert stretches(np.zeros(4, bool)) == []
    assert stretches(np.zeros(0, bool)) == []
