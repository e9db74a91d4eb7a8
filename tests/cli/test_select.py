"""``affekt select``, and the way back by ``affekt adapt``."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
from command_line import affekt


@pytest.fixture
def voices(tmp_path: Path, recordings: list[Path]) -> Path:
    folder = tmp_path / "voices"
    folder.mkdir()
    for file in recordings:
        shutil.copy(file, folder)
    return folder


def test_it_goes_through_label_studio_and_back(
    voices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = tmp_path / "tasks.json"
    answer = affekt(capsys, "select", voices, "--n", 4, "--model", "nano", "--out", tasks)
    assert answer.status == 0, answer.errors
    made = json.loads(tasks.read_text(encoding="utf-8"))
    assert len({task["data"]["audio"] for task in made}) == 4
    config = ElementTree.fromstring(answer.errors.strip().splitlines()[-1])
    names = {choice.get("value") for choice in config.iter("Choice")}
    assert {task["predictions"][0]["result"][0]["value"]["choices"][0] for task in made} <= names
    # A person corrects the labels; the program exports what it was given, with annotations.
    for number, task in enumerate(made):
        label = "frustrated" if number % 2 else "neutral"
        result = {**task["predictions"][0]["result"][0], "value": {"choices": [label]}}
        task["annotations"] = [{"result": [result], "was_cancelled": False}]
    export = tmp_path / "export.json"
    export.write_text(json.dumps(made), encoding="utf-8")
    adapted = affekt(capsys, "adapt", "-e", export, "-m", "nano", "-o", tmp_path / "mine")
    assert adapted.status == 0, adapted.errors
    assert "a model for frustrated 2, neutral 2" in adapted.errors


def test_tables(voices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("select", voices, "-n", 2, "-m", "nano")
    shown = affekt(capsys, *words, "--format", "json")
    rows = [json.loads(line) for line in shown.out.splitlines()]
    assert len(rows) == 2
    assert affekt(capsys, *words, "--out", tmp_path / "two.csv").status == 0
    with (tmp_path / "two.csv").open(encoding="utf-8") as file:
        written = list(csv.DictReader(file))
    assert [row["file"] for row in written] == [row["file"] for row in rows]
    # What nobody has filled in yet is told.
    told = affekt(capsys, "adapt", "-e", tmp_path / "two.csv", "-m", "nano", "-o", tmp_path / "m")
    assert "has no emotion: fill it in or drop the row" in told.errors


def test_bad_recordings_have_their_lines(
    voices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (voices / "torn.wav").write_bytes(b"torn")
    answer = affekt(capsys, "select", voices, "-m", "nano")
    assert answer.status == 1
    assert "torn.wav" in answer.errors
    for file in voices.iterdir():
        file.write_bytes(b"torn")
    answer = affekt(capsys, "select", voices, "-m", "nano")
    assert "none of the recordings can be used" in answer.errors
