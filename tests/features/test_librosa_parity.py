"""The same numbers as librosa, on real clips and on what is hard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from affekt.audio import load_audio
from affekt.features import DEFAULT, TUTORIAL, FeatureSettings
from affekt.features.spectral import (
    chroma,
    chroma_filters,
    delta,
    logmel,
    mel_filters,
    melspectrogram,
    mfcc,
    rms,
    spectral_bandwidth,
    spectral_centroid,
    spectral_flatness,
    spectral_flux,
    spectral_rolloff,
    zero_crossing_rate,
)

librosa = pytest.importorskip("librosa")

RATE = 16000
REAL = (
    "ravdess/Actor_05/03-01-05-02-01-01-05.flac",
    "emodb/wav/03a01Fa.flac",
    "cremad/audio/1001_DFA_ANG_XX.ogg",
)
SYNTHETIC: dict[str, Callable[[], np.ndarray]] = {
    "noise": lambda: np.random.default_rng(0).normal(0, 0.1, 20000),
    "one sample": lambda: np.full(1, 0.5),
    "shorter than a hop": lambda: np.random.default_rng(1).normal(0, 0.1, 100),
    "shorter than a window": lambda: np.random.default_rng(2).normal(0, 0.1, 400),
    "silence": lambda: np.zeros(8000),
    "constant": lambda: np.full(8000, 0.25),
    "silence, then a tone": lambda: np.r_[np.zeros(8000), np.sin(np.arange(8000) * 0.1)],
}
SETTINGS = {
    "default": DEFAULT,
    "tutorial": TUTORIAL,
    "80 bands": FeatureSettings(n_fft=1024, n_mels=80, n_mfcc=20, fmin=50, fmax=7600),
}


@pytest.fixture(params=[*REAL, *SYNTHETIC])
def samples(request: pytest.FixtureRequest) -> np.ndarray:
    if request.param in SYNTHETIC:
        return SYNTHETIC[request.param]().astype(np.float32)
    data_root: Path = request.getfixturevalue("data_root")
    return load_audio(data_root / request.param)


@pytest.fixture(params=SETTINGS)
def settings(request: pytest.FixtureRequest) -> FeatureSettings:
    return SETTINGS[request.param]


def grid(settings: FeatureSettings) -> dict[str, Any]:
    return {"n_fft": settings.n_fft, "hop_length": settings.hop_length}


def mel_options(settings: FeatureSettings) -> dict[str, Any]:
    return {"fmin": settings.fmin, "fmax": settings.fmax or None, **grid(settings)}


# librosa warns of clips shorter than a window, and of filters that are narrower than a bin.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def test_filters(settings: FeatureSettings) -> None:
    ours = mel_filters(RATE, settings.n_fft, settings.n_mels, settings.fmin, settings.fmax)
    theirs = librosa.filters.mel(
        sr=RATE,
        n_fft=settings.n_fft,
        n_mels=settings.n_mels,
        fmin=settings.fmin,
        fmax=settings.fmax or None,
    )
    np.testing.assert_allclose(ours.T, theirs, atol=1e-7)


def test_mel_spectrogram(samples: np.ndarray, settings: FeatureSettings) -> None:
    theirs = librosa.feature.melspectrogram(
        y=samples, sr=RATE, n_mels=settings.n_mels, **mel_options(settings)
    )
    ours = melspectrogram(samples, settings)
    assert ours.shape == theirs.shape == (settings.n_mels, settings.frames(len(samples)))
    np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=1e-6 * theirs.max() + 1e-12)
    np.testing.assert_allclose(logmel(samples, settings), librosa.power_to_db(theirs), atol=5e-3)


def test_mfcc_and_its_differences(samples: np.ndarray, settings: FeatureSettings) -> None:
    theirs = librosa.feature.mfcc(
        y=samples,
        sr=RATE,
        n_mfcc=settings.n_mfcc,
        n_mels=settings.bands,
        **mel_options(settings),
    )
    ours = mfcc(samples, settings)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, atol=5e-3)
    if ours.shape[1] >= 9:
        for order in (1, 2):
            expected = librosa.feature.delta(theirs, order=order)
            np.testing.assert_allclose(delta(ours, order), expected, atol=5e-3)


def test_energy(samples: np.ndarray, settings: FeatureSettings) -> None:
    options = {"frame_length": settings.n_fft, "hop_length": settings.hop_length}
    theirs = librosa.feature.rms(y=samples, **options)
    np.testing.assert_allclose(rms(samples, settings), theirs, rtol=1e-5, atol=1e-8)
    crossings = librosa.feature.zero_crossing_rate(samples, **options)
    np.testing.assert_allclose(zero_crossing_rate(samples, settings), crossings, atol=1e-7)


def test_spectral_shape(samples: np.ndarray, settings: FeatureSettings) -> None:
    options = {"y": samples, "sr": RATE, **grid(settings)}
    centroid = librosa.feature.spectral_centroid(**options)
    np.testing.assert_allclose(spectral_centroid(samples, settings), centroid, rtol=1e-3, atol=0.5)
    bandwidth = librosa.feature.spectral_bandwidth(**options)
    # The bandwidth of a pure tone or of a constant is all rounding, of the order of some Hz.
    np.testing.assert_allclose(spectral_bandwidth(samples, settings), bandwidth, rtol=1e-3, atol=5)
    flatness = librosa.feature.spectral_flatness(y=samples, **grid(settings))
    np.testing.assert_allclose(spectral_flatness(samples, settings), flatness, rtol=2e-3, atol=1e-6)
    rolloff = librosa.feature.spectral_rolloff(**options)
    # A sum that falls on the limit may be rounded to the next bin.
    off = np.abs(spectral_rolloff(samples, settings) - rolloff) / (RATE / settings.n_fft)
    assert off.max() < 1.01
    assert np.mean(off > 0.01) < 0.01


def test_flux_by_its_definition(samples: np.ndarray, settings: FeatureSettings) -> None:
    magnitude = np.abs(librosa.stft(samples, **grid(settings))).astype(np.float64)
    length = np.linalg.norm(magnitude, axis=0)
    shape = magnitude / np.where(length > 1e-30, length, 1)
    expected = np.linalg.norm(np.diff(shape, axis=1, prepend=shape[:, :1]), axis=0)
    np.testing.assert_allclose(spectral_flux(samples, settings)[0], expected, atol=2e-3)


@pytest.mark.parametrize("n_fft", [1024, 2048, 4096])
@pytest.mark.parametrize("rate", [8000, RATE, 44100])
def test_chroma_filters(rate: int, n_fft: int) -> None:
    theirs = librosa.filters.chroma(sr=rate, n_fft=n_fft, tuning=0)
    np.testing.assert_allclose(chroma_filters(rate, n_fft).T, theirs, atol=1e-6)


def test_chroma(samples: np.ndarray, settings: FeatureSettings) -> None:
    theirs = librosa.feature.chroma_stft(
        y=samples,
        sr=RATE,
        n_fft=settings.chroma_n_fft,
        hop_length=settings.hop_length,
        tuning=0,
    )
    ours = chroma(samples, settings)
    assert ours.shape == theirs.shape == (12, settings.frames(len(samples)))
    np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_chroma_hears_the_note() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE).astype(np.float32)
    assert chroma(tone)[:, 50].argmax() == 9  # A, counted from C
