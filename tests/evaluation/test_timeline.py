"""Scores of time lines, worked out by hand and beside those of another tool."""

from __future__ import annotations

import pytest

from affekt.errors import DataError
from affekt.evaluation.timeline import Span, score_timelines

LABELS = ("angry", "happy", "neutral")


def test_the_error_rate_is_that_of_speechbrain_where_the_truth_covers_all() -> None:
    # The example of `speechbrain.utils.EDER`, whose answer is 0.2704918032786885.
    truth = [(0.0, 0.39, "neutral"), (0.39, 1.10, "angry"), (1.10, 1.22, "neutral")]
    found = [(0.0, 0.6, "neutral"), (0.6, 1.2, "angry")]
    assert score_timelines([(truth, found)], LABELS).eder == pytest.approx(0.2704918032786885)


def test_each_kind_of_error_counts_its_seconds() -> None:
    truth: list[Span] = [(1, 3, "angry"), (4, 8, "happy"), (10, 14, "music")]
    found: list[Span] = [(0, 2, "angry"), (4, 5, "uncertain"), (5, 6, "angry"), (6, 7, "happy")]
    found += [(11, 12, "neutral")]
    scores = score_timelines([(truth, found)], LABELS)
    assert scores.seconds == 6
    assert scores.false_alarm == pytest.approx(2 / 6)  # 0 to 1 s and 11 to 12 s
    assert scores.missed == pytest.approx(3 / 6)  # 2 to 3 s, 4 to 5 s and 7 to 8 s
    assert scores.confusion == pytest.approx(1 / 6)
    assert scores.eder == pytest.approx(1)
    assert scores.missed_speech == pytest.approx(2 / 6)  # what is uncertain is no hole
    assert scores.named == pytest.approx(3 / 6)
    assert scores.music_labelled == pytest.approx(1 / 4)
    assert scores.recall == {"angry": pytest.approx(1 / 2), "happy": pytest.approx(1 / 4)}
    assert scores.uar == pytest.approx(3 / 8)
    assert scores.to_dict()["recall"] == {"angry": 0.5, "happy": 0.25}


def test_boundaries_are_changes_of_emotion_and_lie_in_the_middle_of_a_pause() -> None:
    truth: list[Span] = [(0, 2, "angry"), (2.2, 4, "angry"), (5, 8, "happy"), (8, 9, "angry")]
    found: list[Span] = [(0, 5, "angry"), (5, 7, "happy"), (7, 7.2, "uncertain"), (7.2, 9, "angry")]
    scores = score_timelines([(truth, found)], LABELS)
    assert scores.boundary_error == pytest.approx((0.5 + 0.9) / 2)  # 4.5 to 5 s, 8 to 7.1 s
    assert score_timelines([(truth, [(0, 9, "angry")])], LABELS).boundary_error is None


def test_two_voices_at_a_time_count_twice() -> None:
    truth: list[Span] = [(0, 4, "angry"), (2, 4, "happy")]
    scores = score_timelines([(truth, [(0, 4, "angry")])], LABELS)
    assert (scores.missed, scores.confusion) == (pytest.approx(2 / 6), 0)
    assert score_timelines([(truth, [*truth, (2, 4, "happy")])], LABELS).false_alarm > 0
    assert score_timelines([(truth, truth)], LABELS).eder == 0


def test_recordings_are_scored_together_and_unknown_emotions_left_out() -> None:
    first = ([(0.0, 1.0, "angry"), (1.0, 9.0, "surprised")], [(0.0, 9.0, "angry")])
    second = ([(0.0, 3.0, "angry")], [(0.0, 3.0, "happy")])
    scores = score_timelines([first, second], LABELS)
    assert (scores.uar, scores.eder, scores.false_alarm) == (0.25, 0.75, 0)
    with pytest.raises(DataError, match="no speech under one of the labels angry, happy"):
        score_timelines([([(0.0, 1.0, "bored")], [])], LABELS)
