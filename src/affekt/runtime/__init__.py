"""Use a model: no torch, no librosa, only ONNX Runtime and the waveform.

bundle      find a model: shipped, a directory, or on a hub
config      what it says about itself
hub         fetch it
backends    run its graph
predictor   from a recording to a prediction
domain      how unlike its training data a recording is
warnings    what makes an answer less certain
options     options of time lines and streams
streaming/  time lines and streams
"""

from __future__ import annotations

from affekt.runtime.config import ModelConfig
from affekt.runtime.options import TimelineOptions
from affekt.runtime.predictor import Model, load_model

__all__ = [
    "Model",
    "ModelConfig",
    "TimelineOptions",
    "load_model",
]
