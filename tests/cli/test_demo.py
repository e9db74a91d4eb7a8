"""``affekt demo``, on the synthetic voices and on the real ones."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import affekt
from affekt.cli import main
from affekt.data.corpora import load_corpus


def demo(out: Path, *more: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--model", "nano", "--out", str(out), *more])
    assert ended.value.code == 0


def table(text: str) -> list[list[str]]:
    """Return the rows of the first table: recording, what it was meant as, answer."""
    lines = text.split("\n\n")[1].splitlines()[1:-1]
    return [line.split()[:3] for line in lines]


def test_without_a_corpus_the_voices_are_synthetic(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], recordings: list[Path]
) -> None:
    demo(tmp_path / "out", "--data", str(tmp_path))
    text = capsys.readouterr().out
    assert text.startswith("These voices are synthetic")
    model = affekt.load_model("nano")
    rows = table(text)
    assert {row[0] for row in rows} == {file.name for file in recordings}
    for name, meant, answered in rows:
        file = next(file for file in recordings if file.name == name)
        assert f"-{meant}." in name
        assert answered == model.predict(file).label
    right = sum(meant == answered for _, meant, answered in rows)
    assert f"{right} of 6 answers are what was imitated." in text
    assert "(meant: A neutral, B happy, A angry, B sad)" in text
    assert "affekt data get cremad" in text
    page = tmp_path / "out" / "report.html"
    assert page.as_uri() in text
    shown = page.read_text(encoding="utf-8")
    assert "dialogue.wav" in shown
    assert "english-woman-sad.ogg, imitated: sad" in shown


def test_real_voices_took_no_part_in_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data_root: Path
) -> None:
    demo(tmp_path / "out", "--data", str(data_root))
    text = capsys.readouterr().out
    config = affekt.load_model("nano").config
    measured = next(row for row in config.metrics if row["protocol"].startswith("cremad,"))
    assert f"Of all {measured['clips']} clips of {measured['speakers']} speakers" in text
    assert f"recognises {measured['uar']:.0%}" in text
    acted = {clip.file.name: clip for clip in load_corpus("cremad", data_root)}
    rows = table(text)
    assert [row[1] for row in rows] == sorted(2 * list(config.labels))
    for name, meant, _ in rows:
        assert acted[name].emotion == meant
        assert acted[name].speaker_id in config.raw["speakers"]["test"]
    assert re.search(r"\d+ of 12 answers are what was acted", text)


def test_a_model_of_other_labels_has_no_dialogue(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tiny_model: Path
) -> None:
    labels = json.loads((tiny_model / "config.json").read_text())["id2label"].values()
    demo(tmp_path / "out", "--data", str(tmp_path), "--model", str(tiny_model))
    text = capsys.readouterr().out
    assert {row[1] for row in table(text)} <= set(labels)
    assert (tmp_path / "out" / "report.html").is_file()
