from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from tiny_network import LABELS, RATE, Exported, tiny_network, voice

import affekt
from affekt.errors import ModelError
from affekt.export import check_parity, export_onnx
from affekt.export.graph.onnx import OPSET, PARITY_BATCH_SIZES, PARITY_DURATIONS
from affekt.runtime.backends import OnnxBackend
from affekt.runtime.bundle import METADATA_KEY, Bundle


@pytest.fixture(scope="session")
def graph(exported: Exported) -> Path:
    return exported.folder / "model.onnx"


def test_the_graph_equals_torch_at_all_lengths_and_batch_sizes(exported: Exported) -> None:
    parity = exported.parity
    assert parity.durations == PARITY_DURATIONS
    assert parity.batch_sizes == PARITY_BATCH_SIZES
    assert len(set(parity.durations)) >= 5
    assert len(set(parity.batch_sizes)) >= 3
    assert parity.mean_difference <= parity.max_difference < 1e-5
    assert parity.label_agreement == 1.0


@pytest.mark.parametrize("samples", [400, 401, 1599, 12345])
def test_odd_lengths_agree_in_probabilities_and_embedding(
    exported: Exported, graph: Path, samples: int
) -> None:
    waveform = np.stack([voice(1, seed)[:samples] for seed in range(3)])
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    found = session.run(["probabilities", "embedding"], {"waveform": waveform})
    with torch.inference_mode():
        expected = exported.network(torch.from_numpy(waveform))
    for ours, theirs in zip(found, expected.values(), strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5)


def test_a_waveform_of_another_shape_is_refused(graph: Path) -> None:
    backend = OnnxBackend(Bundle(graph, None), threads=1)
    for shape in ((RATE,), (1, RATE, 1), (0, RATE), (1, 0)):
        with pytest.raises(ModelError, match=r"takes waveforms \[batch, samples\], got shape \("):
            backend.run(np.zeros(shape, np.float32))


def test_the_answers_that_are_compared_differ_from_input_to_input(exported: Exported) -> None:
    """Otherwise their agreement would say nothing."""
    waveform = torch.from_numpy(np.stack([voice(1, seed) for seed in range(4)]))
    with torch.inference_mode():
        probabilities = exported.network(waveform)["probabilities"]
    assert (probabilities.amax(dim=0) - probabilities.amin(dim=0)).max() > 0.05


def test_another_network_is_not_equal(graph: Path) -> None:
    with pytest.raises(ModelError, match=r"the exported graph differs from its network by 0\.\d+"):
        check_parity(tiny_network(seed=1), graph, durations=(0.5,), batch_sizes=(1,))


@pytest.mark.parametrize("part", ["temperature", "feature_mean", "feature_scale", "head.2.bias"])
def test_a_part_that_is_a_little_different_is_seen(
    exported: Exported, graph: Path, part: str
) -> None:
    changed = copy.deepcopy(exported.network)
    with torch.no_grad():
        changed.state_dict()[part].view(-1)[0] += 0.02
    with pytest.raises(ModelError, match="differs from its network"):
        check_parity(changed, graph, durations=(0.5,), batch_sizes=(2,))


def test_the_tolerance_decides(exported: Exported, graph: Path) -> None:
    with pytest.raises(ModelError, match="where 0 is allowed"):
        check_parity(exported.network, graph, tolerance=0)
    parity = check_parity(
        tiny_network(seed=1), graph, tolerance=1.0, durations=(0.5, 1.0), batch_sizes=(4,)
    )
    assert parity.max_difference > 0.01
    assert parity.durations == (0.5, 1.0)
    assert parity.batch_sizes == (4,)


def test_an_answer_that_is_not_a_number_is_no_agreement(exported: Exported, graph: Path) -> None:
    broken = copy.deepcopy(exported.network)
    broken.temperature.fill_(float("nan"))
    with pytest.raises(ModelError, match="differs from its network by nan"):
        check_parity(broken, graph, durations=(0.5,), batch_sizes=(1,))


def test_the_graph_has_named_ports_of_free_size_and_one_file(graph: Path) -> None:
    model = onnx.load(graph)
    onnx.checker.check_model(model)
    (waveform,) = model.graph.input
    assert waveform.name == "waveform"
    assert waveform.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert all(axis.dim_param for axis in waveform.type.tensor_type.shape.dim)
    assert [port.name for port in model.graph.output] == ["probabilities", "embedding"]
    assert {opset.version for opset in model.opset_import if opset.domain == ""} == {OPSET}
    assert not [item for item in model.graph.initializer if item.external_data]
    assert not [node for node in model.graph.node if node.metadata_props]


def test_the_metadata_is_the_configuration(exported: Exported, graph: Path) -> None:
    (entry,) = [item for item in onnx.load(graph).metadata_props if item.key == METADATA_KEY]
    assert json.loads(entry.value) == json.loads((exported.folder / "config.json").read_text())


def test_the_bare_file_is_a_model(exported: Exported, graph: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone.onnx"
    alone.write_bytes(graph.read_bytes())
    model = affekt.load_model(alone)
    assert model.labels == LABELS
    assert model.config.name == "tiny"
    source = (voice(1.0), RATE)
    assert model.predict(source) == affekt.load_model(exported.folder).predict(source)


def test_a_failed_export_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    unserialisable = {"name": object()}
    with pytest.raises(TypeError):
        export_onnx(tiny_network(), path, unserialisable)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
