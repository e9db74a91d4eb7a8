"""From a trained network to files that run without torch, each proved equal to it.

Needs the ``train`` extra.
"""

from __future__ import annotations

from affekt.export.model_directory import ModelFacts, write_model_directory
from affekt.export.onnx import check_parity, export_onnx

__all__ = ["ModelFacts", "check_parity", "export_onnx", "write_model_directory"]
