"""Scores agree with scikit-learn, with hand-computed cases, and with what they promise."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affekt.errors import DataError
from affekt.evaluation import metrics

reference = pytest.importorskip("sklearn.metrics")

LABELS = ("angry", "happy", "neutral", "sad")


def random_predictions(
    seed: int, n: int = 200, n_classes: int = 4
) -> tuple[metrics.FloatArray, metrics.IntArray]:
    """Return probabilities with some skill, and skewed targets in which every class occurs."""
    generator = np.random.default_rng(seed)
    weights = np.arange(1, n_classes + 1) / np.arange(1, n_classes + 1).sum()
    targets = generator.choice(n_classes, size=n, p=weights)
    targets[:n_classes] = np.arange(n_classes)
    logits = generator.normal(size=(n, n_classes)) + 1.5 * np.eye(n_classes)[targets]
    powers = np.exp(logits)
    return powers / powers.sum(axis=1, keepdims=True), targets.astype(np.int64)


@st.composite
def labelled_pairs(draw: st.DrawFn) -> tuple[list[int], list[int], int]:
    """Draw targets and predictions, with classes that may be absent from either."""
    n_classes = draw(st.integers(1, 6))
    n = draw(st.integers(1, 40))
    indices = st.lists(st.integers(0, n_classes - 1), min_size=n, max_size=n)
    return draw(indices), draw(indices), n_classes


@given(labelled_pairs())
@settings(deadline=None)
@pytest.mark.filterwarnings("ignore::UserWarning")  # scikit-learn's, about absent classes
def test_scores_equal_those_of_scikit_learn(case: tuple[list[int], list[int], int]) -> None:
    targets, predicted, n_classes = case
    present = sorted(set(targets))
    expected_uar = reference.recall_score(
        targets, predicted, labels=present, average="macro", zero_division=0
    )
    assert metrics.uar(targets, predicted, n_classes) == pytest.approx(expected_uar)
    assert metrics.accuracy(targets, predicted, n_classes) == pytest.approx(
        reference.accuracy_score(targets, predicted)
    )
    for average, ours in (("weighted", metrics.weighted_f1), ("macro", metrics.macro_f1)):
        expected = reference.f1_score(targets, predicted, average=average, zero_division=0)
        assert ours(targets, predicted, n_classes) == pytest.approx(expected)
    np.testing.assert_array_equal(
        metrics.confusion_matrix(targets, predicted, n_classes),
        reference.confusion_matrix(targets, predicted, labels=range(n_classes)),
    )


@given(labelled_pairs(), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_scores_are_fractions_and_ignore_the_order_of_clips(
    case: tuple[list[int], list[int], int], seed: int
) -> None:
    targets, predicted, n_classes = case
    order = np.random.default_rng(seed).permutation(len(targets))
    for score in (metrics.uar, metrics.accuracy, metrics.weighted_f1, metrics.macro_f1):
        value = score(targets, predicted, n_classes)
        assert 0 <= value <= 1
        shuffled = score(np.take(targets, order), np.take(predicted, order), n_classes)
        assert shuffled == pytest.approx(value)


@given(labelled_pairs(), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_scores_ignore_the_order_of_classes(
    case: tuple[list[int], list[int], int], seed: int
) -> None:
    targets, predicted, n_classes = case
    renamed = np.random.default_rng(seed).permutation(n_classes)
    for score in (metrics.uar, metrics.accuracy, metrics.weighted_f1, metrics.macro_f1):
        assert score(renamed[targets], renamed[predicted], n_classes) == pytest.approx(
            score(targets, predicted, n_classes)
        )


def test_evaluate_equals_scikit_learn() -> None:
    probabilities, targets = random_predictions(seed=1)
    predicted = probabilities.argmax(axis=1)
    measured = metrics.evaluate(probabilities, targets, LABELS)
    assert measured.uar == pytest.approx(reference.balanced_accuracy_score(targets, predicted))
    assert measured.wa == pytest.approx(reference.accuracy_score(targets, predicted))
    assert list(measured.recall.values()) == pytest.approx(
        reference.recall_score(targets, predicted, average=None)
    )
    assert list(measured.precision.values()) == pytest.approx(
        reference.precision_score(targets, predicted, average=None)
    )
    assert measured.n == 200
    assert measured.labels == LABELS
    assert measured.confusion.sum() == 200


@pytest.mark.parametrize("n_classes", [2, 6, 8])
def test_random_predictions_are_at_chance(n_classes: int) -> None:
    generator = np.random.default_rng(0)
    weights = np.arange(1, n_classes + 1) / np.arange(1, n_classes + 1).sum()
    targets = generator.choice(n_classes, size=40_000, p=weights)
    probabilities = generator.dirichlet(np.ones(n_classes), size=40_000)
    labels = [str(number) for number in range(n_classes)]
    assert metrics.evaluate(probabilities, targets, labels).uar == pytest.approx(
        1 / n_classes, abs=0.015
    )


def test_a_constant_answer_has_chance_uar_whatever_its_accuracy() -> None:
    targets = np.array([0] * 90 + [1] * 10)
    probabilities = np.tile([0.9, 0.1], (100, 1))
    measured = metrics.evaluate(probabilities, targets, ["neutral", "angry"])
    assert measured.uar == 0.5
    assert measured.wa == 0.9
    assert measured.ece == pytest.approx(0.0)


def test_perfect_predictions_score_one() -> None:
    targets = np.array([0, 1, 2, 3, 3])
    measured = metrics.evaluate(np.eye(4)[targets], targets, LABELS)
    assert (measured.uar, measured.wa, measured.weighted_f1, measured.macro_f1) == (1, 1, 1, 1)
    assert measured.ece == 0


def test_a_class_without_targets_does_not_lower_uar() -> None:
    targets = np.array([0, 0, 1, 1])
    probabilities = np.eye(4)[[0, 0, 1, 2]]
    measured = metrics.evaluate(probabilities, targets, LABELS)
    assert measured.uar == 0.75
    assert np.isnan(measured.recall["sad"])
    assert np.isnan(measured.precision["sad"])
    assert measured.precision["neutral"] == 0
    assert measured.to_dict()["recall"]["sad"] is None


def test_to_dict_is_json() -> None:
    probabilities, targets = random_predictions(seed=2)
    speakers = [str(number % 7) for number in range(len(targets))]
    measured = metrics.evaluate(probabilities, targets, LABELS, speakers=speakers, n_bootstrap=20)
    read_back = json.loads(json.dumps(measured.to_dict(), allow_nan=False))
    assert read_back["uar"] == measured.uar
    assert read_back["confusion"] == measured.confusion.tolist()
    assert read_back["ci95"]["wa"] == list(measured.ci95["wa"])


def test_calibration_error_of_a_case_computed_by_hand() -> None:
    # 15 bins of 1/15. Confidence 0.62 and 0.65 share bin 9 (0.600, 0.667], one of two is right:
    # |0.5 - 0.635| = 0.135. Confidence 0.9 is alone in bin 13 (0.867, 0.933], right: 0.1.
    # Confidence 1.0 is alone in the last bin, wrong: 1.0.
    probabilities = [[0.62, 0.38], [0.35, 0.65], [0.9, 0.1], [0.0, 1.0]]
    targets = [0, 0, 0, 0]
    expected = 2 / 4 * 0.135 + 1 / 4 * 0.1 + 1 / 4 * 1.0
    assert metrics.expected_calibration_error(probabilities, targets) == pytest.approx(expected)
    diagram = metrics.reliability(probabilities, targets)
    assert diagram.counts.tolist() == [0] * 9 + [2] + [0] * 3 + [1, 1]
    assert diagram.accuracy[[9, 13, 14]].tolist() == [0.5, 1.0, 0.0]
    assert diagram.confidence[[9, 13, 14]] == pytest.approx([0.635, 0.9, 1.0])
    assert np.isnan(diagram.confidence[0])


def test_one_bin_compares_mean_confidence_with_accuracy() -> None:
    probabilities, targets = random_predictions(seed=3)
    expected = abs(probabilities.max(axis=1).mean() - (probabilities.argmax(1) == targets).mean())
    assert metrics.expected_calibration_error(probabilities, targets, n_bins=1) == pytest.approx(
        expected
    )


class TestIntervals:
    """Bootstrap over speakers."""

    def test_equals_resampling_the_clips_of_each_drawn_speaker(self) -> None:
        probabilities, targets = random_predictions(seed=4)
        speakers = np.array([f"s{number % 9}" for number in range(len(targets))])
        ours = metrics.evaluate(
            probabilities, targets, LABELS, speakers=speakers.tolist(), n_bootstrap=50, seed=5
        )
        names = np.unique(speakers)
        draws = np.random.default_rng(5).multinomial(9, np.full(9, 1 / 9), size=50)
        slow = []
        for draw in draws:
            taken = np.concatenate(
                [
                    np.flatnonzero(speakers == name)
                    for name, times in zip(names, draw, strict=True)
                    for _ in range(times)
                ]
            )
            slow.append(
                metrics.evaluate(probabilities[taken], targets[taken], LABELS, n_bootstrap=0)
            )
        for name in metrics.SCORES:
            expected = np.percentile([getattr(one, name) for one in slow], [2.5, 97.5])
            assert ours.ci95[name] == pytest.approx(tuple(expected))

    def test_repeats_with_its_seed(self) -> None:
        probabilities, targets = random_predictions(seed=6)
        speakers = [str(number % 5) for number in range(len(targets))]

        def intervals(seed: int) -> dict[str, Any]:
            measured = metrics.evaluate(
                probabilities, targets, LABELS, speakers=speakers, n_bootstrap=100, seed=seed
            )
            return dict(measured.ci95)

        assert intervals(0) == intervals(0)
        assert intervals(0) != intervals(1)

    def test_surrounds_the_score(self) -> None:
        probabilities, targets = random_predictions(seed=7, n=2000)
        speakers = [str(number % 20) for number in range(len(targets))]
        measured = metrics.evaluate(probabilities, targets, LABELS, speakers=speakers)
        for name in ("uar", "wa", "weighted_f1", "macro_f1"):
            low, high = measured.ci95[name]
            assert low < getattr(measured, name) < high

    def test_is_wider_when_speakers_differ_than_when_clips_do(self) -> None:
        # Half of the speakers are always right, the others never: clips tell little by themselves.
        targets = np.tile([0, 1], 200)
        owner = np.repeat(np.arange(10), 40)
        probabilities = np.eye(2)[np.where(owner < 5, targets, 1 - targets)]
        by_speaker = metrics.evaluate(
            probabilities, targets, ["sad", "happy"], speakers=[str(one) for one in owner]
        )
        by_clip = metrics.evaluate(
            probabilities, targets, ["sad", "happy"], speakers=[str(one) for one in range(400)]
        )
        width = by_speaker.ci95["uar"][1] - by_speaker.ci95["uar"][0]
        assert width > 3 * (by_clip.ci95["uar"][1] - by_clip.ci95["uar"][0])

    def test_is_empty_when_speakers_are_unknown_or_just_one(self) -> None:
        probabilities, targets = random_predictions(seed=8)
        assert metrics.evaluate(probabilities, targets, LABELS).ci95 == {}
        one = ["anna"] * len(targets)
        assert metrics.evaluate(probabilities, targets, LABELS, speakers=one).ci95 == {}

    def test_runs_must_be_of_the_same_speakers(self) -> None:
        probabilities, targets = random_predictions(seed=10, n=4)
        one = metrics.tally(probabilities, targets, ["a", "a", "b", "b"])
        other = metrics.tally(probabilities, targets, ["a", "a", "c", "c"])
        with pytest.raises(DataError, match="not scored on the same speakers"):
            metrics.bootstrap_intervals([one, other])
        with pytest.raises(DataError, match="no runs"):
            metrics.bootstrap_intervals([])


@pytest.mark.parametrize(
    ("probabilities", "targets", "message"),
    [
        (np.zeros((0, 2)), [], "at least one clip"),
        ([0.5, 0.5], [0], "must be \\[clips, classes\\]"),
        ([[0.5, 0.5]], [0, 1], "1 rows of probabilities but 2 targets"),
        ([[0.5, 0.3, 0.2]], [0], "3 probabilities a clip need as many different labels"),
        ([[0.5, 0.5], [np.nan, 0.5]], [0, 1], "clip 1 are not finite"),
        ([[0.5, 0.5], [np.inf, 0.5]], [0, 1], "clip 1 are not finite"),
        ([[0.5, 0.5], [2.0, 3.0]], [0, 1], "clip 1 must be 0 or more and sum to 1"),
        ([[1.5, -0.5]], [0], "clip 0 must be 0 or more and sum to 1"),
        ([[0.5, 0.5]], [2], "must lie in 0 .. 1, got 2 .. 2"),
        ([[0.5, 0.5]], [-1], "must lie in 0 .. 1"),
        ([[0.5, 0.5]], [0.0], "must be integer class indices, got float64"),
        ([[0.5, 0.5]], [[0]], "targets must be \\[clips\\]"),
    ],
)
def test_impossible_input_is_refused(probabilities: Any, targets: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        metrics.evaluate(probabilities, targets, ["sad", "happy"])


def test_labels_that_occur_twice_are_refused() -> None:
    with pytest.raises(DataError, match="different labels, got sad, sad"):
        metrics.evaluate([[0.5, 0.5]], [0], ["sad", "sad"])


def test_speakers_must_match_the_clips() -> None:
    with pytest.raises(DataError, match="1 clips but 2 speakers"):
        metrics.evaluate([[0.5, 0.5]], [0], ["sad", "happy"], speakers=["a", "b"])


def test_predictions_must_match_the_targets() -> None:
    with pytest.raises(DataError, match="2 targets but 1 predictions"):
        metrics.confusion_matrix([0, 1], [0], 2)


def test_probabilities_of_single_precision_are_accepted() -> None:
    probabilities, targets = random_predictions(seed=11)
    half = metrics.evaluate(probabilities.astype(np.float16), targets, LABELS)
    assert half.wa == pytest.approx(metrics.evaluate(probabilities, targets, LABELS).wa, abs=0.01)
