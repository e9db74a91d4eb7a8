"""Use a model: no torch, no librosa, only ONNX Runtime and the waveform.

bundle      find a model: shipped, a directory, or on a hub
config      what it says about itself
hub         fetch it
backends    run its graph
predictor   from a recording to a Prediction
domain      how unlike its training data a recording is
doubts      what makes an answer less sure
options     what a time line and a stream may be asked for
sliding     windows over a stream: what the model says of each
activity    when there is something to hear
vad         when somebody speaks
segmenter   from windows to segments: smooth, label, merge
segments    what a time line is made of
stream      sound as it comes, in chunks of any size
timeline    a whole recording, while it is read
formats     write predictions: one file per output format
"""

from __future__ import annotations

from affekt.runtime.config import ModelConfig
from affekt.runtime.options import TimelineOptions
from affekt.runtime.predictor import Model, Prediction, load_model
from affekt.runtime.segments import UNCERTAIN, Measurement, Segment

__all__ = [
    "UNCERTAIN",
    "Measurement",
    "Model",
    "ModelConfig",
    "Prediction",
    "Segment",
    "TimelineOptions",
    "load_model",
]
