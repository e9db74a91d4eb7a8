"""Measure recognition quality on arrays, so that the output of any runtime can be scored.

    probabilities, targets -> metrics -> results (JSON) -> report, docs/results.md

* `metrics`: UAR, accuracy, F1, calibration error, bootstrap intervals over speakers
* `calibration`: temperature scaling
* `protocols`: which clips train, choose and test
* `results`: one JSON file for each figure
* `anchors`, `tables`, `size_picture`: figures of others, and the page that shows all of them
* `score`, `intensity`: a model that runs, on labelled clips
* `report`: confusion matrix and reliability diagram as text and pictures
"""

from __future__ import annotations

from affekt.evaluation.calibration import apply_temperature, fit_temperature, softmax
from affekt.evaluation.metrics import Metrics, evaluate
from affekt.evaluation.protocols import PROTOCOLS, Fold, Protocol, check_fold, get_protocol

__all__ = [
    "PROTOCOLS",
    "Fold",
    "Metrics",
    "Protocol",
    "apply_temperature",
    "check_fold",
    "evaluate",
    "fit_temperature",
    "get_protocol",
    "softmax",
]
