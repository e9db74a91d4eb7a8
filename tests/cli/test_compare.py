"""``affekt compare``: models, stored answers, and what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from command_line import Answer, affekt

from affekt import compare

Call = Callable[..., Answer]
EMOTIONS = ("angry", "happy", "sad")


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AFFEKT_DATA", "no-corpora")
    return partial(affekt, capsys, "compare")


def write_answers(path: Path, skill: float, seed: int, labels: tuple[str, ...] = EMOTIONS) -> Path:
    """Write made-up answers with their truth: ten speakers, 300 clips."""
    rng = np.random.default_rng(seed)
    lines = []
    for at in range(300):
        logits = rng.normal(size=len(labels))
        logits[at % 3] += skill
        scores = np.exp(logits) / np.exp(logits).sum()
        row = {
            "file": f"{at}.wav",
            "scores": dict(zip(labels, scores.round(6).tolist(), strict=True)),
            "emotion": EMOTIONS[at % 3],
            "speaker": f"s{at % 10}",
            "gender": "female" if at % 2 else "male",
            "age": 20 + at % 10 * 5,
        }
        lines.append(json.dumps(row))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_stored_answers_are_compared_and_gated(call: Call, tmp_path: Path) -> None:
    a = write_answers(tmp_path / "a.jsonl", 2.5, 0)
    b = write_answers(tmp_path / "b.jsonl", 1.0, 1)
    done = call("--answers", a, b, "--out", "r.html", "--out", "r.tex", "--out", "r.json")
    assert done.status == 0, done.errors
    assert done.out.startswith("b is worse than a: ")
    assert "gender female" in done.out
    assert "age 30 to 44" in done.out
    assert "<section>" in (tmp_path / "r.html").read_text()
    assert r"\toprule" in (tmp_path / "r.tex").read_text()
    stored = json.loads((tmp_path / "r.json").read_text())
    assert stored["pairs"][0]["verdict"] == "worse"

    failed = call("--answers", a, b, "--json", "--fail-if", "worse=1")
    assert failed.status == 1
    assert "failed: worse: " in failed.errors
    assert json.loads(failed.out)["pairs"][0] == stored["pairs"][0]
    assert call("--answers", b, a, "--json", "--fail-if", "worse=1").status == 0


def test_other_labels_and_other_clips_are_left_out_and_said(call: Call, tmp_path: Path) -> None:
    a = write_answers(tmp_path / "a.jsonl", 2.0, 0)
    b = write_answers(tmp_path / "b.jsonl", 2.0, 1, ("angry", "happy", "calm"))
    b.write_text("\n".join(b.read_text().splitlines()[:200]), encoding="utf-8")
    done = call("--answers", a, b)
    assert done.status == 0, done.errors
    assert "no line for 100 of 300" in done.errors
    assert "100 clips labelled sad" in done.errors
    assert "compared over angry, happy" in done.errors
    assert "134 clips, 2 classes" in done.out  # of the first 200, two thirds


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("no json", "line 1: it is not JSON"),
        ('{"label": "sad"}', "it names no file"),
        ('{"file": "1.wav", "scores": {"sad": 2, "angry": 0}}', "numbers from 0 to 1"),
        ('{"file": "1.wav", "error": "too short"}', "it has no answer"),
        ("", "it has no answer"),
        ('{"file": "other.wav", "scores": {"sad": 1, "angry": 0}}', "no line is of a labelled"),
    ],
)
def test_bad_answers_are_one_line(call: Call, tmp_path: Path, line: str, error: str) -> None:
    a = write_answers(tmp_path / "a.jsonl", 2.0, 0)
    (tmp_path / "b.jsonl").write_text(line, encoding="utf-8")
    call("--answers", a, "b.jsonl").is_one_line(error)


def test_bad_usage_is_one_line(call: Call, tmp_path: Path) -> None:
    a = write_answers(tmp_path / "a.jsonl", 2.0, 0)
    call("base", "live").is_one_line("name a --corpus")
    call("--answers", a).is_one_line("two models")
    call("--answers", a, a, "--fail-if", "uar=1").is_one_line("NAME=NUMBER")
    call("--live", "http://127.0.0.1:1").is_one_line("127.0.0.1:1")
    call("--answers", a, a, "--out", "x.docx").is_one_line("end in .json")
    call("--answers", a, "missing.jsonl").is_one_line("cannot read the answers")
    bare = tmp_path / "bare.jsonl"
    bare.write_text('{"file": "1.wav", "scores": {"sad": 1, "angry": 0}}', encoding="utf-8")
    call("--answers", bare, a).is_one_line("no answer tells its true emotion")


def test_models_are_compared_on_recordings(call: Call, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    from tiny_corpus import sound, write_sound
    from tiny_model import write_tiny_model

    rows = ["file,start,end,speaker,gender,age,emotion"]
    for number, emotion in enumerate(EMOTIONS):
        for speaker in "abcdefg":
            name = f"{speaker}-{emotion}.wav"
            write_sound(tmp_path / name, (0.1 + 0.3 * number) * sound(name))
            rows.append(f"{name},0,0.5,{speaker},f,30,{emotion}")
    (tmp_path / "mine.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    a = write_tiny_model(tmp_path / "a")
    b = write_tiny_model(tmp_path / "b", name="other", calibration={"temperature": 2.0})
    done = call(a, b, "--corpus", "mine.csv", "--out", "report.html", "--json")
    assert done.status == 0, done.errors
    found = json.loads(done.out)
    assert list(found["models"]) == ["tiny", "other"]
    assert found["models"]["tiny"]["n"] == 21
    assert found["pairs"][0]["changed"] == []  # the same graph
    assert found["pairs"][0]["verdict"] == "no difference"
    same = compare(a, b, corpus=tmp_path / "mine.csv").to_dict()
    assert same["pairs"][0]["differences"]["uar"]["value"] == 0
