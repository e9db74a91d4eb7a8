from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_network import FRONTEND, RATE, voice

from affekt.audio import load_audio
from affekt.data import load_corpus
from affekt.errors import ConfigError
from affekt.models.frontend import FrontendConfig, LogMel

librosa = pytest.importorskip("librosa")

CONFIGS = {
    "default": FrontendConfig(),
    "padded": FRONTEND,
    "unpadded": FrontendConfig(RATE, 400, 400, 160, n_mels=40, f_min=0.0),
    "wide": FrontendConfig(RATE, 1024, 640, 320, n_mels=80, f_max=7600.0),
    "telephone": FrontendConfig(8000, 256, 200, 80, n_mels=23, f_max=4000.0),
}


def mel_power(config: FrontendConfig, samples: np.ndarray) -> np.ndarray:
    return LogMel(config).mel_power(torch.from_numpy(samples)[None])[0].numpy()


def log_mel(samples: np.ndarray) -> np.ndarray:
    return LogMel(FRONTEND)(torch.from_numpy(samples)[None])[0].numpy()


def librosa_power(config: FrontendConfig, samples: np.ndarray) -> np.ndarray:
    found: np.ndarray = librosa.feature.melspectrogram(
        y=samples.astype(np.float64),
        sr=config.sample_rate,
        n_fft=config.n_fft,
        win_length=config.window,
        hop_length=config.hop_length,
        n_mels=config.n_mels,
        fmin=config.f_min,
        fmax=config.f_max,
        pad_mode="constant",
        center=True,
    )
    return found


def assert_same_decibels(found: np.ndarray, expected: np.ndarray) -> None:
    """Compare in dB, where both are within 80 dB of the loudest band."""
    assert found.shape == expected.shape
    floor = 1e-8 * expected.max()
    found_db, expected_db = (10 * np.log10(np.maximum(x, floor) / floor) for x in (found, expected))
    np.testing.assert_allclose(found_db, expected_db, rtol=1e-4, atol=5e-3)


@pytest.mark.filterwarnings("ignore:n_fft=.* is too large:UserWarning")
@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("samples", [1, 100, 399, 400, 401, 16000, 24319, 24320, 24321])
def test_mel_power_is_that_of_librosa(name: str, samples: int) -> None:
    config = CONFIGS[name]
    noise = np.random.default_rng(samples).normal(0, 0.1, samples).astype(np.float32)
    assert_same_decibels(mel_power(config, noise), librosa_power(config, noise))


@pytest.mark.parametrize("name", ["default", "padded", "unpadded", "wide"])
def test_mel_power_is_that_of_librosa_on_voices(name: str) -> None:
    config, samples = CONFIGS[name], voice(2.0)
    assert_same_decibels(mel_power(config, samples), librosa_power(config, samples))


def test_mel_power_is_that_of_librosa_on_a_real_clip(data_root: Path) -> None:
    samples = load_audio(load_corpus("emodb", data_root)[0].file)
    for config in (FrontendConfig(), FRONTEND):
        assert_same_decibels(mel_power(config, samples), librosa_power(config, samples))


def test_log_mel_is_the_formula_of_its_docstring() -> None:
    config, samples = FRONTEND, voice(1.0)
    level = samples.astype(np.float64) / np.sqrt(np.mean(samples.astype(np.float64) ** 2))
    expected = np.log(librosa_power(config, level) + config.floor)
    np.testing.assert_allclose(log_mel(samples), expected, atol=2e-3)


@pytest.mark.parametrize("samples", [1, 159, 160, 161, 16000])
def test_the_number_of_frames_is_as_documented(samples: int) -> None:
    assert log_mel(np.ones(samples, dtype=np.float32)).shape == (64, samples // 160 + 1)


@pytest.mark.parametrize("gain_db", [-20.0, -6.0, 20.0])
def test_the_level_of_a_recording_does_not_matter(gain_db: float) -> None:
    samples = voice(1.5)
    louder = samples * np.float32(10 ** (gain_db / 20))
    np.testing.assert_allclose(log_mel(louder), log_mel(samples), atol=4e-3)  # 0.02 dB
    # It is the division that does it: the power itself follows the level.
    ratio = mel_power(FRONTEND, louder) / mel_power(FRONTEND, samples)
    np.testing.assert_allclose(10 * np.log10(ratio), gain_db, atol=1e-3)


@pytest.mark.parametrize("level", [0.0, 1e-30, 1e-7])
def test_silence_stays_finite_and_is_not_made_loud(level: float) -> None:
    found = log_mel(np.full(8000, level, dtype=np.float32))
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[:, 5], np.log(FRONTEND.floor), atol=0.5)


def test_recordings_of_a_batch_do_not_see_each_other() -> None:
    rows = torch.from_numpy(np.stack([voice(0.5, seed=1), 30 * voice(0.5, seed=2)]))
    frontend = LogMel(FRONTEND)
    together = frontend(rows)
    for row, waveform in zip(together, rows, strict=True):
        torch.testing.assert_close(row, frontend(waveform[None])[0], atol=1e-5, rtol=0)


def test_it_has_nothing_to_learn_and_nothing_to_save() -> None:
    frontend = LogMel(FRONTEND)
    assert list(frontend.parameters()) == []
    assert frontend.state_dict() == {}


def test_frames_per_second() -> None:
    assert FRONTEND.frames_per_second == 100


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_fft": 512, "window": 600}, r"window 600 must be in 1\.\.n_fft=512"),
        ({"window": 0}, "window 0 must be"),
        ({"n_fft": 512, "window": 399}, "window 399 and n_fft 512 must be even"),
        ({"n_fft": 513, "window": 400}, "window 400 and n_fft 513 must be even"),
        ({"hop_length": 0}, "hop_length 0 must be in"),
        ({"window": 400, "hop_length": 401}, "hop_length 401 must be in"),
        ({"n_mels": 0}, "n_mels must be positive, got 0"),
        ({"f_min": 50.0, "f_max": 9000.0}, "need 0 <= f_min < f_max <= 8000 Hz, got 50 and 9000"),
        ({"f_min": 8000.0, "f_max": 8000.0}, "got 8000 and 8000"),
        ({"floor": 0.0}, "floor must be positive, got 0"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"frontend: .*{message}"):
        FrontendConfig(**options)


@pytest.mark.parametrize("config", CONFIGS.values())
def test_whole_and_folded_basis_give_the_same_power(config: FrontendConfig) -> None:
    folded, whole = LogMel(config), LogMel(config)
    whole.use_whole_basis()
    samples = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, (2, 3001)).astype("f"))
    expected = whole.power(samples)
    torch.testing.assert_close(
        folded.power(samples), expected, atol=1e-6 * float(expected.max()), rtol=1e-5
    )
