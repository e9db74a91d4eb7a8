"""Where openSMILE measures the same thing, both agree on real voices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from affekt.audio import load_audio
from affekt.features import FeatureSettings, Table, extract

pytest.importorskip("opensmile")
pytest.importorskip("swift_f0")

RATE = 16000
FILES = (
    *("ravdess/Actor_05/03-01-05-02-01-01-05.flac", "ravdess/Actor_12/03-01-04-01-02-01-12.flac"),
    *("emodb/wav/03a01Fa.flac", "emodb/wav/16b10Wb.flac", "cremad/audio/1001_DFA_ANG_XX.ogg"),
)


@pytest.fixture(params=FILES)
def samples(request: pytest.FixtureRequest, data_root: Path) -> np.ndarray:
    return load_audio(data_root / request.param)


@pytest.fixture(scope="module")
def clips(data_root: Path) -> list[tuple[Table, Table]]:
    """Clips of two corpora as we and as eGeMAPS tell of them."""
    files = [
        *sorted((data_root / "ravdess").glob("Actor_*/*.flac"))[::72],
        *sorted((data_root / "emodb" / "wav").iterdir())[::26],
    ]
    loaded = [load_audio(file) for file in files]
    return [
        (extract(samples, RATE, ["pitch", "voice"]), extract(samples, RATE, ["egemaps"]))
        for samples in loaded
    ]


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first, second)[0, 1])


def column(clips: list[tuple[Table, Table]], ours: str, theirs: str) -> tuple[np.ndarray, ...]:
    return tuple(np.array([(own[ours][0], smile[theirs][0]) for own, smile in clips]).T)


def smoothed(values: np.ndarray) -> np.ndarray:
    """openSMILE's ``_sma``: a moving average over three frames."""
    return np.convolve(values, np.ones(3) / 3, "same")


@pytest.mark.parametrize(
    ("ours", "theirs", "window", "least"),
    [
        ("rms", "pcm_RMSenergy_sma", 320, 0.998),
        ("zero_crossing_rate", "pcm_zcr_sma", 960, 0.998),
        ("spectral_centroid_hz", "pcm_fftMag_spectralCentroid_sma", 320, 0.85),
    ],
)
def test_frames_follow_those_of_compare(
    samples: np.ndarray, ours: str, theirs: str, window: int, least: float
) -> None:
    settings = FeatureSettings(n_fft=window, n_mels=20)
    table = extract(samples, RATE, ["energy", "spectral"], "frame", settings)
    columns: dict[str, Any] = {**dict(table), "rms": 10 ** (table["rms_db"] / 20)}
    # openSMILE's first frame starts, and ours is centred, at sample 0: half a window apart.
    later = window // 2 // settings.hop_length
    own = smoothed(columns[ours])[later:]
    other = extract(samples, RATE, ["compare"], "frame")[theirs]
    count = min(len(own), len(other))
    # The spectrum of a pause is that of its noise, which both weigh in their own ways.
    audible = (columns["rms"][later:] > 0.05 * columns["rms"].max())[:count]
    own, other = own[:count][audible], other[:count][audible]
    assert len(own) > 20
    assert correlation(own, other) > least
    if ours != "spectral_centroid_hz":  # theirs weighs power, not magnitude
        assert np.median(own / other) == pytest.approx(1, abs=0.02)


def test_the_pitch_of_clips(clips: list[tuple[Table, Table]]) -> None:
    own, semitones = column(clips, "pitch_hz_p50", "F0semitoneFrom27.5Hz_sma3nz_percentile50.0")
    ratio = own / (27.5 * 2 ** (semitones / 12))
    assert np.median(np.abs(ratio - 1)) < 0.06
    assert np.mean(np.abs(ratio - 1) < 0.15) > 0.9


def test_the_voice_quality_of_clips(clips: list[tuple[Table, Table]]) -> None:
    """The methods differ (openSMILE smooths, and marks periods otherwise); the order of clips and
    the size of the values do not."""
    hnr = column(clips, "hnr_db_mean", "HNRdBACF_sma3nz_amean")
    assert correlation(*hnr) > 0.6
    assert np.median(hnr[0] - hnr[1]) == pytest.approx(2, abs=2)
    jitter = column(clips, "jitter_local", "jitterLocal_sma3nz_amean")
    assert np.median(jitter[0]) == pytest.approx(np.median(jitter[1]), rel=0.3)
    shimmer = column(clips, "shimmer_local_db", "shimmerLocaldB_sma3nz_amean")
    assert correlation(*shimmer) > 0.4
    assert np.median(shimmer[0]) == pytest.approx(np.median(shimmer[1]), rel=0.4)
