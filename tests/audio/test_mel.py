from __future__ import annotations

import numpy as np
import pytest

from affekt.audio.mel import hz_to_mel, mel_filterbank, mel_to_hz

librosa = pytest.importorskip("librosa")


@pytest.mark.parametrize(
    ("sample_rate", "n_fft", "n_mels", "f_min", "f_max"),
    [
        (16000, 512, 64, 50.0, 8000.0),
        (16000, 512, 40, 0.0, 8000.0),
        (16000, 1024, 128, 20.0, 7600.0),
        (8000, 256, 32, 100.0, 3400.0),
        (44100, 2048, 80, 0.0, 22050.0),
    ],
)
def test_the_filters_are_those_of_librosa(
    sample_rate: int, n_fft: int, n_mels: int, f_min: float, f_max: float
) -> None:
    found = mel_filterbank(sample_rate, n_fft, n_mels, f_min, f_max)
    expected = librosa.filters.mel(
        sr=sample_rate, n_fft=n_fft, n_mels=n_mels, fmin=f_min, fmax=f_max
    )
    assert found.shape == (n_mels, n_fft // 2 + 1)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7 * expected.max())


def test_the_scale_is_that_of_librosa_and_can_be_turned_back() -> None:
    hz = np.concatenate([[0.0], np.geomspace(1, 24000, 200), [1000.0]])
    np.testing.assert_allclose(hz_to_mel(hz), librosa.hz_to_mel(hz), rtol=1e-12)
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(hz)), hz, rtol=1e-12)


def test_every_filter_of_the_default_frontend_hears_something() -> None:
    assert (mel_filterbank(16000, 512, 64, 50.0, 8000.0).max(axis=1) > 0).all()
