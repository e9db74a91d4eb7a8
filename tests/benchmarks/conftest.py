"""Predictions with some skill, by seeded generators."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from affekt.evaluation.calibration import softmax
from affekt.evaluation.results import Predictions


@pytest.fixture(scope="session")
def predict() -> Callable[..., Predictions]:
    """Return a function from a seed to predictions of 3 classes for the same 240 clips."""

    def predict(seed: int, skill: float = 2.0) -> Predictions:
        targets = np.arange(240) % 3
        noise = np.random.default_rng(seed).normal(size=(240, 3))
        speakers = [f"speaker {number // 30}" for number in range(240)]
        folds = [str(number // 80 + 1) for number in range(240)]
        return Predictions(softmax(noise + skill * np.eye(3)[targets]), targets, speakers, folds)

    return predict
