"""The pitch of tones that are known and of voices that others track, and NaN without voice."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from affekt.audio import load_audio
from affekt.errors import ConfigError, MissingExtraError
from affekt.features import TRACKERS, FeatureSettings, extract
from affekt.features.pitch import on_grid, track_pitch

RATE = 16000


def buzz(hz: np.ndarray | float, seconds: float = 1.0) -> np.ndarray:
    """A voice-like sound: harmonics that fall off."""
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(hz, round(seconds * RATE))) / RATE
    return sum(0.3 / k * np.sin(k * phase) for k in range(1, 9)).astype(np.float32)  # type: ignore[union-attr]


@pytest.fixture(params=TRACKERS)
def settings(request: pytest.FixtureRequest) -> FeatureSettings:
    package = {"swift-f0": "swift_f0", "pyin": "librosa"}[request.param]
    pytest.importorskip(package, exc_type=ImportError)
    return FeatureSettings(pitch=request.param)


@pytest.mark.parametrize("hz", [90, 150, 220, 400])
def test_a_steady_voice(settings: FeatureSettings, hz: float) -> None:
    samples = buzz(hz)
    pitch = track_pitch(samples, settings)
    assert pitch.hz.shape == pitch.voicing.shape == (settings.frames(len(samples)),)
    inner = slice(10, -10)
    assert pitch.voiced[inner].mean() > 0.95
    assert np.nanmedian(pitch.hz[inner]) == pytest.approx(hz, rel=0.02)


def test_a_gliding_voice_is_followed_in_time(settings: FeatureSettings) -> None:
    hz = np.linspace(120, 240, 2 * RATE)
    pitch = track_pitch(buzz(hz, 2.0), settings)
    expected = hz[np.minimum(np.arange(len(pitch.hz)) * settings.hop_length, len(hz) - 1)]
    inner = slice(15, -15)
    assert np.nanmedian(np.abs(pitch.hz[inner] / expected[inner] - 1)) < 0.02


@pytest.mark.parametrize("length", [1, 7, 100, 300, 1600, RATE])
def test_no_voice_is_nan(settings: FeatureSettings, length: int) -> None:
    pitch = track_pitch(np.zeros(length, np.float32), settings)
    assert pitch.hz.shape == (settings.frames(length),)
    assert np.isnan(pitch.hz).all()
    assert not pitch.voiced.any()
    assert pitch.voicing.max() < 0.5


def test_noise_has_hardly_any_voice(settings: FeatureSettings) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    assert track_pitch(noise, settings).voiced.mean() < 0.2


@pytest.mark.parametrize("hop_length", [80, 160, 400])
@pytest.mark.parametrize("rate", [8000, 16000, 22050])
def test_other_grids(hop_length: int, rate: int) -> None:
    pytest.importorskip("swift_f0")
    import soxr

    settings = FeatureSettings(sample_rate=rate, hop_length=hop_length)
    samples = soxr.resample(buzz(200), RATE, rate)
    pitch = track_pitch(samples, settings)
    assert len(pitch.hz) == settings.frames(len(samples))
    assert np.nanmedian(pitch.hz) == pytest.approx(200, rel=0.02)


def test_trackers_agree_on_real_voices(data_root: Path) -> None:
    pytest.importorskip("swift_f0")
    pytest.importorskip("librosa")
    files = sorted((data_root / "emodb" / "wav").iterdir())[::90]
    medians = []
    for file in files:
        samples = load_audio(file)
        medians.append(
            [
                np.nanmedian(track_pitch(samples, FeatureSettings(pitch=name)).hz)
                for name in ("swift-f0", "pyin")
            ]
        )
    ratios = np.divide(*np.array(medians).T)
    assert np.median(np.abs(ratios - 1)) < 0.03
    assert np.mean(np.abs(ratios - 1) < 0.1) > 0.8


def test_no_pitch_is_mixed_with_what_is_none() -> None:
    at = np.arange(4) * 0.016
    hz = np.array([100, 110, 500, 120.0])
    voicing = np.array([1, 1, 0, 1.0])
    times = np.array([0, 0.008, 0.02, 0.028, 0.0439, 0.2])
    pitch = on_grid(at, hz, voicing, times)
    expected = [100, 105, 110, np.nan, 120, 120]
    np.testing.assert_allclose(pitch.hz, expected)
    np.testing.assert_allclose(pitch.voicing[:4], [1, 1, 0.75, 0.25], atol=1e-6)


def test_one_frame_of_a_tracker() -> None:
    pitch = on_grid(np.zeros(1), np.array([99.0]), np.ones(1), np.array([0, 0.01]))
    np.testing.assert_allclose(pitch.hz, [99, 99])


def test_without_swift_f0(monkeypatch: pytest.MonkeyPatch) -> None:
    from affekt.features import pitch

    pitch._swift_detector.cache_clear()
    monkeypatch.setitem(sys.modules, "swift_f0", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'affekt\[features\]'"):
        extract(buzz(200), RATE, ["pitch"])
    assert extract(buzz(200), RATE, ["mfcc"]).names[1] == "mfcc_0_mean"


def test_without_another_tracker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "librosa", None)
    with pytest.raises(ConfigError, match="needs the package 'librosa'.*pip install librosa"):
        extract(buzz(200), RATE, ["pitch"], settings=FeatureSettings(pitch="pyin"))


def test_another_tracker_that_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "librosa.py").write_text("raise OSError('Could not load a library\\nat all')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "librosa", raising=False)
    with pytest.raises(ConfigError, match=r"'librosa', which does not start \(Could not load a"):
        extract(buzz(200), RATE, ["pitch"], settings=FeatureSettings(pitch="pyin"))
