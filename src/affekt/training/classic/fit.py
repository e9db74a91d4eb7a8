"""From vectors to a fitted, calibrated classifier: the classical counterpart of ``fit``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from affekt.evaluation.calibration import fit_temperature
from affekt.evaluation.metrics import uar
from affekt.training.classic import classifiers
from affekt.training.classic.classifiers import Learned
from affekt.training.network.smote import oversample
from affekt.training.recipe.classical import ClassicalConfig


@dataclass(frozen=True)
class Classical:
    """A fitted system.

    Attributes
    ----------
    standardise : sklearn Pipeline
        Mean and deviation of the training clips; a missing value becomes their mean.
    classifier : Any
    options : dataclass
        Those that were chosen.
    n_classes : int
    temperature : float
        Scores are divided by it before the softmax; 1 where there was nothing to fit it on.
    """

    standardise: Any
    classifier: Any
    options: Any
    n_classes: int
    temperature: float

    def logits(self, vectors: np.ndarray) -> np.ndarray:
        """Scores ``[clips, classes]`` of raw vectors ``[clips, features]``, not yet calibrated."""
        points = self.standardise.transform(vectors)
        return classifiers.logits(self.classifier, points, self.n_classes)

    def learned(self) -> Learned:
        """All numbers that it must remember, from the standardisation to the temperature."""
        own = classifiers.learned(self.classifier)
        scaler = self.standardise[0]
        before = {"mean": scaler.mean_, "scale": scaler.scale_}
        return Learned(
            {**before, **own.numbers, "temperature": np.array([self.temperature])}, own.structure
        )


def fit_classical(
    config: ClassicalConfig,
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray] | None,
    n_classes: int,
    seed: int = 0,
) -> Classical:
    """Fit the system of a recipe.

    Parameters
    ----------
    config : ClassicalConfig
    train : tuple of np.ndarray
        Vectors ``[clips, features]``, NaN where missing, and classes ``[clips]``. All that is
        learned, the standardisation included, comes from them.
    validation : tuple of np.ndarray, optional
        The same of other speakers: they choose from the grid, stop the tutorial's network early
        and fit the temperature. Without them the recipe's options stand and nothing is calibrated.
    n_classes : int
    seed : int
        Of SMOTE and of what is random in the classifier.
    """
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    # The scaler passes over what is missing; after it, 0 is the mean of the training clips.
    standardise = make_pipeline(
        StandardScaler(),
        SimpleImputer(strategy="constant", fill_value=0.0, keep_empty_features=True),
    )
    with np.errstate(invalid="ignore"):  # a feature that no clip has: its mean is NaN, then 0
        points, targets = standardise.fit_transform(train[0].astype(np.float64)), train[1]
    if config.balance == "smote":
        points, targets = oversample(points, targets, seed=seed)

    held_out = (standardise.transform(validation[0]), validation[1]) if validation else None

    def fitted(options: Any) -> Classical:
        weighted = config.balance == "weights"
        classifier = classifiers.fit(
            options, points, targets, validation=held_out, weighted=weighted, seed=seed
        )
        return Classical(standardise, classifier, options, n_classes, temperature=1.0)

    if validation is None:
        return fitted(config.chosen())
    vectors, truth = validation
    tried = [(system, system.logits(vectors)) for system in map(fitted, config.candidates())]
    scores = [uar(truth, logits.argmax(axis=1), n_classes) for _, logits in tried]
    best, logits = tried[int(np.argmax(scores))]
    return Classical(
        standardise, best.classifier, best.options, n_classes, fit_temperature(logits, truth)
    )
