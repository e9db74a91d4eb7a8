from __future__ import annotations

import numpy as np
import pytest

from affekt.training.recipe.imbalance import SAMPLERS, draw_probabilities

TARGETS = np.repeat([0, 1, 3], [90, 9, 1])
ALIKE = np.ones(100)


def class_shares(probabilities: np.ndarray) -> np.ndarray:
    return np.bincount(TARGETS, weights=probabilities)


def test_shuffling_alike_clips_needs_no_probabilities() -> None:
    assert draw_probabilities(TARGETS, ALIKE) is None
    assert draw_probabilities(TARGETS, 3 * ALIKE, "shuffle") is None


def test_shuffling_draws_clips_by_their_weights() -> None:
    weights = np.where(np.arange(100) < 50, 3.0, 1.0)
    assert draw_probabilities(TARGETS, weights) == pytest.approx(weights / 200)


def test_balanced_draws_every_class_that_occurs_equally_often() -> None:
    probabilities = draw_probabilities(TARGETS, ALIKE, "balanced")
    assert probabilities is not None
    assert class_shares(probabilities) == pytest.approx([1 / 3, 1 / 3, 0, 1 / 3])
    drawn = np.random.default_rng(0).choice(100, size=30_000, p=probabilities)
    counts = np.bincount(TARGETS[drawn], minlength=4)
    assert counts[[0, 1, 3]] == pytest.approx(10_000, rel=0.03)


def test_square_root_stands_between_shuffle_and_balanced() -> None:
    probabilities = draw_probabilities(TARGETS, ALIKE, "square_root")
    assert probabilities is not None
    roots = np.sqrt([90, 9, 0, 1])
    assert class_shares(probabilities) == pytest.approx(roots / roots.sum())


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_weights_decide_within_a_class(sampler: str) -> None:
    weights = np.ones(100)
    weights[0] = 5.0
    probabilities = draw_probabilities(TARGETS, weights, sampler)
    assert probabilities is not None
    assert probabilities.sum() == pytest.approx(1)
    assert probabilities[0] == pytest.approx(5 * probabilities[1])
    assert probabilities[90] == pytest.approx(probabilities[91])


def test_clips_of_an_even_corpus_are_drawn_alike_by_all_samplers() -> None:
    targets = np.repeat([0, 1], 5)
    for sampler in SAMPLERS[1:]:
        assert draw_probabilities(targets, np.ones(10), sampler) == pytest.approx(np.full(10, 0.1))
