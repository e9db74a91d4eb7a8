from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from tiny_network import LABELS, RATE, TINY, Exported, tiny_network, voice

import affekt
from affekt.data import Clip, load_corpus
from affekt.errors import ModelError
from affekt.export import ModelMetadata, write_model_directory
from affekt.export import model_directory as module
from affekt.export.model_directory import model_config, read_network
from affekt.models import Network
from affekt.models.encoders.cnn import CnnOptions


def config_of(*corpora: str) -> dict[str, Any]:
    clips = [Clip(Path("a.wav"), "happy", "1", corpus=corpus) for corpus in corpora]
    return model_config(tiny_network(), ModelMetadata("any", {"train": clips}))


def torch_scores(network: Network, samples: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return network(torch.from_numpy(samples)[None])["probabilities"][0].numpy()


def test_it_holds_four_files_and_none_is_a_pickle(exported: Exported) -> None:
    files = {path.name: path for path in exported.folder.iterdir()}
    assert set(files) == {"config.json", "model.onnx", "model.safetensors", "README.md"}
    for path in files.values():
        # A pickle begins with its protocol, a torch checkpoint is a zip of pickles.
        assert not path.read_bytes().startswith((b"\x80", b"PK"))
    with safe_open(files["model.safetensors"], framework="np") as weights:
        assert set(weights.keys()) == set(exported.network.state_dict())


def test_predict_agrees_with_torch(exported: Exported) -> None:
    model = affekt.load_model(exported.folder)
    for seed, seconds in enumerate((0.1, 0.7, 2.0, 4.321)):
        samples = voice(seconds, seed)
        answer = model.predict((samples, RATE))
        assert tuple(answer.scores) == LABELS
        expected = torch_scores(exported.network, samples)
        np.testing.assert_allclose(list(answer.scores.values()), expected, atol=1e-4)


def test_predict_agrees_with_torch_on_a_real_clip(exported: Exported, data_root: Path) -> None:
    model = affekt.load_model(exported.folder)
    for clip in load_corpus("ravdess", data_root)[::400]:
        expected = torch_scores(exported.network, affekt.load_audio(clip.file))
        found = list(model.predict(clip.file).scores.values())
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_network_can_be_made_again(exported: Exported) -> None:
    network, config = read_network(exported.folder)
    assert config == json.loads((exported.folder / "config.json").read_text())
    assert network.config.labels == LABELS
    assert network.config.frontend == exported.network.config.frontend
    assert not network.training
    samples = voice(1.0)
    assert (torch_scores(network, samples) == torch_scores(exported.network, samples)).all()


def test_a_model_from_before_heads_had_names_is_read(tmp_path: Path) -> None:
    network = tiny_network(heads=("intensity",))
    write_model_directory(network, tmp_path / "model", ModelMetadata("old", {}))
    path = tmp_path / "model" / "config.json"
    config = json.loads(path.read_text())
    assert config.pop("heads") == ["intensity"]
    path.write_text(json.dumps({**config, "intensity": True}))
    again, _ = read_network(tmp_path / "model")
    assert again.config.heads == ("intensity",)
    samples = torch.from_numpy(voice(0.5)[None])
    with torch.inference_mode():
        assert torch.equal(again(samples)["intensity"], network(samples)["intensity"])


def test_the_config_says_what_the_network_is(exported: Exported) -> None:
    config = json.loads((exported.folder / "config.json").read_text(encoding="utf-8"))
    assert config["id2label"] == {"0": "angry", "1": "happy", "2": "neutral", "3": "sad"}
    assert config["format_version"] == 1
    assert config["affekt_version"] == affekt.__version__
    assert config["sample_rate"] == config["frontend"]["sample_rate"] == RATE
    assert config["calibration"] == {"method": "temperature", "temperature": 1.3}
    assert config["embedding_size"] == 2 * TINY["channels"]
    assert config["seed"] == 7
    model = affekt.load_model(exported.folder)
    assert model.predict((voice(1.0), RATE)).embedding.shape == (config["embedding_size"],)
    assert model.config.receptive_field == pytest.approx((7 + 4 * 10 - 1) * 0.01 + 0.025)


def test_all_options_are_written_so_that_later_defaults_change_nothing(exported: Exported) -> None:
    config = json.loads((exported.folder / "config.json").read_text(encoding="utf-8"))
    assert config["architecture"] == {
        "name": "cnn",
        "stem": [4, 8],
        "channels": 8,
        "dilations": [1, 2],
        "dropout": CnnOptions().dropout,  # left out when the network was made, as the next one
        "squeeze": 0,
    }


def test_the_config_says_what_was_learned_from(exported: Exported) -> None:
    config = json.loads((exported.folder / "config.json").read_text(encoding="utf-8"))
    assert config["training_data"] == [
        {"corpus": "cremad", "licence": "ODbL-1.0", "clips": 6, "speakers": 3},
        {"corpus": "ravdess", "licence": "CC-BY-NC-SA-4.0", "clips": 4, "speakers": 2},
    ]
    assert config["speakers"] == {
        "train": ["cremad/0", "cremad/1", "cremad/2", "ravdess/0", "ravdess/1"],
        "validation": ["ravdess/2"],
        "test": [],
    }


@pytest.mark.parametrize("corpora", [("ravdess",), ("ravdess", "cremad"), ("emodb", "ravdess", "")])
def test_weights_that_heard_ravdess_are_not_for_commerce(corpora: tuple[str, ...]) -> None:
    assert config_of(*corpora)["licence"].startswith("CC-BY-NC-SA-4.0 (non-commercial")


def test_weights_of_free_corpora_are_free() -> None:
    assert config_of("cremad", "emodb")["licence"] == "CC-BY-4.0"


def test_an_encoder_that_asks_for_a_notice_alone_leaves_the_licence_to_the_data() -> None:
    network = tiny_network()
    clips = [Clip(Path("a.wav"), "happy", "1", corpus="cremad")]
    found = {}
    for checkpoint in ("openai/whisper-base", "someone/whisper-base"):
        options = {**TINY, "checkpoint": checkpoint}
        facts = ModelMetadata("any", {"train": clips})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(network, "config", replace(network.config, options=options))
            patch.setattr("affekt.export.model_directory._options", lambda config: config.options)
            found[checkpoint] = model_config(network, facts)["licence"]
    assert found["openai/whisper-base"] == "CC-BY-4.0"
    assert found["someone/whisper-base"].startswith("that of someone/whisper-base")


@pytest.mark.parametrize("corpora", [("",), ("", "cremad"), ("office",), ()])
def test_of_own_recordings_no_licence_is_claimed(corpora: tuple[str, ...]) -> None:
    assert config_of(*corpora)["licence"] == ""


def test_own_recordings_are_called_so() -> None:
    assert config_of("")["training_data"] == [
        {"corpus": "own recordings", "licence": "", "clips": 1, "speakers": 1}
    ]


def test_a_directory_without_weights_can_be_used_but_not_made_again(
    exported: Exported, tmp_path: Path
) -> None:
    copy = shutil.copytree(exported.folder, tmp_path / "model")
    (copy / "model.safetensors").unlink()
    assert affekt.load_model(copy).labels == LABELS
    with pytest.raises(ModelError, match=r"has no model\.safetensors: it cannot be exported"):
        read_network(copy)


def test_damaged_weights_are_refused(exported: Exported, tmp_path: Path) -> None:
    copy = shutil.copytree(exported.folder, tmp_path / "model")
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"model\.safetensors is damaged"):
        read_network(copy)


def test_a_graph_that_fails_the_proof_replaces_nothing(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(exported.folder, tmp_path / "model")
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    # The graph of the old network, where that of the other one is due.
    monkeypatch.setattr(
        module, "export_onnx", lambda _, path, __: path.write_bytes(before["model.onnx"])
    )
    with pytest.raises(ModelError, match="differs from its network"):
        write_model_directory(tiny_network(seed=1), copy, ModelMetadata("other", {}))
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before
