"""Distances to the votes of raters, beside values worked out by hand and by scipy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from affekt.data import Clip
from affekt.evaluation import evaluate
from affekt.evaluation.raters import js_distance, rater_agreement, with_raters
from affekt.evaluation.report import report_text


def test_the_distance_goes_from_0_to_1() -> None:
    distances = js_distance([[0.3, 0.7], [1.0, 0.0]], [[0.3, 0.7], [0.0, 1.0]])
    assert distances == pytest.approx([0, 1])


def test_the_distance_is_that_of_scipy() -> None:
    distance = pytest.importorskip("scipy.spatial.distance")
    p, q = np.random.default_rng(0).dirichlet([0.5] * 6, (2, 20))
    p[0] = [1, 0, 0, 0, 0, 0]
    expected = distance.jensenshannon(p, q, base=2, axis=1)
    assert js_distance(p, q) == pytest.approx(expected)


def test_soft_accuracy_is_the_share_of_the_raters_who_agree() -> None:
    found = rater_agreement([[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.4], [0.7, 0.3]])
    assert (found.n, found.soft_accuracy) == (2, pytest.approx((0.6 + 0.3) / 2))


def test_clips_without_votes_and_votes_for_other_emotions_are_left_out() -> None:
    votes = [None, {"happy": 0.25, "sad": 0.25, "disgust": 0.5}, {"disgust": 1.0}]
    clips = [Clip(Path("a.wav"), "happy", votes=one) for one in votes]
    probabilities = np.array([[0.5, 0.5], [0.5, 0.5], [0.9, 0.1]])
    metrics = evaluate(probabilities, [0, 1, 0], ["happy", "sad"])
    assert with_raters(metrics, probabilities[:1], clips[:1]).raters is None
    scored = with_raters(metrics, probabilities, clips)
    assert scored.raters is not None
    assert (scored.raters.n, scored.raters.js_distance) == (1, pytest.approx(0, abs=1e-6))
    assert scored.to_dict()["raters"]["soft_accuracy"] == pytest.approx(0.5)
    assert "Jensen-Shannon distance 0.000, soft accuracy 50.0 %, 1 clips" in report_text(scored)
