"""A model adapted to examples is exported as any other."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

import affekt
from affekt.data import Clip
from affekt.export import export_onnx
from affekt.export.model_directory import linear_head, read_network
from affekt.runtime.bundle import WEIGHTS_FILE
from affekt.runtime.head import read_head


def adapted(model: str, recordings: list[Path], folder: Path) -> affekt.Model:
    words = ("frustré", "つかれた")
    clips = [Clip(file, words[number % 2]) for number, file in enumerate(recordings)]
    affekt.load_model(model, threads=1).adapt(clips, folder)
    return affekt.load_model(folder, threads=1)


def test_the_network_has_the_new_layer(recordings: list[Path], tmp_path: Path) -> None:
    model = adapted("live", recordings, tmp_path / "mine")
    network, config = read_network(tmp_path / "mine")
    assert network.config.labels == model.labels
    assert config["base_model"] == "live"
    expected = read_head(model.config)
    found = linear_head(network)
    assert found.weights == pytest.approx(expected.weights, abs=1e-4)
    assert found.bias == pytest.approx(expected.bias, abs=1e-3)
    export_onnx(network, tmp_path / "again.onnx", config)
    again = affekt.load_model(tmp_path / "again.onnx", threads=1)
    for file in recordings[:3]:
        assert again.predict(file).scores == pytest.approx(
            dict(model.predict(file).scores), abs=1e-5
        )


def test_a_model_without_weights_stays_without(recordings: list[Path], tmp_path: Path) -> None:
    adapted("nano", recordings, tmp_path / "mine")
    assert not (tmp_path / "mine" / WEIGHTS_FILE).exists()
