from __future__ import annotations

import copy
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny_network import RATE, Exported

from affekt.errors import ConfigError, ModelError
from affekt.export.artefact import Artefact, ExportJob
from affekt.export.targets import registry as targets
from affekt.export.targets.onnx import load
from affekt.export.targets.registry import TARGETS, export_model
from affekt.runtime.devices import instruction_sets
from affekt.runtime.stored_answers import answers


def of_another(exported: Exported) -> Any:
    """A target that writes a good file, of a network that is not the one asked for."""

    def export(job: ExportJob, folder: Path) -> Artefact:
        (folder / "model.onnx").write_bytes((exported.folder / "model.onnx").read_bytes())
        with torch.no_grad():
            job.network.head[-1].bias += torch.linspace(0, 1, len(job.network.config.labels))
        return Artefact("model.onnx", load, "test")

    return SimpleNamespace(export=export)


def test_an_export_beyond_its_limits_is_refused_unless_forced(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "import_module", lambda _: of_another(exported))
    out = tmp_path / "out"
    with pytest.raises(ModelError, match=r"onnx fp32 is not what the network is: a probability"):
        export_model(exported.folder, "onnx", out, data=tmp_path)
    assert list(tmp_path.iterdir()) == []
    report = export_model(exported.folder, "onnx", out, data=tmp_path, force=True)
    assert report["lengths"][0]["max_difference"] > 1e-3
    assert json.loads((out / "parity.json").read_text()) == report
    assert report["instructions"] == list(instruction_sets())
    # Of what was written, not of the network that it should have been.
    graph = load(exported.folder, 1)
    assert report["answers"] == answers(graph, RATE)
    assert {path.name for path in out.iterdir()} == {
        *("config.json", "model.onnx", "parity.json", "README.md"),
    }


def test_every_target_can_be_asked_for_and_refuses_what_it_cannot_do(
    exported: Exported, tmp_path: Path
) -> None:
    for name, target in TARGETS.items():
        assert set(target.precisions) <= set(targets.PRECISIONS)
        missing = set(targets.PRECISIONS) - set(target.precisions)
        for precision in missing:
            with pytest.raises(ConfigError, match=f"--to {name} comes in .*, not in {precision}"):
                export_model(exported.folder, name, tmp_path / "out", precision=precision)


def test_a_run_is_as_good_as_its_model(exported: Exported, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "model").symlink_to(exported.folder)
    assert targets.weights_folder(run) == run / "model"
    assert targets.weights_folder(exported.folder) == exported.folder
    with pytest.raises(ModelError, match="has no model.safetensors: only a model directory"):
        targets.weights_folder(tmp_path)


def test_a_network_that_is_not_known_is_refused(exported: Exported, tmp_path: Path) -> None:
    from affekt.models import checkpoint

    config = copy.deepcopy(json.loads((exported.folder / "config.json").read_text()))
    config["architecture"] = {"name": "oracle"}
    checkpoint.save(tmp_path / "model.safetensors", dict(exported.network.state_dict()), config)
    with pytest.raises(ConfigError, match="unknown architecture 'oracle'"):
        export_model(tmp_path, "onnx", tmp_path / "out")
