"""From a trained network to files that run without torch, each proved equal to it.

Needs the ``train`` extra.
"""

from __future__ import annotations

from affekt.export.graph.onnx import check_parity, export_onnx
from affekt.export.model_directory import ModelMetadata, write_model_directory

__all__ = ["ModelMetadata", "check_parity", "export_onnx", "write_model_directory"]
