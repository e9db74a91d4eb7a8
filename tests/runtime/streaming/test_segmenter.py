"""From answers to segments: smoothing, short stretches, pauses, doubt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from affekt import UNCERTAIN, Segment, TimelineOptions
from affekt.runtime.streaming.segmenter import Segmenter
from affekt.runtime.streaming.sliding import Grid, WindowScore

LABELS = ("happy", "sad")


def windows(course: str) -> list[WindowScore]:
    """One window a second: h and s are sure, H and S are not, a dot is silence."""
    probability = {"h": 0.9, "H": 0.55, "S": 0.45, "s": 0.1}
    return [
        WindowScore(
            float(second),
            float(second + 1),
            None if letter == "." else np.array([probability[letter], 1 - probability[letter]]),
            None,
        )
        for second, letter in enumerate(course)
    ]


def segments(course: str, threshold: float = 0.0, **changes: float) -> list[Segment]:
    options = TimelineOptions(**{"smoothing": 0, "min_duration": 2.0, **changes})
    segmenter = Segmenter(LABELS, options, threshold, 1.0)
    done = [segment for window in windows(course) for segment in segmenter.push([window])]
    return done + segmenter.flush()


def shape(found: list[Segment]) -> str:
    return " ".join(f"{one.start:g}-{one.end:g} {one.label}" for one in found)


@pytest.mark.parametrize(
    ("course", "expected"),
    [
        ("hhhsss", "0-3 happy 3-6 sad"),
        ("hhhshhh", "0-7 happy"),  # too short to stand
        ("shhh", "0-4 happy"),  # nothing before it: it joins what follows
        ("hhhs", "0-4 happy"),
        ("h", "0-1 happy"),  # all there is
        ("hshs", "0-4 sad"),
        ("hh.hh", "0-5 happy"),  # a pause of 1 s is bridged
        ("hh..hh", "0-2 happy 4-6 happy"),
        ("hh.s..s", "0-4 happy 6-7 sad"),
        ("..", ""),
        ("", ""),
    ],
)
def test_what_becomes_of_a_course(course: str, expected: str) -> None:
    assert shape(segments(course)) == expected


def test_doubt_has_a_label_of_its_own() -> None:
    found = segments("hhHHss", threshold=0.6)
    assert shape(found) == f"0-2 happy 2-4 {UNCERTAIN} 4-6 sad"
    assert found[1].confidence == pytest.approx(0.55)
    assert shape(segments("hhHHss")) == "0-4 happy 4-6 sad"


def test_scores_are_means_over_all_of_a_segment() -> None:
    (one,) = segments("hhhS")
    assert one.scores["happy"] == pytest.approx((3 * 0.9 + 0.45) / 4)
    assert one.confidence == one.scores["happy"]
    assert sum(one.scores.values()) == pytest.approx(1)


def test_smoothing_averages_neighbours() -> None:
    assert shape(segments("hhSShh", min_duration=0.0)) == "0-2 happy 2-4 sad 4-6 happy"
    assert shape(segments("hhSShh", min_duration=0.0, smoothing=2.0)) == "0-6 happy"


def test_a_segment_is_final_once_the_next_one_stands() -> None:
    segmenter = Segmenter(LABELS, TimelineOptions(smoothing=0, min_duration=2.0), 0.0, 1.0)
    course = windows("hhhss")
    assert segmenter.push(course[:4]) == []
    assert segmenter.open_segment is not None
    assert shape([segmenter.open_segment]) == "0-3 happy"
    assert shape(segmenter.push(course[4:])) == "0-3 happy"
    assert shape([segmenter.open_segment]) == "3-5 sad"


def test_windows_lie_around_their_hop_and_are_cut_at_the_ends() -> None:
    grid = Grid.of(window=3.0, hop=0.5, step=800, sample_rate=16000)
    assert (grid.hop, grid.before, grid.after) == (10, 25, 25)
    assert grid.window(0) == (0, 35)
    assert grid.window(10) == (75, 135)
    assert grid.last_window(10, samples=112 * 800) == (75, 112)
    assert grid.last_window(11, samples=112 * 800) == (82, 112)  # half a window at least
    assert Grid.of(0.2, 0.2, 800, 16000).window(3) == (12, 16)


def test_a_segment_begins_and_ends_with_its_speech() -> None:
    options = TimelineOptions(smoothing=0, min_duration=1.0)
    segmenter = Segmenter(LABELS, options, 0.0, 1.0)
    cells = windows("hh.hsss")
    cells[0] = replace(cells[0], heard=(0.6, 1.0))
    cells[3] = replace(cells[3], heard=(3.2, 3.7))  # too short for itself, were it cut before
    cells[6] = replace(cells[6], heard=(6.0, 6.25))
    found = segmenter.push(cells) + segmenter.flush()
    assert shape(found) == "0.6-3.7 happy 4-6.25 sad"
