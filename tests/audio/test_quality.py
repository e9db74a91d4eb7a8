"""Noise and bandwidth of recordings in which both are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soxr

from affekt.audio import check_audio, load_audio
from affekt.audio.check import QualityMeter
from affekt.audio.quality import FRAME, MOST_FRAMES, SNR_RANGE_DB, band_power

RATE = 16000


@pytest.fixture(scope="module")
def clean(data_root: Path) -> list[np.ndarray]:
    """Studio speech: a few clips of EMO-DB, whose own noise is 30 dB and more below."""
    files = sorted((data_root / "emodb" / "wav").iterdir())[::60]
    return [load_audio(file) for file in files]


def noisy(samples: np.ndarray, snr_db: float, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=len(samples))
    noise *= np.sqrt(np.mean(samples**2) * 10 ** (-snr_db / 10))
    return (samples + noise).astype(np.float32)


def snr(samples: np.ndarray, rate: int = RATE) -> float:
    found = check_audio(samples, rate).snr_db
    assert found is not None
    return found


@pytest.mark.parametrize("snr_db", [0, 5, 10, 20])
def test_a_known_ratio_is_found_on_speech(clean: list[np.ndarray], snr_db: float) -> None:
    errors = [snr(noisy(samples, snr_db)) - snr_db for samples in clean]
    assert abs(np.mean(errors)) < 2
    assert np.abs(errors).max() < 4


def test_clean_speech_is_clean(clean: list[np.ndarray]) -> None:
    assert min(snr(samples) for samples in clean) > 25


def test_the_ratio_does_not_depend_on_the_level(clean: list[np.ndarray]) -> None:
    samples = noisy(clean[0], 10)
    assert snr(samples * np.float32(0.05)) == pytest.approx(snr(samples), abs=0.1)


def test_steady_noise_alone_has_no_sound_above_it() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * RATE).astype(np.float32)
    assert snr(noise) == pytest.approx(SNR_RANGE_DB[0], abs=6)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_telephone_speech_reaches_its_band(clean: list[np.ndarray], rate: int) -> None:
    spectrum = np.fft.rfft(clean[0])
    spectrum[np.fft.rfftfreq(len(clean[0]), 1 / RATE) > 3400] = 0
    narrow = np.fft.irfft(spectrum, len(clean[0])).astype(np.float32)
    found = check_audio(soxr.resample(narrow, RATE, rate), rate).bandwidth_hz
    assert found == pytest.approx(3400, abs=150)


def test_wide_speech_reaches_far(clean: list[np.ndarray]) -> None:
    found = [check_audio(samples, RATE).bandwidth_hz for samples in clean]
    assert min(hz for hz in found if hz is not None) > 7000


def test_silence_has_neither() -> None:
    quality = check_audio(np.zeros(RATE, np.float32), RATE)
    assert quality.snr_db is None
    assert quality.bandwidth_hz is None


@pytest.mark.parametrize("count", [1, 15, 100, 511, 512, 513, 3000])
def test_a_few_samples(count: int) -> None:
    quality = check_audio(np.full(count, 0.1, np.float32), RATE)
    assert quality.snr_db is None


def test_an_hour_costs_no_more_than_a_minute() -> None:
    hour = np.random.default_rng(0).normal(0, 0.1, 600 * RATE).astype(np.float32)
    assert len(hour) > MOST_FRAMES * FRAME * RATE
    assert len(band_power(hour, RATE)) == MOST_FRAMES


def test_channels_are_mixed(clean: list[np.ndarray]) -> None:
    stereo = np.stack([clean[0], clean[0]], axis=1)
    assert snr(stereo) == pytest.approx(snr(clean[0]), abs=1e-3)


@pytest.mark.parametrize("seconds", [0.5, 1.0, 7.0])
def test_block_by_block_is_as_at_once(clean: list[np.ndarray], seconds: float) -> None:
    samples = noisy(np.tile(np.concatenate(clean), 8), 15)
    meter = QualityMeter()
    size = int(seconds * RATE)
    for start in range(0, len(samples), size):
        meter.push(samples[start : start + size], RATE)
    whole, parts = check_audio(samples, RATE), meter.quality()
    assert parts.duration == whole.duration
    assert parts.rms_dbfs == pytest.approx(whole.rms_dbfs, abs=1e-3)
    assert parts.peak_dbfs == whole.peak_dbfs
    assert parts.snr_db == pytest.approx(whole.snr_db, abs=0.5)
    assert parts.bandwidth_hz == pytest.approx(whole.bandwidth_hz, abs=250)
    assert sum(map(len, meter._power)) <= MOST_FRAMES
