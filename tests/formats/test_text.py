from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from affekt.formats import csv as csv_format
from affekt.formats import json as json_format
from affekt.formats import table
from affekt.formats.rows import INPUT_COLUMNS
from affekt.results import Outcome, Prediction

LABELS = ("angry", "happy", "sad")


def prediction(**changes: object) -> Prediction:
    facts: dict[str, object] = {
        "label": "happy",
        "confidence": 0.75,
        "scores": {"angry": 0.05, "happy": 0.75, "sad": 0.2},
        "embedding": np.zeros(2, np.float32),
        "duration": 2.5,
        "warnings": ("short: 0.30 s", 'said "loud"'),
        **changes,
    }
    return Prediction(**facts)  # type: ignore[arg-type]


OUTCOMES = [
    Outcome("grün, a.wav", prediction=prediction()),
    Outcome("bad.wav", error="bad.wav: it is empty"),
]


def test_json_lines() -> None:
    first, second = (json.loads(line) for line in json_format.lines(OUTCOMES, LABELS))
    assert first == {
        "file": "grün, a.wav",
        "label": "happy",
        "confidence": 0.75,
        "scores": {"angry": 0.05, "happy": 0.75, "sad": 0.2},
        "valence": 0.456,
        "arousal": 0.358,
        "dominance": 0.2915,
        "dimensions": "derived",
        "duration": 2.5,
        "warnings": ["short: 0.30 s", 'said "loud"'],
    }
    assert second == {"file": "bad.wav", "error": "bad.wav: it is empty"}


def test_csv_is_read_back() -> None:
    text = "\n".join(csv_format.lines(OUTCOMES, LABELS))
    first, second = csv.DictReader(io.StringIO(text))
    dimensions = ["valence", "arousal", "dominance", "dimensions"]
    answer = ["file", "label", "confidence", "intensity", *dimensions]
    answer += ["modalities", "likely", "duration"]
    assert list(first) == [*answer, "angry", "happy", "sad", *INPUT_COLUMNS, "warnings", "error"]
    assert first["file"] == "grün, a.wav"
    assert float(first["confidence"]) == 0.75
    assert float(first["sad"]) == 0.2
    assert first["warnings"] == 'short: 0.30 s; said "loud"'
    assert first["error"] == ""
    assert second == {**dict.fromkeys(first, ""), "file": "bad.wav", "error": OUTCOMES[1].error}


def test_table_for_people() -> None:
    head, first, second = table.lines(OUTCOMES, LABELS, table.Style(file_width=12))
    assert head.split() == ["file", "emotion", "confidence", "next"]
    assert first == (
        'grün, a.wav   happy    █████████     75%   sad 20%, angry 5%  ! short: 0.30 s; said "loud"'
    )
    assert second == "bad.wav       error    it is empty"


def test_colour_adds_nothing_but_colour() -> None:
    import re

    plain = list(table.lines(OUTCOMES, LABELS, table.Style()))
    painted = list(table.lines(OUTCOMES, LABELS, table.Style(color=True)))
    assert painted != plain
    assert [re.sub(r"\033\[\d+m", "", line) for line in painted] == plain


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [(0, "    "), (1, "████"), (0.5, "██  "), (0.28125, "█▏  "), (2, "████"), (-1, "    ")],
)
def test_bar(fraction: float, expected: str) -> None:
    assert table.bar(fraction, 4) == expected


def test_bar_in_ascii() -> None:
    assert table.bar(0.5, 4, unicode=False) == "##  "


def test_lines_come_one_by_one() -> None:
    def outcomes() -> object:
        yield OUTCOMES[0]
        raise AssertionError("asked for the second before the first was written")

    for style in (json_format, csv_format, table):
        stream = style.lines(outcomes(), LABELS)  # type: ignore[arg-type]
        if style is not json_format:
            next(stream)
        assert "happy" in next(stream)
