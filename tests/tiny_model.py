"""Write a real, small model directory, for tests of what is done with models.

Its graph hears loudness alone: mean magnitude, power and peak, weighed by fixed random numbers.
It is wrong about emotions, but it runs as the true ones do, and its answers differ by recording.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LABELS = ("angry", "disgust", "fearful", "happy", "neutral", "sad")
FEATURES = 3


def tiny_config(**changes: Any) -> dict[str, Any]:
    """Return the contents of ``config.json``; a change of None leaves that key out."""
    config = {
        "format_version": 1,
        "affekt_version": "0.1.0",
        "model_type": "affekt",
        "name": "tiny",
        "architecture": {"name": "loudness"},
        "id2label": {str(index): label for index, label in enumerate(LABELS)},
        "sample_rate": 16000,
        "frontend": {},
        "calibration": {"method": "temperature", "temperature": 1.0},
        "training_data": [{"corpus": "noise", "licence": "CC0-1.0", "clips": 12, "speakers": 3}],
        "licence": "CC0-1.0",
        "metrics": [{"protocol": "made-up", "uar": 0.25, "wa": 0.5}],
        "parameters": FEATURES * len(LABELS),
        "receptive_field": 0.025,
        "streamable": False,
        "minimum_duration": 0.1,
        "embedding_size": FEATURES,
        **changes,
    }
    return {name: value for name, value in config.items() if value is not None}


def write_tiny_model(
    directory: Path, *, metadata: dict[str, Any] | None = None, **changes: Any
) -> Path:
    """Write ``config.json`` with changes, and ``model.onnx`` whose metadata may say otherwise."""
    directory.mkdir(parents=True, exist_ok=True)
    config = tiny_config(**changes)
    (directory / "config.json").write_text(json.dumps(config), encoding="utf-8")
    model = _graph(len(LABELS))
    told = config if metadata is None else metadata
    helper.set_model_props(model, {"affekt": json.dumps(told)})
    onnx.save(model, directory / "model.onnx")
    return directory


def _graph(classes: int) -> onnx.ModelProto:
    generator = np.random.default_rng(7)
    weights = generator.normal(0, 8, (FEATURES, classes)).astype(np.float32)
    time = numpy_helper.from_array(np.array([1], dtype=np.int64), "time")
    nodes = [
        helper.make_node("Abs", ["waveform"], ["magnitude"]),
        helper.make_node("Mul", ["waveform", "waveform"], ["power"]),
        helper.make_node("ReduceMean", ["magnitude", "time"], ["mean"], keepdims=1),
        helper.make_node("ReduceMean", ["power", "time"], ["energy"], keepdims=1),
        helper.make_node("ReduceMax", ["magnitude", "time"], ["peak"], keepdims=1),
        helper.make_node("Concat", ["mean", "energy", "peak"], ["embedding"], axis=1),
        helper.make_node("MatMul", ["embedding", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["batch", "samples"])],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", classes]),
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", FEATURES]),
        ],
        initializer=[numpy_helper.from_array(weights, "weights"), time],
    )
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9)
