"""Encoders of transformers as an architecture: tiny ones of every family, with random weights."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_network import LABELS, RATE, TINY_ENCODERS, WAVEFORM, tiny_network, voice

from affekt.errors import ConfigError, MissingExtraError
from affekt.models import Network, NetworkConfig, build_network
from affekt.models.encoders.ssl import Ssl
from affekt.models.frontend import FrontendConfig

transformers = pytest.importorskip("transformers")

# What is published holds more than the encoder: heads of other tasks, a decoder.
PUBLISHED = {
    "wav2vec2": "Wav2Vec2ForPreTraining",
    "hubert": "HubertForCTC",
    "wavlm": "WavLMModel",
    "whisper": "WhisperForConditionalGeneration",
}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one checkpoint of each family; do not write to it."""
    folder = tmp_path_factory.mktemp("checkpoints")
    transformers.utils.logging.disable_progress_bar()
    for family, settings in TINY_ENCODERS.items():
        torch.manual_seed(0)
        config = transformers.AutoConfig.for_model(**settings)
        model = getattr(transformers, PUBLISHED[family])(config)
        with torch.no_grad():  # new weights are so small that layers would hardly differ
            for name, weight in model.named_parameters():
                if weight.ndim > 1 and "layers." in name:
                    weight.mul_(10)
        model.save_pretrained(folder / family)
    return folder


def network(frontend: FrontendConfig = WAVEFORM, **options: Any) -> Network:
    torch.manual_seed(1)
    return build_network(NetworkConfig(LABELS, "ssl", options, frontend)).eval()


def voices(seconds: float, count: int = 2) -> torch.Tensor:
    """Recordings of mean 0 and variance 1 ``[count, samples]``."""
    sound = torch.from_numpy(np.stack([voice(seconds, seed) for seed in range(count)]))
    return (sound - sound.mean(1, keepdim=True)) / sound.std(1, keepdim=True, correction=0)


@torch.inference_mode()
@pytest.mark.parametrize("family", ["wav2vec2", "hubert", "wavlm"])
def test_the_hidden_states_are_those_of_transformers(family: str, checkpoints: Path) -> None:
    made = network(checkpoint=str(checkpoints / family))
    sound = voices(1.0)
    model = transformers.AutoModel.from_pretrained(checkpoints / family).eval()
    # A frame begins with its own samples: for the last ones, something must follow.
    reach = 16 * 19 + 20
    followed = torch.nn.functional.pad(sound, (0, reach - 320))
    theirs = model(followed, output_hidden_states=True).hidden_states
    ours = made.encoder.backbone(made.frontend(sound * 0.1).transpose(1, 2).flatten(1))
    assert len(ours) == len(theirs) == 3
    for our, their in zip(ours, theirs, strict=True):
        assert our.shape == (2, 50, 16)
        torch.testing.assert_close(our, their, rtol=0, atol=1e-4)


@torch.inference_mode()
def test_whisper_hears_what_its_own_feature_extractor_gives(checkpoints: Path) -> None:
    made = network(checkpoint=str(checkpoints / "whisper"))
    sound = voices(2.0)  # as long as it knows positions
    extractor = transformers.WhisperFeatureExtractor(feature_size=20, chunk_length=2)
    features = extractor(list((0.05 * sound).numpy()), sampling_rate=RATE, return_tensors="pt")
    model = transformers.WhisperModel.from_pretrained(checkpoints / "whisper").encoder.eval()
    theirs = model(features.input_features, output_hidden_states=True).hidden_states
    ours = made.encoder.backbone(sound)
    assert len(ours) == 3
    for our, their in zip(ours[:2], theirs, strict=False):  # the last one of theirs is normalised
        torch.testing.assert_close(our, their, rtol=0, atol=1e-3)


@torch.inference_mode()
def test_older_files_hold_the_same_weights(checkpoints: Path, tmp_path: Path) -> None:
    """Not safetensors, and by the names that weights had, as those of WavLM are on the Hub."""
    older = shutil.copytree(checkpoints / "wavlm", tmp_path / "older")
    weights = load_file(older / "model.safetensors")
    (older / "model.safetensors").unlink()
    for number, letter in enumerate("gv"):
        name = "encoder.pos_conv_embed.conv.parametrizations.weight.original"
        weights[f"encoder.pos_conv_embed.conv.weight_{letter}"] = weights.pop(f"{name}{number}")
    torch.save(weights, older / "pytorch_model.bin")
    sound = torch.from_numpy(voice(0.5)[None])
    new, old = (
        network(checkpoint=str(f))(sound)["embedding"] for f in (checkpoints / "wavlm", older)
    )
    assert torch.equal(new, old)


@torch.inference_mode()
@pytest.mark.parametrize("family", TINY_ENCODERS)
def test_padding_changes_no_frame(family: str, checkpoints: Path) -> None:
    """Nor where the convolutions are normalised over time, as in most base-size checkpoints."""
    encoder = network(checkpoint=str(checkpoints / family)).encoder.double()
    lengths = torch.tensor([130, 70, 12, 1])  # whisper knows 100 positions
    clips = torch.randn(4, 320, 130, dtype=torch.float64)
    mask = (torch.arange(130) < lengths[:, None]).double()[:, None]
    together = encoder(clips.where(mask > 0, 1e3), mask)
    for row, length in enumerate(lengths.tolist()):
        alone = encoder(clips[row : row + 1, :, :length])[0]
        assert together[row].abs().max() > 0.01
        torch.testing.assert_close(together[row, :, :length], alone, rtol=0, atol=1e-9)


@torch.inference_mode()
def test_whisper_begins_anew_where_its_positions_end(checkpoints: Path) -> None:
    encoder = network(checkpoint=str(checkpoints / "whisper")).encoder
    sound = torch.randn(1, 320, 150)
    changed = sound.clone()
    changed[:, :, 110:] *= torch.linspace(0.5, 1.0, 40)
    difference = (encoder(sound) - encoder(changed))[0].abs().amax(dim=0)
    assert difference[:99].max() < 1e-6 < 1e-4 < difference[110:].min()


def test_only_what_is_asked_for_is_trained(checkpoints: Path) -> None:
    trained: dict[str, set[str]] = {}
    for how in ("none", "top", "all"):
        made = network(checkpoint=str(checkpoints / "hubert"), train=how, top=1).train()
        made.classify(made.frontend(voices(0.5, 3))).square().sum().backward()
        parts = {name: p for name, p in made.encoder.named_parameters() if p.grad is not None}
        assert {name for name, p in made.encoder.named_parameters() if p.requires_grad} == {*parts}
        trained[how] = {name for name in parts if name.startswith("backbone.")}
        assert {"mix", "project.weight"} <= {*parts}
        assert made.encoder.backbone.training == (how != "none")
    assert trained["none"] == set()
    assert all(name.startswith("backbone.encoder.layers.1.") for name in trained["top"])
    assert trained["top"] < trained["all"]
    assert any("pos_conv_embed" in name for name in trained["all"])
    assert not any(name.startswith("backbone.stem.") for name in trained["all"])


def test_the_sum_of_layers_is_learned_and_begins_even(checkpoints: Path) -> None:
    made = network(checkpoint=str(checkpoints / "wavlm"), channels=0)
    assert isinstance(made.encoder, Ssl)
    torch.testing.assert_close(made.encoder.weights(), torch.full((3,), 1 / 3))
    assert made.embedding_size == 2 * 16
    sound = voices(0.5)
    with torch.no_grad():
        states = made.encoder.backbone(sound)
        made.encoder.mix.copy_(torch.tensor([-50.0, 50.0, -50.0]))
        frames = made.encoder(sound.reshape(2, 25, 320).transpose(1, 2))
    wanted = torch.nn.functional.layer_norm(states[1], (16,)).transpose(1, 2)
    torch.testing.assert_close(frames, wanted)


@torch.inference_mode()
@pytest.mark.parametrize("shorten", [1, 4])
@pytest.mark.parametrize("family", TINY_ENCODERS)
def test_frozen_features_can_be_computed_before(
    family: str, shorten: int, checkpoints: Path
) -> None:
    made = network(checkpoint=str(checkpoints / family), shorten=shorten)
    encoder, features = made.encoder, made.frontend(voices(0.5))
    assert encoder.still
    whole, half = encoder.frozen_features(features), encoder.frozen_features(features[1:, :, :10])
    frames = -(-25 // shorten)
    assert whole.shape == (2, 3 * 16, frames)
    torch.testing.assert_close(encoder(whole), encoder(features))
    lengths, shorter = torch.tensor([25, 10]), torch.tensor([frames, half.shape[2]])
    padded = torch.stack([whole[0], torch.nn.functional.pad(half[0], (0, frames - shorter[1]))])
    torch.testing.assert_close(
        made.classify(padded, shorter), made.classify(features, lengths), atol=1e-4, rtol=1e-4
    )
    assert not network(checkpoint=str(checkpoints / family), train="top", top=1).encoder.still


@torch.inference_mode()
def test_frames_are_shortened_to_their_means(checkpoints: Path) -> None:
    short, plain = (
        network(checkpoint=str(checkpoints / "hubert"), shorten=count, channels=0).encoder
        for count in (4, 1)
    )
    features = voices(0.5).reshape(2, 25, 320).transpose(1, 2)
    frames = plain(features)
    wanted = torch.stack([part.mean(2) for part in frames.split(4, dim=2)], dim=2)
    torch.testing.assert_close(short(features), wanted)


@pytest.mark.parametrize("family", TINY_ENCODERS)
def test_fewer_layers_are_the_lowest(family: str, checkpoints: Path) -> None:
    whole, lower = (
        network(checkpoint=str(checkpoints / family), layers=layers).encoder for layers in (0, 1)
    )
    sound = voices(0.5)
    with torch.inference_mode():
        for ours, theirs in zip(lower.backbone(sound), whole.backbone(sound), strict=False):
            torch.testing.assert_close(ours, theirs)
    assert len(lower.backbone.layers) == 1
    assert len(lower.mix) == 2


def test_the_configuration_alone_makes_the_same_network_again(
    checkpoints: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(checkpoints / "wav2vec2", tmp_path / "wav2vec2")
    made = network(checkpoint=str(folder), layers=1)
    shutil.rmtree(folder)
    assert made.config.options["checkpoint"] == "wav2vec2"  # a name, and no path
    assert str(tmp_path) not in str(made.config.options)
    again = build_network(made.config, made.state_dict()).eval()
    sound = torch.from_numpy(voice(0.7)[None])
    with torch.inference_mode():
        torch.testing.assert_close(again(sound), made(sound), rtol=0, atol=0)
    assert again.config == made.config


@pytest.mark.parametrize("family", TINY_ENCODERS)
def test_a_step_in_bfloat16(family: str) -> None:
    options = {"encoder": TINY_ENCODERS[family], "train": "all", "channels": 8}
    made = tiny_network(architecture="ssl", options=options).train()
    spectrum = made.frontend(voices(0.5, 3))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = made.classify(spectrum, torch.tensor([25, 20, 9]))
    logits.float().square().sum().backward()
    learning = [p for p in made.parameters() if p.requires_grad]
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in learning)


def test_what_cannot_be_read_is_said(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    empty, damaged, alone = (tmp_path / name for name in ("empty", "damaged", "alone"))
    for folder in (empty, damaged, alone):
        folder.mkdir()
    for folder in (damaged, alone):
        shutil.copy(checkpoints / "hubert" / "config.json", folder)
    (damaged / "model.safetensors").write_bytes(b"not weights")
    transformers.BertConfig(num_hidden_layers=1).save_pretrained(tmp_path / "bert")
    other = shutil.copytree(checkpoints / "wavlm", tmp_path / "other")
    shutil.copy(checkpoints / "hubert" / "config.json", other)
    wrong = {
        "nobody/has-this": r"ssl: cannot read the checkpoint nobody/has-this \(.*\): name one of",
        "./nowhere": r"ssl: no checkpoint at \./nowhere: there is no such folder",
        str(empty): "empty has no config.json: expected what save_pretrained",
        str(alone): r"ssl: cannot read the checkpoint .*alone \(Error no file named model",
        str(damaged): "ssl: cannot read the checkpoint .*damaged .*or a folder with config.json",
        str(tmp_path / "bert"): "bert is of the family 'bert': expected one of hubert, wav2vec2",
        str(other): "other lacks weights of its encoder: feature_extractor",
    }
    for checkpoint, message in wrong.items():
        with pytest.raises(ConfigError, match=message) as raised:
            network(checkpoint=checkpoint)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "ssl: name a checkpoint: model.options.checkpoint = 'microsoft/wavlm-base-plus'"),
        ({"train": "some"}, "ssl: train must be one of none, top, all, got 'some'"),
        ({"train": "top", "top": 3}, "ssl: top = 3, but there are 2 layers"),
        ({"top": 0}, "ssl: top must be 1 or more, got 0"),
        ({"layers": 3}, "ssl: layers = 3, but model.options.encoder has 2 of them"),
        ({"layers": -1}, "ssl: layers and channels must be 0 or more"),
        ({"slowdown": 0.0}, "ssl: slowdown must be positive, got 0"),
        ({"dropout": 1.0}, r"ssl: dropout must be in \[0, 1\), got 1"),
        ({"freeze": True}, "unknown key model.ssl.freeze"),
        ({"encoder": {"hidden_size": 8}}, "ssl: model.options.encoder is of the family None"),
        (
            {"encoder": {**TINY_ENCODERS["wavlm"], "num_hidden_layers": "two"}},
            "ssl: model.options.encoder is impossible: .*num_hidden_layers",
        ),
        (
            {"encoder": {**TINY_ENCODERS["hubert"], "hidden_size": 15}},
            "ssl: model.options.encoder is impossible",
        ),
        (
            {"encoder": {**TINY_ENCODERS["wav2vec2"], "conv_stride": [16, 10]}},
            "a frame of this encoder has 160 samples: set model.frontend.hop_length = 160, got 320",
        ),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    if options and "encoder" not in options:
        options = {"encoder": TINY_ENCODERS["wavlm"], **options}
    with pytest.raises(ConfigError, match=message) as raised:
        network(**options)
    assert "\n" not in str(raised.value)


def test_more_weights_than_a_file_holds_are_refused_before_they_are_made() -> None:
    large = {"model_type": "wav2vec2", "hidden_size": 1280, "num_hidden_layers": 48}
    large |= {"num_attention_heads": 16, "intermediate_size": 5120}
    with pytest.raises(ConfigError, match=r"has 3\.6 GB of weights, and an ONNX file holds 2: "):
        network(encoder=large)


def test_encoders_and_frontends_that_do_not_fit() -> None:
    tiny = {"encoder": TINY_ENCODERS["wavlm"]}
    with pytest.raises(ConfigError, match=r"'ssl' takes the waveform: set model\.frontend\.kind"):
        network(FrontendConfig(n_mels=320), **tiny)
    with pytest.raises(ConfigError, match="'ssl' takes 16000 Hz: set model.frontend.sample_rate"):
        network(FrontendConfig(22050, kind="waveform", hop_length=320), **tiny)
    with pytest.raises(ConfigError, match="'cnn' takes features, not the waveform"):
        build_network(NetworkConfig(LABELS, "cnn", frontend=WAVEFORM))


def test_without_transformers_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"'transformers'.* pip install 'affekt\[ssl\]'"):
        network(encoder=TINY_ENCODERS["wavlm"])
    with pytest.raises(MissingExtraError, match=r"pip install 'affekt\[ssl\]'"):
        network(checkpoint="microsoft/wavlm-base-plus")
