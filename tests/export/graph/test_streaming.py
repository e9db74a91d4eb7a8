"""``encoder.onnx`` and ``head.onnx``: equal to the network, and proved so before use."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from tiny_network import FRONTEND, RATE, tiny_network, voice

import affekt
from affekt import TimelineOptions
from affekt.errors import ModelError
from affekt.export import ModelMetadata
from affekt.export.graph.onnx import export_onnx
from affekt.export.graph.streaming import check_streaming, export_streaming
from affekt.export.model_directory import model_config
from affekt.models import Network
from affekt.runtime.bundle import METADATA_KEY

LOCAL = replace(FRONTEND, normalisation="local")


@pytest.fixture(scope="module")
def network() -> Network:
    return tiny_network(frontend=LOCAL)


@pytest.fixture(scope="module")
def folder(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory without its weights."""
    folder = tmp_path_factory.mktemp("streamable")
    config = model_config(network, ModelMetadata("tiny", {}, threshold=0.25))
    export_onnx(network, folder / "model.onnx", config)
    assert export_streaming(network, folder, config) < 1e-4
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_the_ports_are_those_of_the_page(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    facts = config["streaming"]
    graph = onnx.load(folder / "encoder.onnx")
    onnx.checker.check_model(graph)
    shapes = {
        port.name: [axis.dim_param or axis.dim_value for axis in port.type.tensor_type.shape.dim]
        for port in (*graph.graph.input, *graph.graph.output)
    }
    assert shapes["samples"][2:] == [facts["step"]]
    assert shapes["valid"][2:] == [facts["stride"]]
    assert shapes["state"][1:] == shapes["next_state"][1:] == [facts["state_size"]]
    assert shapes["frames"][2:] == [8]
    assert len(shapes["mask"]) == 2
    for name in ("encoder.onnx", "head.onnx"):
        told = {item.key: item.value for item in onnx.load(folder / name).metadata_props}
        assert json.loads(told[METADATA_KEY]) == config


def test_one_window_is_the_prediction(folder: Path, network: Network) -> None:
    model = affekt.load_model(folder, threads=1)
    assert model.config.threshold == model.config.window_threshold == 0.25
    whole = TimelineOptions(window=60, hop=60, vad="off")
    for seconds in (0.1, 0.73, 2.0, 5.125):
        samples = voice(seconds)
        predicted = list(model.predict((samples, RATE)).scores.values())
        (measured,) = model.measure((samples, RATE), whole)
        with torch.inference_mode():
            expected = network(torch.from_numpy(samples)[None])["probabilities"][0]
        np.testing.assert_allclose(list(measured.scores.values()), predicted, atol=1e-4)
        np.testing.assert_allclose(predicted, expected, atol=1e-4)


def test_windows_are_weighted_where_the_network_pools_by_attention(tmp_path: Path) -> None:
    network = tiny_network(frontend=LOCAL, pooling="attention")
    with torch.no_grad():
        network.pooling.score.weight.mul_(10)  # far from the plain mean
    config = model_config(network, ModelMetadata("tiny", {}))
    assert config["pooling"] == "attention"
    export_onnx(network, tmp_path / "model.onnx", config)
    export_streaming(network, tmp_path, config)
    (tmp_path / "config.json").write_text(json.dumps(config))
    model, samples = affekt.load_model(tmp_path, threads=1), voice(3.0)
    (whole,) = model.measure((samples, RATE), TimelineOptions(window=60, hop=60, vad="off"))
    predicted = model.predict((samples, RATE)).scores
    np.testing.assert_allclose(list(whole.scores.values()), list(predicted.values()), atol=1e-4)
    windows = list(model.measure((samples, RATE), TimelineOptions(window=1, hop=0.5, vad="off")))
    assert len({round(window.confidence, 4) for window in windows}) > 1
    network.pooling.score.weight.data.zero_()
    plain = network(torch.from_numpy(samples)[None])["probabilities"][0].detach()
    assert np.abs(plain.numpy() - list(predicted.values())).max() > 1e-3


@pytest.mark.parametrize("part", ["temperature", "feature_mean", "encoder.blocks.1.local.weight"])
def test_a_part_that_is_different_is_seen(folder: Path, network: Network, part: str) -> None:
    config = json.loads((folder / "config.json").read_text())
    changed = copy.deepcopy(network)
    with torch.no_grad():
        values = changed.state_dict()[part]
        values[(0,) * values.ndim] += 0.2
    with pytest.raises(ModelError, match="the streamed network differs from the whole one by"):
        check_streaming(
            changed, folder / "encoder.onnx", folder / "head.onnx", config, durations=(1.0,)
        )


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"step": 800}, "does not say how encoder.onnx streams"),
        ({"step": 1, "stride": 4, "delay": 1, "state_size": 9}, "the two are of different models"),
    ],
)
def test_a_configuration_of_another_model_is_refused(
    folder: Path, tmp_path: Path, facts: dict, message: str
) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "streaming": facts}))
    with pytest.raises(ModelError, match=message):
        affekt.load_model(tmp_path).stream()


def test_halved_weights_stream_too(network: Network, folder: Path, tmp_path: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    difference = export_streaming(network, tmp_path, config, half=True)
    assert 0 < difference < 5e-3
    for name in ("encoder", "head"):
        stored = onnx.load(tmp_path / f"{name}.onnx").graph.initializer
        assert onnx.TensorProto.FLOAT16 in {item.data_type for item in stored}
