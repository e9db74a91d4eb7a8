from __future__ import annotations

import numpy as np
import pytest

from affekt.adapt import select_examples


def test_the_uncertain_come_first() -> None:
    sure, unsure = [0.98, 0.01, 0.01], [0.34, 0.33, 0.33]
    rows = np.eye(4)  # all equally far apart
    assert select_examples(rows, [sure, unsure, sure, [0.5, 0.4, 0.1]], 2) == [1, 3]


def test_twins_are_not_both_chosen() -> None:
    rows = np.array([[0.0, 0.0], [0.01, 0.0], [5.0, 1.0], [0.0, 6.0]])
    shares = np.full((4, 2), 0.5)
    assert set(select_examples(rows, shares, 3)) == {0, 2, 3}


@pytest.mark.parametrize("count", [0, 1, 3, 99])
def test_each_is_chosen_once(count: int) -> None:
    shares = np.random.default_rng(0).dirichlet(np.ones(3), 5)
    chosen = select_examples(np.zeros((5, 2)), shares, count)
    assert len(chosen) == len(set(chosen)) == min(count, 5)


def test_certain_answers_can_still_be_told_apart() -> None:
    rows = np.array([[0.0], [1.0], [10.0]])
    assert select_examples(rows, np.eye(3), 2)[1] == 2
