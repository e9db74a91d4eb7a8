"""From a trained network to files that run without torch, each proved equal to it.

Needs the ``train`` extra.
"""

from __future__ import annotations

from affekt.errors import MissingExtraError

try:
    import onnx as _onnx  # noqa: F401
    import safetensors as _safetensors  # noqa: F401
    import torch as _torch  # noqa: F401
except ModuleNotFoundError as error:
    raise MissingExtraError("train", error.name or "torch") from None

from affekt.export.graph.onnx import check_parity, export_onnx
from affekt.export.model_directory import ModelMetadata, write_model_directory

__all__ = ["ModelMetadata", "check_parity", "export_onnx", "write_model_directory"]
