"""What an export keeps and leaves out: the out-of-domain score, the files that stream."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_network import FRONTEND, RATE, tiny_network, voice

import affekt
from affekt.errors import ModelError
from affekt.export import ModelMetadata
from affekt.export.artefact import Artefact, ExportJob
from affekt.export.check.domain import check_domain, measured_domain
from affekt.export.model_directory import model_config
from affekt.export.targets.registry import export_model
from affekt.models import Network, checkpoint
from affekt.runtime.domain import Domain


@pytest.fixture(scope="module")
def network() -> Network:
    return tiny_network(frontend=replace(FRONTEND, normalisation="local"))


@pytest.fixture(scope="module")
def domain(network: Network) -> Domain:
    """Where the embeddings of some voices lie."""
    voices = torch.from_numpy(np.stack([voice(1.5, seed) for seed in range(12)]))
    with torch.inference_mode():
        embeddings = network(voices)["embedding"].numpy()
    mean, scale = embeddings.mean(axis=0), embeddings.std(axis=0) + 0.01
    basis = np.linalg.svd((embeddings - mean) / scale, full_matrices=False)[2][:3]
    # Numbers as config.json holds them, float16.
    return Domain(*(np.float32(np.float16(part)) for part in (mean, scale, basis)), ((1.0, 0.5),))


@pytest.fixture(scope="module")
def source(network: Network, domain: Domain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory whose score was measured after its weights were written."""
    folder = tmp_path_factory.mktemp("measured")
    config = model_config(network, ModelMetadata("tiny", {}))
    checkpoint.save(folder / "model.safetensors", dict(network.state_dict()), config)
    (folder / "config.json").write_text(json.dumps({**config, "domain": domain.to_config()}))
    return folder


def test_one_command_makes_a_small_model_that_ships(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "small"
    out.mkdir()
    for name in ("encoder.onnx", "head.onnx", "notes.txt"):
        (out / name).write_text("of the model that was here before")
    report = export_model(source, "onnx", out, data=tmp_path, name="mini", streaming=False)
    assert report["domain"]["kept"]
    assert report["domain"]["max_difference"] < 1e-3
    assert "streaming" not in report
    assert {path.name for path in out.iterdir()} == {
        *("config.json", "model.onnx", "model.safetensors", "parity.json", "README.md"),
        "notes.txt",  # what is not ours stays; what would stream another network does not
    }
    config = json.loads((out / "config.json").read_text())
    assert (config["name"], config["streamable"]) == ("mini", False)
    assert "streaming" not in config
    assert config["domain"] == json.loads((source / "config.json").read_text())["domain"]
    model = affekt.load_model(out, threads=1)
    assert model.predict((voice(2.0), RATE)).ood_score is not None


def test_a_score_that_no_longer_holds_is_found(
    network: Network, domain: Domain, tmp_path: Path
) -> None:
    def moved(by: float) -> Any:
        class Graph:
            def run(self, waveforms: np.ndarray) -> dict[str, np.ndarray]:
                with torch.inference_mode():
                    embeddings = network(torch.from_numpy(waveforms))["embedding"]
                return {"embedding": embeddings.numpy() + by * domain.scale}

        return Artefact("", lambda _, threads: Graph())

    job = ExportJob(network, {"sample_rate": RATE})
    same = check_domain(domain, job, moved(0.0), tmp_path, None)
    assert same == {"max_difference": 0.0, "kept": True}
    far = check_domain(domain, job, moved(3.0), tmp_path, None)
    assert far["max_difference"] > 0.1
    assert not far["kept"]


def test_a_model_without_a_score_and_one_with_damaged_numbers(source: Path, tmp_path: Path) -> None:
    assert measured_domain(tmp_path) is None
    config = json.loads((source / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "domain": {"rank": 3}}))
    with pytest.raises(ModelError, match="damaged numbers under 'domain'"):
        measured_domain(tmp_path)
    del config["domain"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert measured_domain(tmp_path) is None
