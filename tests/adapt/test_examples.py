"""The head that learns from examples, on arrays."""

from __future__ import annotations

import numpy as np
import pytest

from affekt.adapt.examples import BIAS_PENALTY, PENALTY, LinearHead, fit_head

DIM = 6


def start(classes: int = 3, seed: int = 1) -> LinearHead:
    generator = np.random.default_rng(seed)
    return LinearHead(generator.normal(0, 1, (classes, DIM)), generator.normal(0, 1, classes))


def examples(count: int, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    targets = np.arange(count * classes) % classes
    centres = generator.normal(0, 2, (classes, DIM))
    return centres[targets] + generator.normal(0, 1, (len(targets), DIM)), targets


def answers(head: LinearHead, rows: np.ndarray) -> np.ndarray:
    return np.argmax(rows @ head.weights.T + head.bias, axis=1)


def objective(
    head: LinearHead, begun: LinearHead, rows: np.ndarray, targets: np.ndarray, power: np.ndarray
) -> float:
    """What the page says is minimal, written down anew."""
    logits = (rows @ head.weights.T + head.bias) / power[:, None]
    logits = logits - logits.max(axis=1, keepdims=True)
    lost = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(targets)), targets]
    counts = np.bincount(targets)
    weights = len(targets) / (len(counts) * counts[targets])
    centre = rows.mean(axis=0)
    scaled = ((rows - centre) / power[:, None]).std(axis=0)
    added = head.weights - begun.weights
    shift = head.bias - begun.bias + added @ centre
    penalty = (
        PENALTY * DIM * np.square(added * scaled).sum() + BIAS_PENALTY * np.square(shift).sum()
    )
    return float(weights @ lost + penalty / 2)


@pytest.mark.parametrize("powered", [False, True])
def test_it_is_the_minimum(powered: bool) -> None:
    rows, targets = examples(5)
    rows, targets = rows[:-2], targets[:-2]  # classes of several sizes
    power = np.random.default_rng(3).uniform(0.5, 2, len(rows)) if powered else np.ones(len(rows))
    found = fit_head(rows, targets, start(), power)
    least = objective(found, start(), rows, targets, power)
    generator = np.random.default_rng(5)
    for size in (1e-1, 1e-2):
        for _ in range(20):
            other = LinearHead(
                found.weights + generator.normal(0, size, found.weights.shape),
                found.bias + generator.normal(0, size, found.bias.shape),
            )
            assert objective(other, start(), rows, targets, power) > least - 1e-6


def test_many_examples_are_learned() -> None:
    rows, targets = examples(60)
    found = fit_head(rows[::2], targets[::2], start())
    assert np.mean(answers(found, rows[1::2]) == targets[1::2]) > 0.9
    assert np.mean(answers(start(), rows[1::2]) == targets[1::2]) < 0.6


def test_what_agrees_with_the_model_leaves_it_much_as_it_is() -> None:
    rows, _ = examples(40)
    targets = answers(start(), rows)
    chosen = np.concatenate([np.flatnonzero(targets == one)[:1] for one in range(3)])
    found = fit_head(rows[chosen], targets[chosen], start())
    assert np.mean(answers(found, rows) == targets) > 0.8


def test_a_class_without_examples_keeps_its_logits() -> None:
    rows, targets = examples(10)
    some = targets < 2
    found = fit_head(rows[some], targets[some], start())
    assert np.isfinite(found.weights).all()
    assert np.mean(answers(found, rows[some]) == targets[some]) > 0.9


@pytest.mark.parametrize("same", [True, False])
def test_degenerate_examples_give_finite_numbers(same: bool) -> None:
    rows = np.zeros((4, DIM)) if same else np.full((4, DIM), 1e4) + np.eye(4, DIM)
    found = fit_head(rows, np.array([0, 1, 2, 2]), start())
    assert np.isfinite(found.weights).all()
    assert np.isfinite(found.bias).all()
