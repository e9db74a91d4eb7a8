"""The estimators of scikit-learn, on real recordings and inside its own tools."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

import affekt
from affekt.errors import AudioError, DataError

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks

from affekt import AffektClassifier, AffektEmbedding

ESTIMATORS = (AffektClassifier(), AffektEmbedding())
CHECKS = (
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_valid_tag_types",
    "check_no_attributes_set_in_init",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_mixin_order",
    "check_parameters_default_constructible",
    "check_get_params_invariance",
    "check_set_params",
)
"""Those of scikit-learn's checks that give an estimator no numbers to learn from."""


@pytest.fixture(scope="module")
def model() -> affekt.Model:
    return affekt.load_model("nano", threads=1)


@pytest.fixture(scope="module")
def files(recordings: list[Path]) -> list[str]:
    return [str(file) for file in recordings]


@pytest.fixture(scope="module")
def labels(files: list[str]) -> list[str]:
    return ["man" if "-man-" in file else "woman" for file in files]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("check", CHECKS)
def test_the_checks_of_scikit_learn_pass(check: str, estimator: affekt.AffektClassifier) -> None:
    if not hasattr(estimator_checks, check):
        pytest.skip("a check of later versions")
    getattr(estimator_checks, check)(type(estimator).__name__, clone(estimator))


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda one: type(one).__name__)
def test_scikit_learn_knows_that_samples_are_no_numbers(
    estimator: affekt.AffektClassifier,
) -> None:
    with pytest.warns(SkipTestWarning, match="requires input"):
        estimator_checks.check_estimator(estimator)


def test_embeddings_are_those_of_predict(model: affekt.Model, files: list[str]) -> None:
    embedding = AffektEmbedding(model)
    with pytest.raises(NotFittedError):
        embedding.transform(files)
    rows = embedding.fit_transform(files)
    assert rows.shape == (len(files), len(model.predict(files[0]).embedding))
    np.testing.assert_allclose(rows[1], model.predict(files[1]).embedding, rtol=1e-5, atol=1e-6)


def test_labels_are_learned(model: affekt.Model, files: list[str], labels: list[str]) -> None:
    classifier = AffektClassifier(model)
    with pytest.raises(NotFittedError):
        classifier.predict(files)
    assert classifier.fit(files, labels) is classifier
    assert list(classifier.classes_) == ["man", "woman"]
    chances = classifier.predict_proba(files)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    assert list(classifier.predict(files)) == list(classifier.classes_[chances.argmax(axis=1)])
    assert classifier.score(files, labels) == 1.0
    samples = affekt.load_audio(files[0])
    assert classifier.predict([(samples, 16000)])[0] == labels[0]


def test_the_tools_of_scikit_learn_take_them(
    model: affekt.Model, files: list[str], labels: list[str]
) -> None:
    scores = cross_val_score(AffektClassifier(model), files, labels, cv=3)
    assert scores.shape == (3,)
    assert np.isfinite(scores).all()
    pipeline = make_pipeline(AffektEmbedding(), LogisticRegression(max_iter=500))
    grid = {"affektembedding__model": ["nano", model]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(files, labels)
    assert set(search.predict(files)) <= {"man", "woman"}


def test_what_was_learned_can_be_pickled(
    model: affekt.Model, files: list[str], labels: list[str]
) -> None:
    adapted = model.with_baseline(model.baseline(files))
    fitted = AffektClassifier(adapted).fit(files, labels)
    again = pickle.loads(pickle.dumps(fitted))  # noqa: S301
    np.testing.assert_allclose(again.predict_proba(files), fitted.predict_proba(files), atol=1e-6)
    assert again.model.predict(files[0]) == adapted.predict(files[0])


def test_mistakes_are_told(model: affekt.Model, files: list[str], tmp_path: Path) -> None:
    for x, y in ((files, ["sad"]), (files[:2], ["sad", "sad"]), ([], [])):
        with pytest.raises(DataError, match="give each recording one label"):
            AffektClassifier(model).fit(x, y)
    embedding = AffektEmbedding(model).fit(files)
    with pytest.raises(DataError, match="give a list"):
        embedding.transform(files[0])
    with pytest.raises(AudioError, match="no such file"):
        embedding.transform([str(tmp_path / "missing.wav")])
