"""Exports of Label Studio as clips."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from affekt.data import open_data
from affekt.errors import DataError


def choice(*labels: str) -> dict[str, Any]:
    return {
        "result": [
            {"from_name": "emotion", "type": "choices", "value": {"choices": [name]}}
            for name in labels
        ]
    }


def region(start: float, end: float, label: str) -> dict[str, Any]:
    value = {"start": start, "end": end, "channel": 0, "labels": [label]}
    return {"result": [{"type": "labels", "value": value}]}


def export(folder: Path, *tasks: Any) -> Path:
    for name in ("a.wav", "b.wav"):
        (folder / name).write_bytes(b"")
    file = folder / "export.json"
    file.write_text(json.dumps(tasks), encoding="utf-8")
    return file


def test_choices_and_regions(tmp_path: Path) -> None:
    file = export(
        tmp_path,
        {"data": {"audio": "a.wav", "speaker": "anna"}, "annotations": [choice("frustrated")]},
        {"data": {"audio": "/data/local-files/?d=b.wav"}, "annotations": [region(1, 2.5, "Joy")]},
        {"data": {"audio": "gone.wav"}, "annotations": []},
        {"data": {"audio": "gone.wav"}, "annotations": [{"was_cancelled": True, "result": []}]},
    )
    one, other = open_data(file)
    assert (one.file, one.emotion, one.speaker) == (tmp_path / "a.wav", "frustrated", "anna")
    assert (other.file, other.emotion) == (tmp_path / "b.wav", "happy")
    assert (other.start, other.end, other.votes) == (1.0, 2.5, None)


def test_most_people_decide(tmp_path: Path) -> None:
    people = [choice("sad"), choice("müde"), choice("müde")]
    (clip,) = open_data(export(tmp_path, {"data": {"audio": "a.wav"}, "annotations": people}))
    assert clip.emotion == "müde"
    assert clip.votes == {"sad": pytest.approx(1 / 3), "müde": pytest.approx(2 / 3)}


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"audio": "a.wav", "emotion": "sad"}, "no export of Label Studio"),
        ({"data": {"text": "?"}, "annotations": [choice("sad")]}, "task 1: it lacks the recording"),
        ({"data": {"audio": "a.wav"}, "annotations": [{}]}, "task 1: it lacks the recording"),
        ({"data": {"audio": "a.wav"}, "annotations": []}, "none of 1 tasks has a label"),
        ({"data": {"audio": "no.wav"}, "annotations": [choice("sad")]}, "no.wav does not exist"),
        ({"data": {"audio": "https://x.org/a.wav"}, "annotations": [choice("sad")]}, "fetch it"),
        ({"data": {"audio": "a.wav"}, "annotations": [choice("=1")]}, "cannot be a label"),
    ],
)
def test_what_cannot_be_read(task: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        open_data(export(tmp_path, task))


def test_other_json(tmp_path: Path) -> None:
    (tmp_path / "torn.json").write_text("[{")
    with pytest.raises(DataError, match="cannot be read as JSON"):
        open_data(tmp_path / "torn.json")
