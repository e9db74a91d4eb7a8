"""From vectors to a fitted, calibrated classifier: the classical counterpart of ``fit``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

import affekt.features
from affekt.audio import SAMPLE_RATE
from affekt.data import Clip
from affekt.errors import AudioError
from affekt.evaluation.calibration import fit_temperature
from affekt.evaluation.metrics import uar
from affekt.features import functional_vector
from affekt.files import atomic_path
from affekt.training.classic import classifiers
from affekt.training.classic.classifiers import Learned
from affekt.training.data.features import (
    Progress,
    clip_key,
    clip_samples,
    code_version,
    report_unreadable,
)
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


# --- features ---


class VectorStore:
    """Vectors of clips, in memory and in files that several runs may share.

    A file appears whole or not at all and its name tells what it was made from, so runs beside
    each other may compute the same vector, but never read half of one or an outdated one.

    Parameters
    ----------
    feature_set : str
        See :func:`affekt.features.functional_vector`.
    folder : Path, optional
        Where the files go; without it, vectors live in memory alone.
    """

    def __init__(self, feature_set: str, folder: Path | None = None) -> None:
        self.feature_set = feature_set
        self.folder = folder and folder / f"{feature_set}-{_code_version()}"
        self._vectors: dict[str, np.ndarray] = {}

    def get(self, clip: Clip) -> np.ndarray:
        """Features of a clip ``[features]``, float32; NaN where it has no such value.

        Raises
        ------
        AudioError
            If the clip cannot be read or measured.
        """
        key = clip_key(clip)
        if key not in self._vectors:
            self._vectors[key] = self._read(key, clip)
        return self._vectors[key]

    def matrix(self, clips: Sequence[Clip]) -> np.ndarray:
        """Features of clips ``[clips, features]``, float32."""
        return np.stack([self.get(clip) for clip in clips])

    def prepare(self, clips: Sequence[Clip], progress: Progress | None = None) -> list[Clip]:
        """Compute what is missing and return the clips that can be read.

        Raises
        ------
        DataError
            If more than a tenth of the clips cannot be read.
        """
        readable, errors = [], []
        for done, clip in enumerate(clips, start=1):
            try:
                self.get(clip)
                readable.append(clip)
            except AudioError as error:
                errors.append(str(error))
            if progress:
                progress("measuring clips", done, len(clips))
        report_unreadable(errors, len(clips))
        return readable

    def _read(self, key: str, clip: Clip) -> np.ndarray:
        if self.folder is None:
            return self._measure(clip)
        path = self.folder / f"{key}.npy"
        if path.exists():
            kept: np.ndarray = np.load(path, allow_pickle=False)
            return kept
        vector = self._measure(clip)
        with atomic_path(path) as partial:
            np.save(partial, vector)
        return vector

    def _measure(self, clip: Clip) -> np.ndarray:
        _, vector = functional_vector(
            clip_samples(clip, SAMPLE_RATE), SAMPLE_RATE, self.feature_set
        )
        return vector.astype(np.float32)


@lru_cache(maxsize=1)
def _code_version() -> str:
    return code_version(Path(affekt.features.__file__).parent)
