"""A few labelled clips on the embeddings of an encoder not trained on the corpus."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from affekt.errors import DataError
from affekt.evaluation.kshot import kshot_scores, ridge_head

LABELS = ("angry", "happy", "sad")
SPEAKERS, CLIPS, DIM = 6, 24, 12


@pytest.fixture(scope="module")
def voices() -> tuple[NDArray[Any], NDArray[Any], list[str]]:
    generator = np.random.default_rng(1)
    targets = np.tile(np.arange(len(LABELS)), SPEAKERS * CLIPS // len(LABELS))
    owner = np.repeat(np.arange(SPEAKERS), CLIPS)
    means = generator.normal(size=(len(LABELS), DIM))
    shifts = generator.normal(scale=0.8, size=(SPEAKERS, DIM))
    embeddings = means[targets] + shifts[owner] + generator.normal(size=(len(targets), DIM))
    return embeddings, targets, [f"s{number}" for number in owner]


@pytest.mark.parametrize("source", ["others", "same"])
def test_more_labelled_clips_help(
    voices: tuple[NDArray[Any], NDArray[Any], list[str]], source: str
) -> None:
    scores = kshot_scores(*voices, LABELS, source=source, draws=10)
    uars = [score.uar.mean for score in scores.values()]
    assert uars == sorted(uars)
    assert 1 / 3 < uars[0] < uars[-1]
    for score in scores.values():
        low, high = score.uar.ci95 or (1, 0)
        assert low <= score.uar.mean <= high
        assert score.uar.sd > 0


@pytest.mark.parametrize("source", ["others", "same"])
def test_shots_come_from_whom_they_should(
    voices: tuple[NDArray[Any], NDArray[Any], list[str]], source: str
) -> None:
    _, targets, speakers = voices
    clips = np.eye(len(targets))  # an embedding tells which clip it is
    who = np.array(speakers)
    asked: dict[int, list[set[int]]] = {}

    def fit(shots: NDArray[Any], classes: NDArray[Any], n_classes: int) -> Any:
        taken = shots.argmax(axis=1)
        np.testing.assert_array_equal(targets[taken], classes)
        k = int(np.bincount(classes).max())

        def head(scored: NDArray[Any]) -> NDArray[Any]:
            rows = scored.argmax(axis=1)
            assert not set(rows) & set(taken)
            shared = set(who[rows]) & set(who[taken])
            assert shared == (set(who[rows]) if source == "same" else set())
            asked.setdefault(k, []).append(set(rows.tolist()))
            return np.full((len(scored), n_classes), 1 / n_classes)

        return head

    kshot_scores(clips, targets, speakers, LABELS, source=source, draws=3, fit=fit, shots=(1, 4))
    assert set(asked) == {1, 4}
    assert asked[1] == asked[4]  # the same clips are scored for every k
    every = sorted(clip for part in asked[1] for clip in part)
    assert every == sorted(3 * list(range(len(targets))))


def test_a_k_that_no_class_has_is_left_out(
    voices: tuple[NDArray[Any], NDArray[Any], list[str]],
) -> None:
    scores = kshot_scores(*voices, LABELS, source="same", draws=4)
    assert list(scores) == [1, 2, 4]  # a half of a speaker's eight clips of a class
    assert [score.clips for score in scores.values()] == [1, 2, 4]


def test_shuffled_labels_give_chance(
    voices: tuple[NDArray[Any], NDArray[Any], list[str]],
) -> None:
    embeddings, targets, speakers = voices
    shuffled = np.random.default_rng(0).permutation(targets)
    scores = kshot_scores(embeddings, shuffled, speakers, LABELS, draws=20)
    assert scores[16].uar.mean == pytest.approx(1 / 3, abs=0.06)


def test_the_ridge_head_solves_its_equations() -> None:
    generator = np.random.default_rng(3)
    x, targets = generator.normal(size=(9, 5)), np.repeat([0, 1, 2], 3)
    z, y = x - x.mean(axis=0), np.eye(3)[targets] - 1 / 3
    penalty = np.trace(z @ z.T) / 9
    weights = np.linalg.solve(z.T @ z + penalty * np.eye(5), z.T @ y)  # the primal form
    new = generator.normal(size=(4, 5))
    expected = ((new - x.mean(axis=0)) @ weights + 1 / 3).clip(min=1e-3)
    np.testing.assert_allclose(
        ridge_head(x, targets, 3)(new), expected / expected.sum(axis=1, keepdims=True)
    )


def test_a_class_without_a_labelled_clip_is_never_the_answer() -> None:
    head = ridge_head(np.eye(2), np.array([0, 2]), 3)
    assert set(head(np.random.default_rng(0).normal(size=(50, 2))).argmax(axis=1)) <= {0, 2}


def test_what_cannot_be_measured(voices: tuple[NDArray[Any], NDArray[Any], list[str]]) -> None:
    embeddings, targets, speakers = voices
    one = slice(CLIPS)
    with pytest.raises(DataError, match="a single speaker: there are no labelled clips"):
        kshot_scores(embeddings[one], targets[one], speakers[one], LABELS)
    with pytest.raises(DataError, match="no speaker has two clips each of two classes"):
        kshot_scores(embeddings, np.zeros_like(targets), speakers, LABELS, source="same")
    with pytest.raises(DataError, match="unknown source 'me': expected one of others, same"):
        kshot_scores(embeddings, targets, speakers, LABELS, source="me")
