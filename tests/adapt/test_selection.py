from __future__ import annotations

import numpy as np
import pytest

from affekt.adapt import select_examples


def test_the_uncertain_are_preferred() -> None:
    sure, unsure = [0.998, 0.001, 0.001], [0.34, 0.33, 0.33]
    rows = np.eye(40)  # all equally far apart
    shares = [unsure if number < 10 else sure for number in range(40)]
    for seed in range(5):
        assert sum(row < 10 for row in select_examples(rows, shares, 10, seed=seed)) >= 7


def test_twins_are_not_both_chosen() -> None:
    rows = np.repeat(np.eye(20) * 9, 2, axis=0)
    shares = np.full((40, 2), 0.5)
    for seed in range(5):
        assert {row // 2 for row in select_examples(rows, shares, 20, seed=seed)} == set(range(20))


def test_the_same_choice_each_time() -> None:
    rows, shares = np.random.default_rng(0).normal(size=(30, 4)), np.full((30, 2), 0.5)
    assert select_examples(rows, shares, 9) == select_examples(rows, shares, 9)
    assert select_examples(rows, shares, 9) != select_examples(rows, shares, 9, seed=1)


@pytest.mark.parametrize("count", [0, 1, 3, 99])
def test_each_is_chosen_once(count: int) -> None:
    shares = np.random.default_rng(0).dirichlet(np.ones(3), 5)
    chosen = select_examples(np.zeros((5, 2)), shares, count)
    assert len(chosen) == len(set(chosen)) == min(count, 5)
