"""Folds are pooled, seeds averaged, and the interval is that of the mean."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from affekt.errors import DataError
from affekt.evaluation.metrics import SCORES, evaluate
from affekt.evaluation.results import Predictions, summarise

LABELS = ("happy", "neutral", "sad")
Predict = Callable[..., Predictions]


def test_mean_and_deviation_are_over_seeds_of_pooled_folds(predict: Predict) -> None:
    runs = [predict(0), predict(1), predict(2)]
    summary = summarise(runs, LABELS)
    single = [evaluate(run.probabilities, run.targets, LABELS) for run in runs]
    for name in SCORES:
        values = [getattr(one, name) for one in single]
        assert getattr(summary, name).mean == pytest.approx(np.mean(values))
        assert getattr(summary, name).sd == pytest.approx(np.std(values, ddof=1))
    assert np.sum(summary.confusion) == 3 * 240
    np.testing.assert_array_equal(summary.confusion, sum(one.confusion for one in single))
    assert summary.labels == LABELS


def test_folds_are_scored_by_themselves_too(predict: Predict) -> None:
    runs = [predict(0), predict(1)]
    summary = summarise(runs, LABELS)
    assert list(summary.per_fold) == ["1", "2", "3"]
    second = slice(80, 160)
    values = [
        evaluate(np.asarray(run.probabilities)[second], np.asarray(run.targets)[second], LABELS).uar
        for run in runs
    ]
    assert summary.per_fold["2"].mean == pytest.approx(np.mean(values))
    assert summary.per_fold["2"].sd == pytest.approx(np.std(values, ddof=1))
    assert summary.per_fold["2"].ci95 is None


def test_one_seed_has_no_deviation_and_the_interval_of_that_seed(predict: Predict) -> None:
    run = predict(0)
    summary = summarise([run], LABELS, seed=3)
    alone = evaluate(run.probabilities, run.targets, LABELS, speakers=run.speakers, seed=3)
    assert summary.uar.sd == 0
    assert summary.uar.ci95 == alone.ci95["uar"]
    assert summary.ece.ci95 == alone.ci95["ece"]


def test_the_interval_of_equal_seeds_is_that_of_one(predict: Predict) -> None:
    one = summarise([predict(0)], LABELS)
    three = summarise([predict(0)] * 3, LABELS)
    assert three.uar.ci95 == pytest.approx(one.uar.ci95)


def test_plain_tuples_without_folds_will_do(predict: Predict) -> None:
    run = predict(0)
    summary = summarise([(run.probabilities, run.targets, run.speakers)], LABELS)
    assert summary.uar == summarise([run], LABELS).uar
    assert summary.per_fold == {}


def test_one_speaker_has_no_interval(predict: Predict) -> None:
    run = predict(0)._replace(speakers=["anna"] * 240)
    assert summarise([run], LABELS).uar.ci95 is None


def test_unlike_runs_are_refused(predict: Predict) -> None:
    with pytest.raises(DataError, match="no predictions"):
        summarise([], LABELS)
    stranger = predict(1)._replace(speakers=["somebody else"] * 240)
    with pytest.raises(DataError, match="not scored on the same speakers"):
        summarise([predict(0), stranger], LABELS)
    with pytest.raises(DataError, match="name the fold of every clip"):
        summarise([predict(0)._replace(folds=["1"])], LABELS)
    other = predict(1)._replace(folds=["1"] * 240)
    with pytest.raises(DataError, match="not every seed has predictions for fold 2"):
        summarise([predict(0), other], LABELS)


class TestMeanOfFolds:
    """Every fold counts the same, however many clips it has."""

    def test_scores_are_means_over_folds(self, predict: Predict) -> None:
        run = predict(0)
        uneven = ["a"] * 200 + ["b"] * 40
        summary = summarise([run._replace(folds=uneven)], LABELS, mean_of_folds=True)
        parts = [
            evaluate(np.asarray(run.probabilities)[own], np.asarray(run.targets)[own], LABELS)
            for own in (slice(200), slice(200, None))
        ]
        for name in SCORES:
            values = [getattr(part, name) for part in parts]
            assert getattr(summary, name).mean == pytest.approx(np.mean(values))
        assert summary.uar.mean == pytest.approx(
            np.mean([score.mean for score in summary.per_fold.values()])
        )
        assert np.sum(summary.confusion) == 240
        low, high = summary.uar.ci95 or (1, 0)
        assert low <= summary.uar.mean <= high

    def test_one_fold_is_as_pooled(self, predict: Predict) -> None:
        run = predict(1)._replace(folds=["only"] * 240)
        assert summarise([run], LABELS, mean_of_folds=True) == summarise([run], LABELS)

    def test_folds_must_be_named(self, predict: Predict) -> None:
        with pytest.raises(DataError, match="folds must name the fold of every clip"):
            summarise([predict(0)._replace(folds=[])], LABELS, mean_of_folds=True)
