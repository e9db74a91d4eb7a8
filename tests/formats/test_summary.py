"""What a time line comes to, in a few words that are true."""

from __future__ import annotations

from dataclasses import replace

import pytest

from affekt.formats.summary import highlights, in_words
from affekt.results import UNCERTAIN, Segment


def parts(*rows: tuple[float, float, str]) -> list[Segment]:
    return [Segment(start, end, label, 0.9, {}) for start, end, label in rows]


def test_a_stretch_of_another_emotion_has_its_times() -> None:
    course = parts((0, 760, "neutral"), (760, 800, "angry"), (801, 845, "angry"), (845, 900, "sad"))
    assert in_words(course) == "mostly neutral, angry from 12:40 to 14:05, sad from 14:05 to 15:00"


def test_what_comes_again_and_again_has_its_share() -> None:
    rows = [(10 * i, 10 * i + 7, "sad") for i in range(10)]
    rows += [(10 * i + 7, 10 * i + 10, "angry") for i in range(10)]
    assert in_words(parts(*sorted(rows))) == "mostly sad, angry in 30% of the time"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "no answer"),
        ([(0, 5, "sad")], "sad"),
        ([(0, 5, "sad"), (5, 10, "happy")], "mixed: sad 50%, happy 50%"),
        ([(0, 5, "sad"), (5, 6, "happy")], "mostly sad"),
        ([(0, 9, UNCERTAIN), (9, 12, "sad")], "mostly uncertain, sad from 0:09 to 0:12"),
        ([(0, 3600, "sad"), (3600, 3723, "calm")], "mostly sad, calm from 1:00:00 to 1:02:03"),
    ],
)
def test_other_courses(rows: list[tuple[float, float, str]], words: str) -> None:
    assert in_words(parts(*rows)) == words


def test_what_is_most_worth_listening_to() -> None:
    rows = [("neutral", 0.9), ("angry", 0.6), ("angry", 0.8), ("sad", 0.5), (UNCERTAIN, 0.3)]
    course = [Segment(10 * i, 10 * i + 9, label, sure, {}) for i, (label, sure) in enumerate(rows)]
    assert [(one.start, why) for one, why in highlights(course)] == [
        (20, "most certain angry"),
        (10, "after neutral"),
        (30, "most certain sad"),
    ]
    faint = [replace(one, intensity=0.9 if one.start == 10 else 0.2) for one in course]
    assert (faint[1], "strongest angry") in highlights(faint)
    assert highlights(parts((0, 5, "neutral"), (9, 12, "neutral"))) == []
