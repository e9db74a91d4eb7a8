"""``affekt baseline``, and the commands that take one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from command_line import affekt

import affekt as package

NANO = ("--model", "nano")


@pytest.fixture
def voice(tmp_path: Path, recordings: list[Path]) -> Path:
    folder = tmp_path / "voice"
    folder.mkdir()
    for file in recordings[:3]:
        shutil.copy(file, folder)
    return folder


@pytest.fixture
def baseline(voice: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    file = tmp_path / "me.json"
    answer = affekt(capsys, "baseline", "build", voice, "-r", "--out", file, *NANO)
    assert answer.status == 0
    assert "a baseline of 3 recordings for the model nano" in answer.errors
    return file


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_it_is_built_shown_updated_and_merged(
    baseline: Path, voice: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more, both = tmp_path / "more.json", tmp_path / "both.json"
    one = next(voice.iterdir())
    words = ("build", one, "--update", baseline, "--out", more, *NANO)
    assert affekt(capsys, "baseline", *words).status == 0
    assert affekt(capsys, "baseline", "merge", baseline, more, "--out", both).status == 0
    shown = affekt(capsys, "baseline", "show", baseline, more, both, "--format", "json")
    assert [row["recordings"] for row in lines(shown.out)] == [3, 4, 7]


def test_predictions_take_it_out(
    baseline: Path, voice: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = package.load_model("nano")
    file = sorted(voice.iterdir())[0]
    expected = model.predict(file, baseline=package.Baseline.load(baseline))
    words = (file, "--baseline", baseline, "--format", "json", *NANO)
    (row,) = lines(affekt(capsys, "predict", *words).out)
    assert row["scores"] == pytest.approx(dict(expected.scores), abs=1e-5)
    # With a journal and with several processes, the same.
    out = tmp_path / "answers.jsonl"
    words = (voice, "-r", "--baseline", baseline, "--jobs", "2", "--out", out, "-f", "json", *NANO)
    assert affekt(capsys, "predict", *words).status == 0
    rows = {Path(str(row["file"])).name: row for row in lines(out.read_text(encoding="utf-8"))}
    assert rows[file.name]["scores"] == pytest.approx(dict(expected.scores), abs=1e-5)


def test_a_time_line_takes_it_out(
    baseline: Path, voice: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = sorted(voice.iterdir())[0]
    plain = affekt(capsys, "timeline", file, "--format", "json", *NANO)
    moved = affekt(capsys, "timeline", file, "--format", "json", "--baseline", baseline, *NANO)
    assert plain.status == moved.status == 0
    assert plain.out != moved.out


def test_folders_adapt_to_themselves(
    voice: Path, tmp_path: Path, recordings: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    other = Path(shutil.copy(recordings[4], alone))
    words = (voice, alone, "-r", "--adapt", "folder", "--format", "json", *NANO)
    rows = {Path(str(row["file"])): row for row in lines(affekt(capsys, "predict", *words).out)}
    model = package.load_model("nano")
    own = model.baseline(sorted(voice.iterdir()))
    for file in voice.iterdir():
        expected = model.predict(file, baseline=own)
        assert rows[file]["scores"] == pytest.approx(dict(expected.scores), abs=1e-5)
    # A recording that is alone in its folder stays as it is.
    assert rows[other]["scores"] == pytest.approx(dict(model.predict(other).scores), abs=1e-5)
    together = affekt(capsys, "predict", voice, alone, "-r", "--adapt", "all", "-f", "json", *NANO)
    assert lines(together.out)[-1]["scores"] != rows[other]["scores"]


def test_a_recording_that_cannot_be_used_is_told(
    voice: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no sound")
    file = tmp_path / "me.json"
    answer = affekt(capsys, "baseline", "build", voice, bad, "-r", "--out", file, *NANO)
    assert answer.status == 1
    assert "bad.wav" in answer.errors
    assert package.Baseline.load(file).count == 3
    none = affekt(capsys, "baseline", "build", bad, "--out", tmp_path / "none.json", *NANO)
    assert none.status == 1
    assert "none of the recordings can be used" in none.errors
    assert not (tmp_path / "none.json").exists()


def test_what_goes_wrong_is_one_line(
    baseline: Path, voice: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = next(voice.iterdir())
    answer = affekt(capsys, "predict", file, "--baseline", baseline, "--model", "small")
    answer.is_one_line("built with the model 'nano'", "build it again")
    words = ("build", tmp_path / "absent.wav", "--update", baseline, "--out", tmp_path / "new.json")
    answer = affekt(capsys, "baseline", *words, "--model", "small")  # before anything is read
    answer.is_one_line("different models, small and nano")
    answer = affekt(capsys, "predict", file, "--baseline", tmp_path / "no.json", *NANO)
    answer.is_one_line("no.json", "No such file")
    words = (file, "--adapt", "all", "--baseline", baseline, *NANO)
    affekt(capsys, "predict", *words).is_one_line("--adapt makes baselines", "leave out")
