"""A clip as one fixed row of numbers."""

from __future__ import annotations

import numpy as np
import pytest

from affekt.errors import AudioError, ConfigError
from affekt.features import VECTORS, functional_vector

RATE = 16000


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


@pytest.mark.parametrize("feature_set", VECTORS)
def test_every_clip_has_the_same_names(feature_set: str) -> None:
    needed = {"default": "swift_f0", "tutorial": "numpy"}.get(feature_set, "opensmile")
    pytest.importorskip(needed)
    first, vector = functional_vector(noise(1), RATE, feature_set)
    assert vector.shape == (len(first),)
    assert len(set(first)) == len(first)
    for other in (noise(2.5), noise(0.02), np.zeros(8000, np.float32), np.full(1, 0.5)):
        names, values = functional_vector(other, RATE, feature_set)
        assert names == first
        assert values.dtype == np.float64
        assert not np.isinf(values).any()


def test_the_tutorial_set_is_what_tutorials_compute() -> None:
    librosa = pytest.importorskip("librosa")
    samples = noise(1.3)
    mfcc = librosa.feature.mfcc(y=samples, sr=RATE, n_mfcc=13)
    mel = librosa.feature.melspectrogram(y=samples, sr=RATE, n_mels=40)
    parts = (mfcc, librosa.feature.delta(mfcc), librosa.power_to_db(mel))
    expected = np.concatenate([part.mean(axis=1) for part in parts])
    names, vector = functional_vector(samples, RATE, "tutorial")
    assert len(names) == 66
    np.testing.assert_allclose(vector, expected, atol=2e-3)


def test_the_rate_of_the_recording_does_not_matter() -> None:
    import soxr

    samples = noise(1)
    _, expected = functional_vector(samples, RATE, "tutorial")
    _, found = functional_vector(soxr.resample(samples, RATE, 48000), 48000, "tutorial")
    np.testing.assert_allclose(found[:13], expected[:13], atol=4)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(0, np.float32), "there are no samples"),
        (np.zeros((2, 100), np.float32), r"shape \(2, 100\); expected \[samples\]"),
        (np.zeros(100, np.int16), "type int16 have no known full scale"),
        (np.full(100, np.nan, np.float32), "NaN or infinite"),
    ],
)
def test_what_cannot_be_measured(samples: np.ndarray, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        functional_vector(samples, RATE)


def test_an_unknown_set() -> None:
    with pytest.raises(ConfigError, match="no feature set 'best'; expected one of default"):
        functional_vector(noise(0.1), RATE, "best")
