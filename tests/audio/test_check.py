"""Level, clipping and silence of recordings whose level is known."""

from __future__ import annotations

import numpy as np
import pytest

from affekt.audio import check_audio, decode
from affekt.errors import AudioError
from affekt.results import AudioQuality


def test_sine(sine):
    quality = check_audio(sine(16000, seconds=2.0), 16000)
    assert quality.duration == 2.0
    assert quality.peak_dbfs == pytest.approx(-6.02, abs=0.01)
    assert quality.rms_dbfs == pytest.approx(-9.03, abs=0.01)
    assert quality.clipped_fraction == 0
    assert not quality.silent


def test_digital_silence():
    assert check_audio(np.zeros(4000, dtype=np.float32), 8000) == AudioQuality(
        duration=0.5,
        peak_dbfs=-120.0,
        rms_dbfs=-120.0,
        clipped_fraction=0.0,
        silent=True,
        damaged_packets=0,
    )


def test_the_noise_of_the_last_bit_is_silent():
    noise = np.random.default_rng(0).integers(-1, 2, 16000).astype(np.float32) / 2**15
    assert check_audio(noise, 16000).silent


def test_a_whisper_is_not_silent(sine):
    assert not check_audio(sine(16000) * 0.01, 16000).silent


def test_clipping(sine):
    quality = check_audio(np.clip(sine(16000, frequency=997) * 2.5, -1, 1), 16000)
    # |1.25 sin x| > 1 during 1 - 2 asin(0.8) / pi of the time.
    assert quality.clipped_fraction == pytest.approx(0.41, abs=0.02)
    assert quality.peak_dbfs == 0


@pytest.mark.parametrize("kind", ["wav-16", "wav-24", "flac"])
def test_clipping_survives_decoding(encode, sine, kind):
    samples, rate = decode(encode(kind, np.clip(sine(44100, channels=2) * 4, -1, 1), 44100))
    assert check_audio(samples, rate).clipped_fraction > 0.5


def test_one_sample():
    assert check_audio(np.ones(1, dtype=np.float32), 16000).rms_dbfs == 0


@pytest.mark.parametrize(("samples", "rate"), [(np.zeros(0), 16000), (np.zeros(5), 0)])
def test_nothing_to_measure(samples, rate):
    with pytest.raises(AudioError, match=r"check_audio: (there are no samples|a sample rate of 0)"):
        check_audio(samples, rate)


def test_silent_recordings_of_a_corpus(data_root):
    """CREMA-D has one silent recording; the quietest others must not pass for silent."""
    files = sorted((data_root / "cremad").rglob("10[67]*_MTI_SAD_XX.*"))
    assert len(files) > 10
    silent = [file.stem for file in files if check_audio(*decode(file)).silent]
    assert silent == ["1076_MTI_SAD_XX"]
