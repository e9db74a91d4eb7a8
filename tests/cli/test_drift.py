"""``affekt drift``: from stored answers, and from recordings."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from command_line import Answer, affekt

Call = Callable[..., Answer]


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    monkeypatch.chdir(tmp_path)
    return partial(affekt, capsys, "drift")


def write_answers(path: Path, count: int, seed: int, *, happy: float = 0.0) -> Path:
    """Write made-up answers with an embedding."""
    rng = np.random.default_rng(seed)
    lines = []
    for at in range(count):
        embedding = rng.normal(size=4) + np.array([happy, 0, 0, 0])
        scores = np.exp(embedding[:3]) / np.exp(embedding[:3]).sum()
        row = {
            "file": f"{at}.wav",
            "label": "happy",
            "confidence": float(scores.max()),
            "scores": dict(zip(("happy", "sad", "angry"), scores.tolist(), strict=True)),
            "duration": 2.0 + float(rng.random()),
            "embedding": embedding.tolist(),
            "speaker": f"s{at % 20}",
        }
        lines.append(json.dumps(row))
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_shift_of_stored_answers_is_an_alarm(call: Call, tmp_path: Path) -> None:
    made = call("r.json", write_answers(tmp_path / "a.jsonl", 400, 0), "--build", "--window", "40")
    assert made.status == 0, made.errors
    assert "400 answers, 20 speakers, windows of 40" in made.errors
    moved = write_answers(tmp_path / "b.jsonl", 90, 1, happy=2.0)
    found = call("r.json", moved, "--format", "json", "--fail-if", "alarms=0")
    assert found.status == 1
    rows = [json.loads(line) for line in found.out.splitlines()]
    assert [row["alarm"] for row in rows] == [True, True]
    assert "2 of 2 windows give an alarm" in found.errors
    assert call("r.json", moved, "--fail-if", "alarms=2").status == 0


def test_recordings_make_a_reference(call: Call, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    from tiny_corpus import sound, write_sound
    from tiny_model import write_tiny_model

    model = write_tiny_model(tmp_path / "model")
    for at in range(84):
        write_sound(tmp_path / "clips" / f"{at:02}.wav", (0.1 + 0.01 * at) * sound(f"{at}"))
    made = call("r.json", "clips", "--build", "--window", "20", "--model", model)
    assert made.status == 0, made.errors
    assert "84 answers, speakers unknown" in made.errors
    found = call("r.json", "clips", "--model", model, "--format", "json")
    assert found.status == 0, found.errors
    assert len(found.out.splitlines()) == 4


def test_mistakes_are_one_line(call: Call, tmp_path: Path) -> None:
    few = write_answers(tmp_path / "few.jsonl", 30, 0)
    call("r.json", few, "--build").is_one_line("too few for a reference")
    call("r.json", few).is_one_line("cannot read the reference")
    call("r.json", "--build").is_one_line("one of them")
    call("r.json", few, "x.wav", "--build").is_one_line("one of them")
    (tmp_path / "bad.jsonl").write_text('{"file": "a", "scores": {"sad": 1.0}}', encoding="utf-8")
    call("r.json", "bad.jsonl", "--build").is_one_line("no answer of affekt predict")
    call("r.json", few, "bad.jsonl", "--build").is_one_line("other emotions")
