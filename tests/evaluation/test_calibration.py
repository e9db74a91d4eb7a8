"""Temperature scaling finds the temperature, and changes nothing but confidence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from affekt.errors import DataError
from affekt.evaluation.calibration import (
    TEMPERATURE_RANGE,
    apply_temperature,
    fit_least_probability,
    fit_temperature,
    fit_threshold,
    negative_log_likelihood,
    softmax,
    window_share,
)
from affekt.evaluation.metrics import expected_calibration_error

reference = pytest.importorskip("scipy.special")


def calibrated(seed: int, n: int = 20_000) -> tuple[Any, Any]:
    """Return logits, and targets drawn from the very probabilities that the logits state."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(scale=2, size=(n, 5))
    draws = generator.random(n)[:, None]
    targets = (softmax(logits).cumsum(axis=1) < draws).sum(axis=1).clip(max=4)
    return logits, targets


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_recovers_a_known_temperature(temperature: float) -> None:
    logits, targets = calibrated(seed=1)
    assert fit_temperature(logits * temperature, targets) == pytest.approx(temperature, rel=0.03)


def test_is_the_least_negative_log_likelihood() -> None:
    logits, targets = calibrated(seed=2, n=500)
    best = fit_temperature(logits, targets)
    likelihood = negative_log_likelihood(logits / best, targets)
    for other in (0.9 * best, 0.99 * best, 1.01 * best, 1.1 * best):
        assert negative_log_likelihood(logits / other, targets) > likelihood


def test_mends_an_overconfident_model() -> None:
    logits, targets = calibrated(seed=3)
    bold = logits * 3
    before = expected_calibration_error(softmax(bold), targets)
    after = expected_calibration_error(
        apply_temperature(bold, fit_temperature(bold, targets)), targets
    )
    assert before > 0.1
    assert after < 0.02


@given(
    hnp.arrays(np.float64, (7, 4), elements=st.floats(-50, 50)),
    st.floats(*TEMPERATURE_RANGE),
)
@settings(deadline=None)
def test_never_changes_the_winner(logits: Any, temperature: float) -> None:
    probabilities = apply_temperature(logits, temperature)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    # Two logits may differ by less than their probabilities can show: equal ones may swap.
    winners = probabilities[np.arange(7), logits.argmax(axis=1)]
    np.testing.assert_array_equal(winners, probabilities.max(axis=1))


@given(hnp.arrays(np.float64, (3, 4), elements=st.floats(-1e4, 1e4)))
@settings(deadline=None)
def test_softmax_and_likelihood_equal_those_of_scipy(logits: Any) -> None:
    np.testing.assert_allclose(softmax(logits), reference.softmax(logits, axis=-1), atol=1e-12)
    expected = -reference.log_softmax(logits, axis=1)[np.arange(3), [0, 1, 3]].mean()
    assert negative_log_likelihood(logits, [0, 1, 3]) == pytest.approx(expected)


def test_stays_within_bounds_when_every_clip_is_right_or_nothing_is_known() -> None:
    low, high = TEMPERATURE_RANGE
    targets = np.array([0, 1, 2, 3])
    assert fit_temperature(np.eye(4), targets) == pytest.approx(low)
    assert fit_temperature(np.eye(4)[[1, 2, 3, 0]], targets) == pytest.approx(high)


@pytest.mark.parametrize(
    ("logits", "targets", "message"),
    [
        (np.zeros((0, 3)), [], "at least one clip"),
        ([[1.0, 2.0]], [0, 1], "1 rows of logits but 2 targets"),
        ([[1.0, 2.0]], [2], "must lie in 0 .. 1"),
        ([[1.0, np.nan]], [0], "finite"),
    ],
)
def test_impossible_input_is_refused(logits: Any, targets: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        fit_temperature(logits, targets)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_temperature_is_refused(temperature: float) -> None:
    with pytest.raises(DataError, match="must be a positive number"):
        apply_temperature([[1.0, 2.0]], temperature)


@pytest.mark.parametrize("coverage", [0.5, 0.9])
@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_prediction_sets_hold_the_truth_as_often_as_asked_for(
    coverage: float, temperature: float
) -> None:
    """Even where the probabilities themselves promise too much."""
    probabilities, targets = [], []
    for seed in (3, 4):
        logits, truth = calibrated(seed=seed)
        probabilities.append(softmax(logits / temperature))
        targets.append(truth)
    least = fit_least_probability(probabilities[0], targets[0], coverage)
    true = probabilities[1][np.arange(len(targets[1])), targets[1]]
    assert np.mean(true >= least) == pytest.approx(coverage, abs=0.01)


def test_clips_that_count_more_decide_what_is_probable_enough() -> None:
    probabilities = np.array([[0.9, 0.1]] * 50 + [[0.4, 0.6]] * 50)
    targets = np.zeros(100, dtype=int)
    weights = np.where(np.arange(100) < 50, 1.0, 0.05)
    assert fit_least_probability(probabilities, targets, 0.9) == 0.4
    assert fit_least_probability(probabilities, targets, 0.9, weights) == 0.9


def test_too_few_clips_promise_nothing() -> None:
    """Of five clips, no set holds the truth of nine in ten others for sure: all belong to it."""
    assert fit_least_probability([[0.8, 0.2]] * 5, [0] * 5, 0.9) == 0.0


@pytest.mark.parametrize("right", [0.5, 0.4, 0.9])
def test_a_threshold_divides_what_is_right_often_enough(right: float) -> None:
    logits, targets = calibrated(0)
    probabilities = softmax(logits)
    threshold = fit_threshold(probabilities, targets, right)
    assert threshold == pytest.approx(right, abs=0.05)  # as calibrated probabilities promise
    assert fit_threshold(probabilities, probabilities.argmax(axis=1), right) == 0  # all are right


def test_windows_are_named_from_half_again_chance_on() -> None:
    assert [window_share(n) for n in (2, 3, 4, 6, 8)] == [0.5, 0.5, 0.375, 0.25, 0.1875]
