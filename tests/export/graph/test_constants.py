"""The graph's own frontend constants: as good as the stored ones, at a fraction of their size."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from affekt.export.graph.constants import COSINES, FILTERS, SINES, compute_constants
from affekt.models.frontend import FrontendConfig, build_frontend

CONFIGS = (
    FrontendConfig(),
    FrontendConfig(n_fft=512, window=400, hop_length=160, n_mels=40, f_max=7600.0),
    FrontendConfig(sample_rate=8000, n_fft=250, window=200, hop_length=80, n_mels=24, f_max=4000.0),
)


def stored(config: FrontendConfig) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """A graph that gives back its stored constants."""
    frontend = build_frontend(config)
    arrays = {
        COSINES: frontend.cosine_basis.numpy(),
        SINES: frontend.sine_basis.numpy(),
        FILTERS: frontend.filters.numpy(),
    }
    names = {name: f"{name}.out" for name in arrays}
    graph = helper.make_graph(
        [helper.make_node("Identity", [name], [out]) for name, out in names.items()],
        "constants",
        [],
        [
            helper.make_tensor_value_info(out, TensorProto.FLOAT, arrays[name].shape)
            for name, out in names.items()
        ],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    opsets = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10), arrays


@pytest.mark.parametrize("config", CONFIGS)
def test_what_is_computed_equals_what_was_stored(config: FrontendConfig) -> None:
    model, arrays = stored(config)
    before = model.ByteSize()
    compute_constants(model, config)
    onnx.checker.check_model(model)
    assert model.ByteSize() < 12_000 < before
    session = onnxruntime.InferenceSession(model.SerializeToString())
    for found, expected in zip(session.run(None, {}), arrays.values(), strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-7)
    assert np.abs(arrays[FILTERS]).max() > 0.005  # the tolerance is small beside it


def test_a_graph_without_a_frontend_is_left_alone() -> None:
    model, _ = stored(CONFIGS[0])
    for item in model.graph.initializer:
        item.name = f"other.{item.name}"
    before = model.SerializeToString()
    compute_constants(model, CONFIGS[0])
    assert model.SerializeToString() == before
