"""Use a model: no torch, no librosa, only ONNX Runtime and the waveform.

bundle      find a model: shipped, a directory, or on a hub
config      what it says about itself
hub         fetch it
backends    run its graph
predictor   from a recording to a Prediction
doubts      what makes an answer less sure
segments    what a time line is made of
formats     write predictions: one file per output format
"""

from __future__ import annotations

from affekt.runtime.config import ModelConfig
from affekt.runtime.predictor import Model, Prediction, load_model

__all__ = ["Model", "ModelConfig", "Prediction", "load_model"]
