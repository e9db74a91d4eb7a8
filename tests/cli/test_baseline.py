"""``affekt baseline``, and the commands that take one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from command_line import Answer, affekt

import affekt as package

NANO = ("--model", "nano")


@pytest.fixture
def voice(tmp_path: Path, recordings: list[Path]) -> Path:
    folder = tmp_path / "voice"
    folder.mkdir()
    for index, file in enumerate(recordings[:6] * 3):  # what they have in common is no chance
        shutil.copy(file, folder / f"{index}-{file.name}")
    return folder


@pytest.fixture
def baseline(voice: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    file = tmp_path / "me.json"
    answer = affekt(capsys, "baseline", "build", voice, "-r", "--out", file, *NANO)
    assert answer.status == 0
    assert "a baseline of 18 recordings for the model nano: " in answer.errors
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
    assert [row["recordings"] for row in lines(shown.out)] == [18, 19, 37]


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


def scores(answer: Answer) -> dict[Path, object]:
    assert answer.status == 0, answer.errors
    return {Path(str(row["file"])): row["scores"] for row in lines(answer.out)}


def test_speakers_adapt_to_themselves(
    tmp_path: Path, recordings: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "speakers"
    places = ["anna", "anna/monday", "bert", "bert", "."]
    files = []
    for place, file in zip(places, recordings, strict=False):
        (folder / place).mkdir(parents=True, exist_ok=True)
        files.append(Path(shutil.copy(file, folder / place)))
    words = ("predict", folder, "-r", "--format", "json", *NANO)
    answer = affekt(capsys, *words, "--adapt", "speaker")
    assert "1 of 5 recordings stay as they are: their speaker is not known" in answer.errors
    by_folder = scores(answer)
    model = package.load_model("nano")
    for own in (files[:2], files[2:4]):
        baseline = model.baseline(own)
        for file in own:
            expected = model.predict(file, baseline=baseline)
            assert by_folder[file] == pytest.approx(dict(expected.scores), abs=1e-5)
    assert by_folder[files[4]] == pytest.approx(dict(model.predict(files[4]).scores), abs=1e-5)
    # The same speakers from a list, wherever the files lie.
    table = tmp_path / "speakers.csv"
    names = ["anna", "anna", "bert", "bert", ""]
    rows = [f"{file},{name}" for file, name in zip(files, names, strict=True)]
    table.write_text("\n".join(["file,speaker", *rows]), encoding="utf-8")
    by_list = scores(affekt(capsys, *words, "--adapt", "speaker", "--speakers", table))
    assert by_list == by_folder


def test_nobody_known_is_told(voice: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = affekt(capsys, "predict", voice, "-r", "--adapt", "speaker", *NANO)
    assert answer.status == 1
    assert "known of no recording: name a folder that holds one folder a speaker" in answer.errors


def test_a_stream_learns_and_goes_on_learning(
    voice: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, learnt = sorted(voice.iterdir())[0], tmp_path / "me.json"
    words = ("stream", "--simulate", file, "--speed", "1000", "--window", "1", "--vad", "off")
    words = (*words, "--format", "json", "--hops", "--learn", learnt, *NANO)
    first = affekt(capsys, *words)
    assert first.status == 0
    once = package.Baseline.load(learnt)
    assert f"a baseline of {once.count} recordings for the model nano" in first.errors
    second = affekt(capsys, *words)
    assert second.status == 0
    assert second.out != first.out  # what was learned is used
    assert package.Baseline.load(learnt).count == 2 * once.count
    both = affekt(capsys, *words, "--baseline", learnt)
    assert both.status == 1
    assert "leave out --baseline" in both.errors


def test_a_stream_too_short_to_learn_from_writes_nothing(
    voice: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, learnt = sorted(voice.iterdir())[0], tmp_path / "me.json"
    words = ("stream", "--simulate", file, "--speed", "1000", "--window", "30", "--learn", learnt)
    answer = affekt(capsys, *words, *NANO)
    assert answer.status == 0
    assert "no whole window of speech to learn from" in answer.errors
    assert not learnt.exists()


def test_a_recording_that_cannot_be_used_is_told(
    voice: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no sound")
    file = tmp_path / "me.json"
    answer = affekt(capsys, "baseline", "build", voice, bad, "-r", "--out", file, *NANO)
    assert answer.status == 1
    assert "bad.wav" in answer.errors
    assert package.Baseline.load(file).count == 18
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
