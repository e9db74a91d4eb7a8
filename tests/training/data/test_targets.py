from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from affekt.data import Clip
from affekt.training.data.batches import soft_targets

LABELS = ("angry", "happy", "sad")


def clip(emotion: str = "angry", votes: dict[str, float] | None = None) -> Clip:
    return Clip(Path("a.wav"), emotion, votes=votes)


def test_without_weight_the_intended_label_is_all() -> None:
    targets = soft_targets([clip("sad", {"happy": 1.0}), clip("angry")], LABELS)
    assert targets.dtype == np.float32
    assert targets.tolist() == [[0, 0, 1], [1, 0, 0]]


def test_votes_and_label_are_blended_by_the_weight() -> None:
    votes = {"angry": 0.5, "sad": 0.25, "happy": 0.25}
    assert soft_targets([clip("angry", votes)], LABELS, 0.4)[0] == pytest.approx([0.8, 0.1, 0.1])
    assert soft_targets([clip("angry", votes)], LABELS, 1.0)[0] == pytest.approx([0.5, 0.25, 0.25])


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_targets_sum_to_one(weight: float) -> None:
    clips = [clip("sad", {"angry": 0.2, "disgust": 0.7, "sad": 0.1}), clip(), clip("happy", {})]
    assert soft_targets(clips, LABELS, weight).sum(axis=1) == pytest.approx(1)


def test_votes_for_what_is_not_learned_are_left_out() -> None:
    row = soft_targets([clip("sad", {"disgust": 0.6, "sad": 0.3, "happy": 0.1})], LABELS, 1.0)[0]
    assert row == pytest.approx([0, 0.25, 0.75])


def test_a_clip_whose_votes_all_go_elsewhere_keeps_its_label() -> None:
    assert soft_targets([clip("sad", {"disgust": 1.0})], LABELS, 1.0).tolist() == [[0, 0, 1]]


def test_a_clip_without_votes_keeps_its_label() -> None:
    assert soft_targets([clip("happy")], LABELS, 0.9).tolist() == [[0, 1, 0]]
