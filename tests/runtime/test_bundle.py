from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tiny_model import tiny_config, write_tiny_model

import affekt
from affekt.errors import ModelError
from affekt.runtime import bundle


def test_a_directory_is_a_model(tiny_model: Path) -> None:
    assert affekt.load_model(tiny_model).labels == affekt.load_model(str(tiny_model)).labels


def test_the_graph_alone_is_a_model(tiny_model: Path, tmp_path: Path) -> None:
    graph = tmp_path / "elsewhere.onnx"
    shutil.copy(tiny_model / "model.onnx", graph)
    model = affekt.load_model(graph)
    assert model.config == affekt.load_model(tiny_model).config


def test_without_the_default_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "ASSETS", tmp_path)
    for name in (None, "default", bundle.DEFAULT):
        with pytest.raises(ModelError, match=f"model {bundle.DEFAULT} is not part of this instal"):
            affekt.load_model(name)


@pytest.mark.parametrize(
    ("size", "most"),
    [
        ("base", 16_000_000),
        ("live", 7_300_000),
        ("small", 1_000_000),
        ("nano", 124_000),  # 120 kB, and 4 kB of its head in config.json, which baselines need
    ],
)
def test_models_ship_under_their_names(size: str, most: int) -> None:
    graph = bundle.open_bundle(size).graph
    assert sum(file.stat().st_size for file in graph.parent.iterdir()) < most  # card and all
    assert affekt.load_model(graph, threads=1).config.name == size
    assert affekt.load_model(size, threads=1).labels == affekt.load_model(threads=1).labels


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model at .*nowhere: expected a model directory"):
        affekt.load_model(tmp_path / "nowhere")


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    file = tmp_path / "model.h5"
    file.write_bytes(b"x")
    with pytest.raises(ModelError, match=r"neither a model directory nor an \.onnx or \.tfl"):
        affekt.load_model(file)


@pytest.mark.parametrize("name", ["config.json", "model.onnx"])
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    (write_tiny_model(tmp_path) / name).unlink()
    with pytest.raises(ModelError, match=f"is not a model directory: it has no {name}"):
        affekt.load_model(tmp_path)


def test_broken_json(tmp_path: Path) -> None:
    (write_tiny_model(tmp_path) / "config.json").write_text('{"format_version": 1,')
    with pytest.raises(ModelError, match=r"config\.json is not JSON"):
        affekt.load_model(tmp_path)


def test_config_that_is_not_text(tmp_path: Path) -> None:
    (write_tiny_model(tmp_path) / "config.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelError, match="is not text"):
        affekt.load_model(tmp_path)


def test_a_truncated_graph(tmp_path: Path) -> None:
    graph = write_tiny_model(tmp_path) / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:700])
    with pytest.raises(ModelError, match=r"model\.onnx cannot be loaded, it is damaged"):
        affekt.load_model(tmp_path)


def test_an_empty_graph(tmp_path: Path) -> None:
    (write_tiny_model(tmp_path) / "model.onnx").write_bytes(b"")
    with pytest.raises(ModelError, match=r"model\.onnx"):
        affekt.load_model(tmp_path)


def test_classes_that_differ_in_name(tmp_path: Path) -> None:
    labels = ("sad", "neutral", "happy", "fearful", "disgust", "angry")
    other = tiny_config(id2label={str(index): label for index, label in enumerate(labels)})
    write_tiny_model(tmp_path, metadata=other)
    with pytest.raises(ModelError, match=r"answers with sad.*says angry.*different models"):
        affekt.load_model(tmp_path)


def test_classes_that_differ_in_number(tmp_path: Path) -> None:
    write_tiny_model(tmp_path, id2label={"0": "happy", "1": "sad"})
    with pytest.raises(ModelError, match=r"answers with 6 classes.*names 2"):
        affekt.load_model(tmp_path)


def test_a_graph_of_someone_else(tmp_path: Path) -> None:
    import onnx

    graph = write_tiny_model(tmp_path) / "model.onnx"
    model = onnx.load(graph)
    for node in model.graph.node:
        node.input[:] = ["audio" if name == "waveform" else name for name in node.input]
    model.graph.input[0].name = "audio"
    onnx.save(model, graph)
    with pytest.raises(ModelError, match="is not a graph of affekt: expected the input 'waveform'"):
        affekt.load_model(tmp_path)


def test_a_graph_without_its_facts(tmp_path: Path) -> None:
    import onnx

    graph = write_tiny_model(tmp_path) / "model.onnx"
    model = onnx.load(graph)
    del model.metadata_props[:]
    onnx.save(model, graph)
    assert affekt.load_model(tmp_path).config.name == "tiny"
    with pytest.raises(ModelError, match="carries no configuration: give its model directory"):
        affekt.load_model(graph)
