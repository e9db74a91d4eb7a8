"""Resampling keeps the sound and its length, down to a single sample."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affekt.audio import MAX_RATE, MIN_RATE, SAMPLE_RATE, resample
from affekt.errors import AudioError


@settings(deadline=None)
@given(st.integers(1, 3000), st.integers(MIN_RATE, MAX_RATE), st.integers(MIN_RATE, MAX_RATE))
def test_length(count, rate, target_rate):
    resampled = resample(np.full(count, 0.5, dtype=np.float32), rate, target_rate)
    assert resampled.dtype == np.float32
    assert len(resampled) >= 1
    assert abs(len(resampled) - count * target_rate / rate) <= 1
    assert np.isfinite(resampled).all()


def test_equal_rates_change_nothing():
    samples = np.linspace(-1, 1, 100, dtype=np.float32)
    assert resample(samples, 16000, 16000) is samples


def test_default_target():
    assert len(resample(np.zeros(4 * SAMPLE_RATE, dtype=np.float32), 64000)) == SAMPLE_RATE


def test_there_and_back():
    rng = np.random.default_rng(0)
    time = np.arange(16000) / 16000
    samples = np.zeros(16000, dtype=np.float32)
    for frequency in rng.uniform(100, 6000, 10):
        samples += (0.05 * np.sin(2 * np.pi * frequency * time)).astype(np.float32)
    back = resample(resample(samples, 16000, 44100), 44100, 16000)
    assert np.abs(back - samples)[200:-200].max() < 1e-3


def test_no_aliasing():
    """A tone above the new Nyquist frequency vanishes instead of folding down."""
    time = np.arange(48000) / 48000
    samples = np.sin(2 * np.pi * 11000 * time).astype(np.float32)
    assert np.abs(resample(samples, 48000, 16000))[200:-200].max() < 1e-4


def test_channels_stay_apart():
    samples = np.stack([np.full(4800, 0.5), np.full(4800, -0.25)], axis=1).astype(np.float32)
    resampled = resample(samples, 48000, 16000)
    assert resampled.shape == (1600, 2)
    np.testing.assert_allclose(resampled[800], [0.5, -0.25], atol=1e-3)


def test_shorter_than_one_output_sample():
    assert resample(np.array([0.2, 0.4], dtype=np.float32), 192000).tolist() == [pytest.approx(0.3)]


def test_nothing_stays_nothing():
    assert resample(np.zeros(0, dtype=np.float32), 48000).shape == (0,)


@pytest.mark.parametrize(("rate", "target_rate"), [(0, 16000), (16000, -1), (500_000, 16000)])
def test_rate_out_of_range(rate, target_rate):
    with pytest.raises(AudioError, match="out of range; rates from 4000 to 192000 Hz"):
        resample(np.zeros(10, dtype=np.float32), rate, target_rate)
