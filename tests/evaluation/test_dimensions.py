"""Valence, arousal and dominance are compared with ratings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from affekt.data import Clip
from affekt.errors import DataError
from affekt.evaluation.dimensions import agreement, concordance, dimension_scores
from affekt.results import Prediction

RATED = np.array([-0.8, -0.2, 0.0, 0.3, 0.9, -0.5, 0.1, 0.6])
SPEAKERS = list("aabbccdd")


def test_concordance_is_what_lin_defines() -> None:
    said = RATED + np.array([0.1, -0.1, 0.2, 0.0, -0.3, 0.1, 0.0, -0.2])
    covariance = np.cov(said, RATED, bias=True)
    expected = 2 * covariance[0, 1] / (np.trace(covariance) + (said - RATED).mean() ** 2)
    assert concordance(said, RATED) == pytest.approx(expected)
    assert concordance(RATED, RATED) == pytest.approx(1)
    assert concordance(-RATED, RATED) < 0


def test_a_shift_and_a_compression_cost_concordance_and_no_correlation() -> None:
    squeezed = agreement(0.25 * RATED + 0.5, RATED, SPEAKERS)
    assert squeezed.correlation == pytest.approx(1)
    assert squeezed.spread == pytest.approx(0.25)
    assert squeezed.ccc < 0.3
    assert squeezed.ci95 is not None
    assert squeezed.ci95[0] <= squeezed.ccc <= squeezed.ci95[1]


def test_within_speakers_their_means_count_for_nothing() -> None:
    voices = np.repeat([3.0, -2.0, 0.5, 1.0], 2)
    found = agreement(RATED + voices, RATED, SPEAKERS)
    assert found.within == pytest.approx(1)
    assert found.ccc < 0.5
    alone = agreement(RATED, RATED, ["a"] * 8)
    assert alone.ccc == pytest.approx(1)
    assert (alone.ci95, alone.within) == (None, None)


@pytest.mark.parametrize(
    ("said", "rated", "words"),
    [
        ([0.1, 0.2], [0.5, 0.5], r"the ratings are constant \(0\.5\)"),
        ([0.1, np.nan], [0.5, 0.1], "not finite"),
        ([0.1], [0.5], "two or more clips"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    said: list[float], rated: list[float], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        agreement(said, rated)


def test_constant_numbers_agree_with_nothing() -> None:
    found = agreement([0.5] * 8, RATED)
    assert (found.ccc, found.correlation, found.spread) == (0, 0, 0)


def test_clips_without_ratings_are_left_out() -> None:
    answers = [Prediction("sad", 1.0, {"sad": 1.0}, valence=v, duration=1.0) for v in (0.1, 0.2, 1)]
    clips = [Clip(Path("a.wav"), "sad", valence=v, arousal=0.5) for v in (0.2, 0.4, None)]
    found = dimension_scores(answers, clips)
    assert found.keys() == {"valence"}  # equal ratings of arousal tell nothing
    assert found["valence"].n == 2
