"""``affekt adapt``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command_line import affekt

RATE = 16000


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    """Tones of two pitches by two speakers."""
    generator = np.random.default_rng(0)
    for label, pitch in (("aengstlich", 300.0), ("genervt", 900.0)):
        for speaker in ("anna", "bert"):
            folder = tmp_path / "examples" / label / speaker
            folder.mkdir(parents=True)
            for take in range(4):
                time = np.arange(RATE) / RATE
                tone = 0.3 * np.sin(2 * np.pi * pitch * generator.uniform(0.9, 1.1) * time)
                sound = tone + generator.normal(0, 0.01, RATE)
                soundfile.write(folder / f"{take}.wav", sound, RATE)
    return tmp_path / "examples"


def test_examples_become_a_model(
    examples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine"
    words = ("--examples", examples, "--model", "nano", "--out", out)
    answer = affekt(capsys, "adapt", *words, "--format", "json")
    assert answer.status == 0, answer.errors
    (row,) = [json.loads(line) for line in answer.out.splitlines()]
    assert (row["model"], row["examples"]) == ("mine", 16)
    assert row["uar_low"] <= row["uar"] <= row["uar_high"]
    assert "a model for fearful 8, genervt 8" in answer.errors
    assert "warning" not in answer.errors
    file = examples / "genervt" / "anna" / "0.wav"
    told = affekt(capsys, "predict", file, "--model", out, "--format", "json")
    assert json.loads(told.out)["label"] == "genervt"
    shown = affekt(capsys, "models", out)
    assert "genervt" in shown.out


def test_a_bad_example_has_its_line_and_the_status(
    examples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (examples / "genervt" / "anna" / "9.wav").write_bytes(b"torn")
    answer = affekt(capsys, "adapt", "-e", examples, "-m", "nano", "-o", tmp_path / "mine")
    assert answer.status == 1
    assert "9.wav" in answer.errors
    assert (tmp_path / "mine" / "model.onnx").is_file()


def test_mistakes_are_one_line(
    examples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*words: object) -> str:
        answer = affekt(capsys, "adapt", "-m", "nano", "-o", tmp_path / "mine", *words)
        assert answer.status == 1
        assert answer.errors.startswith("error: ")
        assert not (tmp_path / "mine").exists()
        return answer.errors

    assert "neither a corpus" in refused("-e", tmp_path / "nowhere")
    copy = examples / "Genervt" / "cem"
    shutil.copytree(examples / "genervt" / "anna", copy)
    if (examples / "genervt").samefile(examples / "Genervt"):
        pytest.skip("this file system does not tell case apart")
    assert "'Genervt' and 'genervt' differ only in case" in refused("-e", examples)
    shutil.rmtree(copy.parent)
    shutil.rmtree(examples / "genervt")
    assert "all 8 are of 'fearful'" in refused("-e", examples)
