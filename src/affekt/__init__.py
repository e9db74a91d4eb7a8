"""Speech emotion recognition.

    audio  ->  frontend -> encoder -> pooling -> heads  ->  calibrated scores
    (load)     [------------- one model -------------]      (predict, timeline, stream, serve)

>>> import affekt
>>> model = affekt.load_model()            # the default model ships inside the package
>>> model.predict("recording.wav")         # doctest: +SKIP
Prediction(happy 81%, surprised 9%, 2.5 s)
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# ONNX Runtime reports which models are loaded to its maker unless that is turned off, from version
# 1.29 on Linux too. What people listen to is nobody else's business.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_PUBLIC = {
    "AffektError": "affekt.errors",
    "AudioError": "affekt.errors",
    "ConfigError": "affekt.errors",
    "DataError": "affekt.errors",
    "MissingExtraError": "affekt.errors",
    "ModelError": "affekt.errors",
    "ServerError": "affekt.errors",
    "Baseline": "affekt.adapt",
    "compare": "affekt.runtime.compare",
    "EMOTIONS": "affekt.labels",
    "fuse": "affekt.fusion",
    "load_audio": "affekt.audio",
    "load_model": "affekt.runtime",
    "Model": "affekt.runtime",
    "predict": "affekt.formats.frame",
    "AffektClassifier": "affekt.estimators",
    "AffektEmbedding": "affekt.estimators",
    "Prediction": "affekt.results",
    "Measurement": "affekt.results",
    "Segment": "affekt.results",
    "Stream": "affekt.runtime.streaming.stream",
    "TimelineOptions": "affekt.runtime",
    "Turn": "affekt.turns",
    "UNCERTAIN": "affekt.results",
}

__all__ = ["__version__", *_PUBLIC]

if TYPE_CHECKING:
    from affekt.adapt import Baseline as Baseline
    from affekt.audio import load_audio as load_audio
    from affekt.errors import AffektError as AffektError
    from affekt.errors import AudioError as AudioError
    from affekt.errors import ConfigError as ConfigError
    from affekt.errors import DataError as DataError
    from affekt.errors import MissingExtraError as MissingExtraError
    from affekt.errors import ModelError as ModelError
    from affekt.errors import ServerError as ServerError
    from affekt.estimators import AffektClassifier as AffektClassifier
    from affekt.estimators import AffektEmbedding as AffektEmbedding
    from affekt.formats.frame import predict as predict
    from affekt.fusion import fuse as fuse
    from affekt.labels import EMOTIONS as EMOTIONS
    from affekt.results import UNCERTAIN as UNCERTAIN
    from affekt.results import Measurement as Measurement
    from affekt.results import Prediction as Prediction
    from affekt.results import Segment as Segment
    from affekt.runtime import Model as Model
    from affekt.runtime import TimelineOptions as TimelineOptions
    from affekt.runtime import load_model as load_model
    from affekt.runtime.compare import compare as compare
    from affekt.runtime.streaming.stream import Stream as Stream
    from affekt.turns import Turn as Turn


def __getattr__(name: str) -> Any:
    """Import a public name at its first use, so that ``import affekt`` stays instant."""
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'affekt' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
