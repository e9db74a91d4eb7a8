"""Pooling: its arithmetic, its weights, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import affekt
from affekt.errors import DataError
from affekt.fusion import fit_weights, read_scores
from affekt.results import Prediction

VOICE = Prediction("angry", 0.5, {"angry": 0.5, "happy": 0.3, "sad": 0.2}, duration=2.0)
FACE = {"angry": 0.2, "happy": 0.7, "sad": 0.1}


def test_the_product_of_two_is_their_answer() -> None:
    fused = affekt.fuse({"voice": VOICE, "face": FACE})
    product = np.array([0.5 * 0.2, 0.3 * 0.7, 0.2 * 0.1])
    assert list(fused.scores.values()) == pytest.approx(product / product.sum())
    assert (fused.label, fused.duration) == ("happy", 2.0)
    # Happy against the mean of the others: the face adds nearly all of it, the voice nothing.
    voice = np.log(0.3) - np.log([0.5, 0.2]).mean()
    face = np.log(0.7) - np.log([0.2, 0.1]).mean()
    shares = np.array([voice, face]) / (abs(voice) + abs(face))
    assert list((fused.modalities or {}).values()) == pytest.approx(shares)
    assert fused.extras()["modalities"] == "voice -3%, face 97%"
    assert Prediction.from_dict(fused.to_dict()).modalities == pytest.approx(
        fused.modalities, abs=1e-4
    )


@pytest.mark.parametrize("name", ["voice", "face"])
def test_one_modality_alone_answers_as_without_the_other(name: str) -> None:
    answer = {"voice": VOICE, "face": FACE}[name]
    fused = affekt.fuse({name: answer}, {name: 0.3})
    scores = answer.scores if isinstance(answer, Prediction) else answer
    assert fused.scores == pytest.approx(scores)
    assert fused.modalities == {name: 1.0}


def test_a_weight_of_0_leaves_a_modality_out() -> None:
    fused = affekt.fuse({"voice": VOICE, "face": FACE}, {"face": 0.0})
    assert fused.scores == pytest.approx(VOICE.scores)
    assert fused.modalities == {"voice": 1.0, "face": 0.0}


def test_a_probability_of_0_rules_nothing_out() -> None:
    fused = affekt.fuse({"face": {"happy": 1.0, "sad": 0.0}, "text": {"happy": 0.0, "sad": 1.0}})
    assert fused.scores == pytest.approx({"happy": 0.5, "sad": 0.5})


def test_emotions_that_one_does_not_know_are_left_out_and_told() -> None:
    text = {"joy": 0.1, "surprise": 0.8, "anger": 0.1}
    fused = affekt.fuse({"voice": VOICE, "text": text})
    assert list(fused.scores) == ["angry", "happy"]
    assert fused.warnings == (
        "the text points to an emotion that the others do not know (surprised)",
    )


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({}, "nothing to fuse"),
        ({"face": {"happy": 0.9}}, "sum to 1, these to 0.9"),
        ({"face": {"happy": 1.5, "sad": -0.5}}, "a probability goes from 0 to 1"),
        ({"face": {"happy": float("nan"), "sad": 1.0}}, "a probability goes from 0 to 1"),
        ({"face": {"happy": 0.5, "joy": 0.5}}, "'happy' is named twice"),
        ({"voice": VOICE, "face": {"happy": 0.5, "tired": 0.5}}, "share fewer than two emotions"),
    ],
)
def test_impossible_answers_are_refused(answers: dict[str, dict[str, float]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        affekt.fuse(answers)


def test_an_impossible_weight_is_refused() -> None:
    with pytest.raises(DataError, match="weight of 'face' must be a number of 0 or more, got -1"):
        affekt.fuse({"voice": VOICE, "face": FACE}, {"face": -1})


def test_fitted_weights_make_the_truth_most_likely() -> None:
    generator = np.random.default_rng(0)
    targets = generator.integers(0, 4, 600)

    def answers(told: float) -> np.ndarray:
        logits = generator.normal(size=(600, 4)) + told * np.eye(4)[targets]
        powers = np.exp(told * logits)
        return powers / powers.sum(axis=1, keepdims=True)

    sides = {"voice": answers(2.0), "face": answers(1.0), "text": answers(0.0)}
    weights = fit_weights(sides, targets)
    assert list(weights) == ["voice", "face", "text"]
    assert weights["voice"] == pytest.approx(1, abs=0.15)
    assert weights["face"] == pytest.approx(1, abs=0.15)

    def loss(chosen: dict[str, float]) -> float:
        logs = sum(chosen[name] * np.log(one) for name, one in sides.items())
        likely = logs - np.log(np.exp(logs).sum(axis=1, keepdims=True))
        counts = np.bincount(targets)
        return -float(np.mean([likely[targets == k, k].mean() for k in range(len(counts))]))

    best = loss(weights)
    for name in ("voice", "face"):
        assert best <= loss({**weights, name: weights[name] + 0.02})
        assert best <= loss({**weights, name: weights[name] - 0.02})
    # What says nothing may have any weight: all its probabilities are alike.
    assert loss({**weights, "text": 0.0}) == pytest.approx(best)
    with pytest.raises(DataError, match="600 rows of probabilities, 2 targets"):
        fit_weights(sides, [0, 1])


def test_scores_of_other_tools_are_read(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    path.write_text(json.dumps({"label": "joy", "scores": {"Joy": 0.6, "sadness": 0.4}}))
    assert read_scores(path) == {"happy": 0.6, "sad": 0.4}
    path.write_text("[1]")
    with pytest.raises(DataError, match="expected an object of probabilities by emotion"):
        read_scores(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_scores(tmp_path / "none.json")
