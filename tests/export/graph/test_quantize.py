from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from tiny_network import FRONTEND, TINY_ENCODERS, Exported, tiny_network, voice

from affekt.errors import ModelError
from affekt.export import check_parity, export_onnx
from affekt.export.check.recordings import CALIBRATION_CLIPS
from affekt.export.graph.quantize import to_float16, to_int8, to_int8_weights

CALIBRATION = [voice(1.0, seed) for seed in range(8)]
# As many, and as long, as affekt takes: of fewer, the ranges are too small for other voices.
FULL_CALIBRATION = [voice(3.0, 100 + seed) for seed in range(CALIBRATION_CLIPS)]


def probabilities(path: Path, waveforms: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["probabilities"], {"waveform": waveforms})[0])


def assert_close(path: Path, exported: Exported, tolerance: float) -> None:
    """At several lengths and batch sizes."""
    for samples, rows in ((1600, 2), (16000, 5), (48001, 1)):
        waveforms = np.stack([voice(3.5, 20 + row)[:samples] for row in range(rows)])
        with torch.inference_mode():
            expected = exported.network(torch.from_numpy(waveforms))["probabilities"].numpy()
        np.testing.assert_allclose(probabilities(path, waveforms), expected, atol=tolerance)


def metadata(path: Path) -> dict[str, str]:
    return {item.key: item.value for item in onnx.load(path).metadata_props}


def test_float16_halves_the_weights_and_keeps_the_answers(
    exported: Exported, tmp_path: Path
) -> None:
    plain, half = exported.folder / "model.onnx", tmp_path / "half.onnx"
    to_float16(plain, half)
    onnx.checker.check_model(onnx.load(half))
    assert_close(half, exported, 2e-3)
    kinds = {item.name: item.data_type for item in onnx.load(half).graph.initializer}
    assert kinds["encoder.blocks.0.local.weight.half"] == onnx.TensorProto.FLOAT16
    assert half.stat().st_size < plain.stat().st_size
    assert metadata(half) == metadata(plain)


def test_int8_takes_the_encoder_and_leaves_the_rest(exported: Exported, tmp_path: Path) -> None:
    plain, small = exported.folder / "model.onnx", tmp_path / "small.onnx"
    to_int8(plain, small, FRONTEND, FULL_CALIBRATION)
    model = onnx.load(small)
    onnx.checker.check_model(model)
    assert_close(small, exported, 0.05)
    kinds = {tuple(item.dims): item.data_type for item in model.graph.initializer}
    weights = {name: tuple(value.shape) for name, value in exported.network.state_dict().items()}
    assert kinds[weights["encoder.blocks.0.local.weight"]] == onnx.TensorProto.INT8
    assert kinds[weights["head.2.weight"]] == onnx.TensorProto.FLOAT
    small_weights = [
        numpy_helper.to_array(item).astype(int)
        for item in model.graph.initializer
        if item.data_type == onnx.TensorProto.INT8 and len(item.dims) > 1
    ]
    # Two products of a weight and an activation must fit into 16 bits: see to_int8.
    assert 32 < max(np.abs(weight).max() for weight in small_weights) <= 64
    # The Fourier basis is still worked out, not stored.
    assert tuple(exported.network.frontend.cosine_basis.shape) not in kinds
    assert metadata(small) == metadata(plain)
    inner = {node.op_type for node in model.graph.node}
    assert {"QuantizeLinear", "DequantizeLinear", "Softmax", "Log"} <= inner


def test_int8_needs_recordings_and_an_encoder(exported: Exported, tmp_path: Path) -> None:
    plain = exported.folder / "model.onnx"
    with pytest.raises(ModelError, match="int8 needs recordings"):
        to_int8(plain, tmp_path / "a.onnx", FRONTEND, [])
    model = onnx.load(plain)
    for item in model.graph.initializer:
        item.name = item.name.replace("encoder.", "other.")
    for node in model.graph.node:
        names = [name.replace("encoder.", "other.") for name in node.input]
        del node.input[:]
        node.input.extend(names)
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(ModelError, match="no layer that int8 could be used for"):
        to_int8(tmp_path / "other.onnx", tmp_path / "a.onnx", FRONTEND, CALIBRATION)
    assert not (tmp_path / "a.onnx").exists()


def test_int8_weights_are_a_quarter_and_keep_the_answers(tmp_path: Path) -> None:
    """Of an encoder whose activations have outliers."""
    sizes = {"d_model": 64, "encoder_ffn_dim": 128}
    options = {"encoder": {**TINY_ENCODERS["whisper"], **sizes}, "layers": (1, 2)}
    network = tiny_network(architecture="statistics", options=options)
    with torch.no_grad():
        network.encoder.backbone.conv2.bias[7] = 100.0
    plain, small = tmp_path / "plain.onnx", tmp_path / "small.onnx"
    export_onnx(network, plain, {"name": "tiny"})
    to_int8_weights(plain, small)
    onnx.checker.check_model(onnx.load(small))
    assert metadata(small) == metadata(plain)
    assert_close(small, Exported(network, tmp_path, check_parity(network, plain)), 0.02)
    stored = [numpy_helper.to_array(item) for item in onnx.load(small).graph.initializer]
    narrow = sum(values.size for values in stored if values.dtype == np.int8)
    matrices = [weight for weight in network.encoder.parameters() if weight.numel() >= 4096]
    assert narrow >= sum(weight.numel() for weight in matrices)
