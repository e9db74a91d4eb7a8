"""What every runtime has that affekt supports, from the lowest version on."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto


def assert_portable(path: Path) -> None:
    """A graph holds operators of opset 18 alone, and no double precision."""
    model = onnx.load(path)
    assert model.ir_version <= 10
    assert {(item.domain, item.version) for item in model.opset_import} == {("", 18)}
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    values = (*inferred.input, *inferred.value_info, *inferred.output)
    kinds = {value.type.tensor_type.elem_type for value in values}
    kinds |= {item.data_type for item in inferred.initializer}
    assert TensorProto.FLOAT in kinds
    assert TensorProto.DOUBLE not in kinds
