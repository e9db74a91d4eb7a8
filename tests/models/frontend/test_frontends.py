"""The frontends beside the plain log-mel: against their twins in librosa, padded, exported."""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_corpus import write_sound
from tiny_network import tiny_network, voice
from torch import Tensor

from affekt.audio import load_audio
from affekt.config import build
from affekt.data import Clip, load_corpus
from affekt.errors import ConfigError
from affekt.export import check_parity, export_onnx
from affekt.models import describe
from affekt.models.frontend import FrontendConfig, LogMel, PcenOptions, build_frontend
from affekt.models.frontend.config import KINDS, NORMALISATIONS
from affekt.models.frontend.normalisation import Pcen
from affekt.training.data.batches import Batches
from affekt.training.data.features import FeatureStore
from affekt.training.recipe.file import load_recipe
from affekt.training.recipe.schema import Recipe

librosa = pytest.importorskip("librosa")

SPECTRAL = [kind for kind in KINDS if kind != "waveform"]  # that one: test_waveform.py
EVERY = [(kind, normalisation) for kind in SPECTRAL for normalisation in NORMALISATIONS]
NEW = EVERY[1:]
VOICING, PITCH, ENERGY = 64, 65, 66
N_FFT = 512  # what the pitch needs


def configured(kind: str, normalisation: str = "level", **changes: Any) -> FrontendConfig:
    options = {"n_fft": N_FFT, "kind": kind, "normalisation": normalisation, **changes}
    return FrontendConfig(**options)


def first_stage(config: FrontendConfig, samples: np.ndarray) -> Tensor:
    return build_frontend(config)(torch.from_numpy(samples)[None])


def features(config: FrontendConfig, samples: np.ndarray) -> np.ndarray:
    """Return what the encoder sees: [channels, frames]."""
    found = build_frontend(config).features(first_stage(config, samples))
    assert found.shape[1] == config.channels
    return found[0].numpy()


def floored_power(config: FrontendConfig, samples: np.ndarray) -> np.ndarray:
    """Return the mel power, with its floor, that all kinds start from: [n_mels, frames]."""
    waveform = torch.from_numpy(samples)[None]
    level = waveform.square().mean().sqrt() + 1e-5
    return (LogMel(config).mel_power(waveform / level) + config.floor)[0].numpy()


def tone(pitch_hz: float, seconds: float = 1.0) -> np.ndarray:
    phase = 2 * np.pi * pitch_hz * np.arange(round(16000 * seconds)) / 16000
    return np.asarray(0.1 * sum(np.sin(k * phase) / k for k in range(1, 12)), dtype=np.float32)


def pitch_hz(rows: np.ndarray) -> np.ndarray:
    """Undo how the pitch row is written."""
    middle = np.sqrt(FrontendConfig().pitch_min * FrontendConfig().pitch_max)
    return np.asarray(middle * 2 ** (rows[PITCH] / rows[VOICING]))


@pytest.fixture(scope="module", params=["noise", "voice", "ravdess", "emodb"])
def samples(request: pytest.FixtureRequest) -> np.ndarray:
    if request.param == "noise":
        return np.random.default_rng(0).normal(0, 0.1, 24321).astype(np.float32)
    if request.param == "voice":
        return voice(1.7)
    clips = load_corpus(request.param, request.getfixturevalue("data_root"))
    return load_audio(clips[len(clips) // 2].file)


# --- twins ---


@pytest.mark.parametrize("changes", [{}, {"n_mfcc": 20, "n_mels": 40}, {"n_mfcc": 64}])
def test_cepstra_are_those_of_librosa(samples: np.ndarray, changes: dict[str, Any]) -> None:
    config = configured("mfcc", **changes)
    power_db = librosa.power_to_db(floored_power(config, samples), top_db=None)
    expected = librosa.feature.mfcc(S=power_db, n_mfcc=config.n_mfcc)
    found = features(config, samples)[: config.n_mfcc]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("order", [1, 2])
def test_differences_are_those_of_librosa(samples: np.ndarray, order: int) -> None:
    found = features(configured("mfcc"), samples).reshape(3, 13, -1)
    expected = librosa.feature.delta(found[0].astype(np.float64), width=9, order=order)
    np.testing.assert_allclose(found[order], expected, atol=1e-4)


@pytest.mark.parametrize("frames", [9, 10, 17, 18])
def test_differences_of_short_recordings_are_those_of_librosa(frames: int) -> None:
    found = features(configured("mfcc"), voice((frames - 1) * 0.0125)).reshape(3, 13, -1)
    assert found.shape[2] == frames
    for order in (1, 2):
        expected = librosa.feature.delta(found[0].astype(np.float64), width=9, order=order)
        np.testing.assert_allclose(found[order], expected, atol=1e-4)


@pytest.mark.parametrize("frames", range(1, 9))
def test_recordings_too_short_for_a_fit_have_the_slope_of_their_middle(frames: int) -> None:
    found = features(configured("mfcc"), voice(max(1, (frames - 1) * 200) / 16000))
    cepstra, first, _ = found.reshape(3, 13, -1)
    assert cepstra.shape[1] == frames
    nearest = librosa.feature.delta(cepstra.astype(np.float64), width=9, mode="nearest")
    middle = nearest[:, [(frames - 1) // 2]]
    np.testing.assert_allclose(first, np.repeat(middle, frames, axis=1), atol=1e-4)


@pytest.mark.parametrize(
    "options",
    [{}, {"gain": 0.5, "bias": 10.0, "power": 0.25}, {"time_constant": 0.06, "eps": 1e-3}],
    ids=["default", "shape", "fast"],
)
def test_pcen_is_that_of_librosa(samples: np.ndarray, options: dict[str, float]) -> None:
    config = configured("log-mel", "pcen", pcen=PcenOptions(**options))
    power = floored_power(config, samples).astype(np.float64)
    expected = librosa.pcen(power, sr=16000, hop_length=config.hop_length, **options)
    np.testing.assert_allclose(features(config, samples), expected, rtol=1e-4, atol=1e-4)


def test_the_slow_level_of_a_long_recording_is_the_recursion() -> None:
    power = np.random.default_rng(1).exponential(size=(2, 3, 5000)).astype(np.float32)
    pcen = Pcen(PcenOptions(), 100.0)
    level, expected = np.ones((2, 3)), np.empty(power.shape)
    for frame in range(power.shape[2]):
        level = (1 - pcen.rate) * level + pcen.rate * power[:, :, frame]
        expected[:, :, frame] = level
    np.testing.assert_allclose(pcen.slow_level(torch.from_numpy(power)), expected, atol=1e-5)


@pytest.mark.parametrize("kind", SPECTRAL)
def test_utterance_gives_each_channel_mean_0_and_variance_1(kind: str, samples: np.ndarray) -> None:
    plain = features(configured(kind), samples).astype(np.float64)
    expected = (plain - plain.mean(axis=1, keepdims=True)) / np.sqrt(
        plain.var(axis=1, keepdims=True) + 1e-3
    )
    found = features(configured(kind, "utterance"), samples)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_only_the_global_normalisation_hears_loudness() -> None:
    clip = voice(1.0)
    for kind, normalisation in EVERY:
        config = configured(kind, normalisation)
        change = np.abs(features(config, 4 * clip) - features(config, clip))
        assert (change.max() > 1) == (normalisation == "global"), (kind, normalisation)


def test_global_is_level_for_a_recording_at_the_typical_level() -> None:
    clip = voice(1.0)
    clip *= 0.05 / np.sqrt(np.mean(clip**2))
    for kind in SPECTRAL:
        expected = features(configured(kind, "level"), clip)
        np.testing.assert_allclose(features(configured(kind, "global"), clip), expected, atol=2e-2)


# --- prosody ---


def test_the_log_mel_above_the_prosody_is_the_plain_one(samples: np.ndarray) -> None:
    rows = features(configured("log-mel+prosody"), samples)
    plain = first_stage(configured("log-mel"), samples)[0].numpy()
    np.testing.assert_array_equal(rows[:64], plain)


@pytest.mark.parametrize("frequency", [95.0, 110.0, 150.0, 220.0, 310.0, 450.0])
def test_a_tone_has_its_pitch(frequency: float) -> None:
    rows = features(configured("log-mel+prosody"), tone(frequency))[:, 5:-5]
    assert rows[VOICING].min() > 0.9
    semitones = 12 * np.log2(pitch_hz(rows) / frequency)
    assert np.abs(semitones).max() < 0.1


def test_noise_has_no_voice_and_no_pitch() -> None:
    noise = np.random.default_rng(2).normal(0, 0.1, 32000).astype(np.float32)
    rows = features(configured("log-mel+prosody"), noise)
    assert rows[VOICING].mean() < 0.35
    assert np.abs(rows[PITCH]).mean() < 0.35  # octaves
    assert features(configured("log-mel+prosody"), tone(120.0))[VOICING].mean() > 0.9


def test_pitch_is_that_of_pyin_on_real_voices(data_root: Path) -> None:
    errors, voicing = [], []
    for clip in load_corpus("emodb", data_root)[::60]:
        clip_samples = load_audio(clip.file)
        f0, voiced, _ = librosa.pyin(
            clip_samples, fmin=75, fmax=500, sr=16000, hop_length=200, frame_length=1024
        )
        rows = features(configured("log-mel+prosody"), clip_samples)[:, : len(f0)]
        errors.append(12 * np.log2(pitch_hz(rows[:, voiced]) / f0[voiced]))
        voicing.append(rows[VOICING, voiced].mean() - rows[VOICING, ~voiced].mean())
    errors_in_semitones = np.abs(np.concatenate(errors))
    assert np.median(errors_in_semitones) < 0.2
    assert np.mean(errors_in_semitones > 1) < 0.2
    assert min(voicing) > 0.1


def test_energy_is_that_of_librosa(samples: np.ndarray) -> None:
    config = configured("log-mel+prosody")
    level = samples / np.sqrt(np.mean(samples.astype(np.float64) ** 2))
    spectrum = librosa.stft(
        level, n_fft=N_FFT, win_length=400, hop_length=config.hop_length, pad_mode="constant"
    )
    rms = librosa.feature.rms(S=np.abs(spectrum), frame_length=N_FFT)[0]
    window = np.mean(librosa.filters.get_window("hann", 400) ** 2) * 400 / N_FFT
    expected = 10 * np.log10(rms**2 / window + 1e-4)
    np.testing.assert_allclose(features(config, samples)[ENERGY], expected, atol=2e-2)


@pytest.mark.parametrize(("kind", "normalisation"), EVERY)
@pytest.mark.parametrize("level", [0.0, 1e-7, 0.5])
def test_what_does_not_move_stays_finite(kind: str, normalisation: str, level: float) -> None:
    found = features(configured(kind, normalisation), np.full(8000, level, dtype=np.float32))
    assert np.isfinite(found).all()


def test_silence_has_no_voice() -> None:
    rows = features(configured("log-mel+prosody"), np.zeros(8000, dtype=np.float32))
    assert np.abs(rows[[VOICING, PITCH]]).max() < 1e-6
    np.testing.assert_allclose(rows[ENERGY], -40, atol=1e-3)


# --- batches ---


@pytest.mark.parametrize(("kind", "normalisation"), EVERY)
def test_a_clip_in_a_padded_batch_gives_what_it_gives_alone(kind: str, normalisation: str) -> None:
    config = configured(kind, normalisation)
    frontend = build_frontend(config)
    clips = [voice(seconds, seed) for seed, seconds in enumerate((0.9, 0.4, 0.1, 0.05, 0.001))]
    spectra = [first_stage(config, clip)[0] for clip in clips]
    lengths = torch.tensor([spectrum.shape[1] for spectrum in spectra])
    padded = torch.full((len(clips), spectra[0].shape[0], int(lengths.max())), 777.0)
    for row, spectrum in zip(padded, spectra, strict=True):
        row[:, : spectrum.shape[1]] = spectrum
    together = frontend.features(padded, lengths)
    assert torch.isfinite(together).all()
    for row, spectrum, length in zip(together, spectra, lengths, strict=True):
        alone = frontend.features(spectrum[None])[0]
        torch.testing.assert_close(row[:, :length], alone, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize(("kind", "normalisation"), NEW)
def test_features_keep_their_digits_in_mixed_precision(kind: str, normalisation: str) -> None:
    config = configured(kind, normalisation)
    frontend, spectrum = build_frontend(config), first_stage(config, voice(0.5))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = frontend.features(spectrum)
    torch.testing.assert_close(mixed, frontend.features(spectrum), atol=0, rtol=0)


@pytest.mark.parametrize(("kind", "normalisation"), EVERY)
def test_a_frame_reaches_as_far_as_the_context_says(kind: str, normalisation: str) -> None:
    config = configured(kind, normalisation, pcen=PcenOptions(time_constant=0.05))
    frontend, spectrum = build_frontend(config), first_stage(config, voice(8.0))
    struck = spectrum.clone()
    struck[:, :, 300] += 3.0
    change = (frontend.features(struck) - frontend.features(spectrum))[0].abs().amax(dim=0)
    reached = torch.nonzero(change > 1e-4)[:, 0]
    width = int(reached.max() - reached.min()) + 1
    if config.context is None:
        assert normalisation == "utterance"
        assert width == spectrum.shape[2]
    else:
        # What the first stage of the prosody averages over is not seen from here.
        slopes = 8 if kind == "mfcc" else 0
        assert slopes < width <= config.context + 1
        assert (width > slopes + 1) == (normalisation == "pcen")


def test_the_pitch_of_a_frame_reaches_as_far_as_the_context_says() -> None:
    config = configured("log-mel+prosody")
    clip = np.random.default_rng(3).normal(0, 0.1, 32000).astype(np.float32)
    struck = clip.copy()
    struck[16000] += 0.5
    # Without levelling: the level of the recording is left out of account.
    frontend = build_frontend(replace(config, normalisation="global"))
    plain, changed = (frontend(torch.from_numpy(item)[None])[0] for item in (clip, struck))
    reached = torch.nonzero((plain - changed)[VOICING].abs() > 1e-6)[:, 0]
    # One sample lies in two windows of 400 samples, 200 apart; each is heard by five frames.
    assert config.context == 4
    assert len(reached) == 4 + 1


# --- networks ---


@pytest.mark.parametrize(
    ("kind", "normalisation"),
    [
        ("log-mel", "pcen"),
        ("mfcc", "level"),
        ("mfcc", "utterance"),
        ("log-mel+prosody", "global"),
    ],
)
def test_the_export_answers_as_the_network_at_any_length(
    kind: str, normalisation: str, tmp_path: Path
) -> None:
    config = configured(kind, normalisation)
    network = tiny_network(frontend=config)
    spectrum = first_stage(config, voice(3.0))
    seen = network.frontend.features(spectrum)
    network.feature_mean.copy_(seen.mean(dim=2).T)
    network.feature_scale.copy_(seen.std(dim=2).T + 0.01)
    export_onnx(network, tmp_path / "model.onnx", {})
    durations = (0.03, 0.1, 0.11, 1.0, 3.0, 10.0)
    parity = check_parity(network, tmp_path / "model.onnx", durations=durations)
    assert parity.max_difference < 1e-4
    assert parity.label_agreement == 1


@pytest.mark.parametrize(("kind", "normalisation"), EVERY)
def test_a_network_scores_padded_clips_as_alone(kind: str, normalisation: str) -> None:
    network = tiny_network(frontend=configured(kind, normalisation))
    clips = [torch.from_numpy(voice(seconds, 3))[None] for seconds in (1.0, 0.3)]
    spectra = [network.frontend(clip)[0] for clip in clips]
    padded = torch.nn.utils.rnn.pad_sequence([item.T for item in spectra], batch_first=True).mT
    lengths = torch.tensor([item.shape[1] for item in spectra])
    with torch.inference_mode():
        together = network.classify(padded, lengths)
        alone = torch.cat([network.classify(item[None]) for item in spectra])
        through = torch.cat([network(clip)["probabilities"] for clip in clips])
    torch.testing.assert_close(together, alone, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(torch.softmax(alone / 1.3, dim=1), through)


@pytest.mark.parametrize("seconds", [0.4, 2.0, 9.0])
def test_the_local_level_is_the_rms_of_the_seconds_around(seconds: float) -> None:
    config = configured("log-mel", "local", level_past=1.0, level_future=0.5)
    samples = voice(seconds) * np.linspace(0.01, 1.0, len(voice(seconds)), dtype=np.float32)
    found = np.exp(first_stage(config, samples)[0].numpy()) - config.floor
    plain = LogMel(config).mel_power(torch.from_numpy(samples)[None])[0].numpy()
    hop = config.hop_length
    for frame in range(2, plain.shape[1] - 2, 7):  # those at the edges are half empty
        first, last = max(0, frame * hop - 16000), frame * hop + 8000
        rms = np.sqrt(np.mean(samples[first:last].astype(np.float64) ** 2))
        expected = plain[:, frame] / rms**2
        np.testing.assert_allclose(found[:, frame], expected, rtol=0.05, atol=2e-5)


def test_the_local_level_forgets() -> None:
    """What was loud long ago, or will be, changes nothing now."""
    config = configured("log-mel", "local")
    quiet, loud = voice(6.0), np.concatenate([voice(1.0) * 30, voice(6.0)])
    alone = first_stage(config, quiet)[0].numpy()
    after = first_stage(config, loud)[0].numpy()[:, -alone.shape[1] :]
    past = config.level_frames[0] + 2
    np.testing.assert_allclose(after[:, past:], alone[:, past:], rtol=1e-3, atol=1e-3)
    assert np.abs(after[:, :past] - alone[:, :past]).max() > 1


def test_only_what_is_not_one_kind_has_statistics_of_each_channel() -> None:
    for kind, normalisation in EVERY:
        config = configured(kind, normalisation)
        state = tiny_network(frontend=config).state_dict()
        alike = kind == "log-mel" and normalisation in ("level", "local")
        expected = () if alike else (config.channels, 1)
        assert state["feature_mean"].shape == state["feature_scale"].shape == expected
        assert not [name for name in state if name.startswith("frontend")]


def test_the_receptive_field_counts_the_context() -> None:
    plain, slopes, whole = (
        describe(tiny_network(frontend=config)).receptive_field
        for config in (FrontendConfig(), configured("mfcc"), configured("mfcc", "utterance"))
    )
    assert plain is not None
    assert slopes == pytest.approx(plain + 8 * 0.0125)
    assert whole is None


# --- training ---


def clips_in(folder: Path) -> list[Clip]:
    emotions = ("happy", "sad")
    return [
        Clip(file=write_sound(folder / f"{i}.wav"), emotion=emotions[i % 2], speaker=str(i))
        for i in range(6)
    ]


def recipe(config: FrontendConfig) -> Recipe:
    plain = Recipe()
    return replace(plain, model=replace(plain.model, frontend=config))


@pytest.mark.parametrize(("kind", "normalisation"), EVERY)
def test_statistics_make_the_training_data_mean_0_and_variance_1(
    kind: str, normalisation: str, tmp_path: Path
) -> None:
    config, clips = configured(kind, normalisation), clips_in(tmp_path)
    store = FeatureStore(config)
    mean, scale = store.statistics(clips)
    frontend = build_frontend(config)
    stored = [torch.from_numpy(store.get(clip).astype(np.float32))[None] for clip in clips]
    seen = torch.cat([frontend.features(item)[0] for item in stored], dim=1).double().numpy()
    scaled = (seen - mean) / scale
    axis = 1 if mean.ndim else None
    np.testing.assert_allclose(scaled.mean(axis=axis), 0, atol=1e-3)
    moves = seen.std(axis=axis) > 2e-3
    np.testing.assert_allclose(scaled.std(axis=axis)[moves], 1, atol=1e-3)


def test_augmentation_changes_the_log_mel_and_leaves_the_prosody(tmp_path: Path) -> None:
    clips = clips_in(tmp_path)
    config = configured("log-mel+prosody")
    settings = recipe(config)
    settings = replace(
        settings, augment=replace(settings.augment, mixup=replace(settings.augment.mixup, alpha=0))
    )
    store = FeatureStore(config)
    store.prepare(clips, settings.training.speeds)
    augmented, plain = (
        next(Batches(clips, ("happy", "sad"), changed, store, seed=0).epoch(0))
        for changed in (
            settings,
            replace(settings, augment=replace(settings.augment, enabled=False)),
        )
    )
    assert augmented.features.shape == plain.features.shape
    torch.testing.assert_close(augmented.features[:, 64:], plain.features[:, 64:], atol=0, rtol=0)
    assert (augmented.features[:, :64] - plain.features[:, :64]).abs().mean() > 0.1


@pytest.mark.parametrize("name", ["cnn-mfcc", "cnn-prosody"])
def test_a_recipe_differs_from_the_plain_one_by_its_frontend_alone(
    repository: Path, name: str
) -> None:
    plain = load_recipe("cnn")
    other = load_recipe(repository / "benchmarks" / "recipes" / f"{name}.toml")
    assert other.model.frontend.kind == {"cnn-mfcc": "mfcc"}.get(name, "log-mel+prosody")
    model = replace(other.model, frontend=plain.model.frontend)
    assert replace(other, name="", description="", model=model) == replace(
        plain, name="", description=""
    )


# --- configuration ---


def test_the_configuration_of_older_models_is_still_read() -> None:
    older = {
        "sample_rate": 16000,
        "n_fft": 512,
        "window": 400,
        "hop_length": 160,
        "n_mels": 64,
        "f_min": 50.0,
        "f_max": 8000.0,
        "floor": 0.001,
    }
    config = build(FrontendConfig, older, "frontend")
    assert (config.kind, config.normalisation, config.channels) == ("log-mel", "level", 64)
    assert type(build_frontend(config)) is LogMel
    spectrum = torch.randn(1, 64, 20)
    assert build_frontend(config).features(spectrum) is spectrum


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "cqt"}, r"unknown kind 'cqt': expected one of log-mel, mfcc, log-mel\+prosody"),
        ({"level_past": -1.0}, "level_past and level_future are seconds from 0 up"),
        ({"normalisation": "batch"}, "unknown normalisation 'batch': expected one of level"),
        ({"kind": "mfcc", "n_mfcc": 65}, r"n_mfcc 65 must be in 1\.\.n_mels=64"),
        ({"kind": "mfcc", "n_mfcc": 0}, "n_mfcc 0 must be in"),
        ({"kind": "log-mel+prosody"}, "needs n_fft of 494 or more, got 400: set n_fft = 512"),
        (
            {"kind": "log-mel+prosody", "n_fft": 512, "pitch_min": 40.0},
            "a window of 400 samples needs 60 <= pitch_min",
        ),
        (
            {"kind": "log-mel+prosody", "n_fft": 512, "pitch_max": 70.0},
            "got 75 and 70",
        ),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"frontend: .*{message}"):
        FrontendConfig(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gain": -0.1}, "gain cannot be negative, got -0.1"),
        ({"power": 0.0}, "power must be positive, got 0"),
        ({"time_constant": 0.0}, "time_constant must be positive"),
    ],
)
def test_impossible_options_of_pcen_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"frontend\.pcen: {message}"):
        PcenOptions(**options)


# --- cost ---


def test_the_cost_of_every_frontend_is_stored(repository: Path) -> None:
    bench = runpy.run_path(str(repository / "benchmarks" / "frontends.py"))
    assert list(bench["REPORT"].load()["frontends"]) == list(bench["OPTIONS"])
