"""Estimators of scikit-learn whose samples are recordings. Needs scikit-learn (extra ``train``).

A sample is a path, or whatever else `affekt.Model.predict` takes; a list of them is ``X``.

>>> from sklearn.pipeline import make_pipeline
>>> from sklearn.svm import SVC
>>> from affekt import AffektEmbedding
>>> make_pipeline(AffektEmbedding("base"), SVC()).fit(files, labels)  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from affekt.audio import AudioSource
from affekt.errors import DataError, MissingExtraError
from affekt.evaluation.calibration import softmax
from affekt.labels import check_labels
from affekt.runtime.examples import learned_head, logits_of, start_of
from affekt.runtime.head import read_head
from affekt.runtime.predictor import Model, load_model

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
    from sklearn.utils.validation import check_is_fitted
except ImportError:
    raise MissingExtraError("train", "sklearn") from None

if TYPE_CHECKING:
    import os

Floats = NDArray[np.float64]


class _OfRecordings(BaseEstimator):  # type: ignore[misc]
    """What both share: the model by its name, so that they can be cloned and searched over."""

    def __init__(self, model: str | os.PathLike[str] | Model | None = None) -> None:
        self.model = model

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.input_tags.string = True
        tags.no_validation = True
        return tags

    def _open(self) -> Model:
        return self.model if isinstance(self.model, Model) else load_model(self.model)


def _embeddings(model: Model, recordings: Iterable[AudioSource]) -> Floats:
    if isinstance(recordings, (str, bytes)):
        raise DataError("X is one recording: give a list of them")
    rows = [answer.embedding for answer in model.predict_batch(recordings)]
    if not rows:
        raise DataError("X holds no recordings")
    return np.array(rows, dtype=np.float64)


class AffektEmbedding(TransformerMixin, _OfRecordings):  # type: ignore[misc]
    """Turn recordings into embeddings [n, dim], for any estimator of scikit-learn.

    Parameters
    ----------
    model : Model, or what `affekt.load_model` takes, optional
        The model that ships with the package by default. Nothing is learned of it.
    """

    def fit(self, X: Sequence[AudioSource], y: object = None) -> AffektEmbedding:
        """Open the model."""
        del X, y
        self.model_ = self._open()
        return self

    def transform(self, X: Sequence[AudioSource]) -> Floats:
        """Return the embeddings [n, dim] of recordings.

        Raises
        ------
        AudioError
            For the first recording that cannot be used.
        """
        check_is_fitted(self)
        return _embeddings(self.model_, X)


class AffektClassifier(ClassifierMixin, _OfRecordings):  # type: ignore[misc]
    """Learn labels from recordings: the last layer of a model, on its embeddings.

    It begins at the model's own answers, as ``affekt adapt`` does: few recordings of a label that
    the model knows move them a little. `affekt.Model.adapt` writes a model directory from such
    recordings, and calibrates it.

    Parameters
    ----------
    model : Model, or what `affekt.load_model` takes, optional
        The model that ships with the package by default.

    Attributes
    ----------
    classes_ : np.ndarray [shape=(classes,)]
        The labels, in alphabetical order.
    """

    def fit(self, X: Sequence[AudioSource], y: Sequence[str]) -> AffektClassifier:
        """Learn from recordings and their labels.

        Raises
        ------
        AudioError
            For the first recording that cannot be used.
        DataError
            If there are fewer than two labels, or not one for each recording.
        ModelError
            If the model keeps no last layer.
        """
        labels = [str(label) for label in y]
        self.classes_ = np.array(sorted(set(labels)))
        if len(labels) != len(X) or len(self.classes_) < 2:
            raise DataError(
                f"{len(X)} recordings with {len(labels)} labels of {len(self.classes_)} kinds: "
                "give each recording one label, of two kinds or more"
            )
        check_labels(list(self.classes_), "y")
        self.model_ = self._open()
        head = read_head(self.model_.config)
        start = start_of(head, self.model_.labels, list(self.classes_))
        targets = np.searchsorted(self.classes_, labels)
        self.head_ = learned_head(head, _embeddings(self.model_, X), targets, start)
        return self

    def decision_function(self, X: Sequence[AudioSource]) -> Floats:
        """Return logits [n, classes]."""
        check_is_fitted(self)
        return logits_of(read_head(self.model_.config), self.head_, _embeddings(self.model_, X))

    def predict_proba(self, X: Sequence[AudioSource]) -> Floats:
        """Return probabilities [n, classes], in the order of ``classes_``."""
        return softmax(self.decision_function(X))

    def predict(self, X: Sequence[AudioSource]) -> NDArray[np.str_]:
        """Return the most probable label of each recording."""
        best = self.decision_function(X).argmax(axis=1)
        return np.asarray(self.classes_[best])
