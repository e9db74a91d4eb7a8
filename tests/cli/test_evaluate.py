"""``affekt evaluate``: a model, labelled speech, and honest figures."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from shutil import copy

import pytest
from command_line import Answer, affekt
from tiny_corpus import sound, write_sound
from tiny_model import write_tiny_model

from affekt import load_model
from affekt.data import open_data, write_manifest
from affekt.evaluation.metrics import evaluate

pytest.importorskip("onnx")

Call = Callable[..., Answer]

ROOT = Path(__file__).parents[2]
EMOTIONS = ("angry", "happy", "sad")
SPEAKERS = ("anna", "bert", "carl", "dora")


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """Return a function that runs ``affekt evaluate`` in the test's own folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AFFEKT_DATA", "no-corpora")
    return partial(affekt, capsys, "evaluate")


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """A folder of 24 recordings of several loudness, two of each speaker and emotion."""
    folder = tmp_path / "recordings"
    for number, emotion in enumerate(EMOTIONS):
        for speaker in SPEAKERS:
            for take in range(2):
                name = f"{speaker}-{emotion}-{take}"
                samples = (0.1 + 0.3 * number + 0.1 * take) * sound(name)
                write_sound(folder / emotion / speaker / f"{name}.wav", samples)
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model that names the speakers it was trained with."""
    sides = {"train": ["anna", "bert"], "validation": ["carl"], "test": ["dora"]}
    return write_tiny_model(tmp_path / "model", speakers=sides)


def test_the_held_out_speakers_are_scored_unless_told_otherwise(
    call: Call, model: Path, recordings: Path
) -> None:
    counts = {}
    for split in ("test", "train", "all"):
        done = call(model, "--corpus", recordings, "--split", split, "--format", "json")
        assert done.status == 0, done.errors
        row = json.loads(done.out)
        assert row.keys() == {
            *("model", "corpus", "split", "n", "uar", "wa", "weighted_f1", "macro_f1", "ece"),
            "fairness",
        }
        assert (row["model"], row["split"]) == ("tiny", split)
        counts[split] = row["n"]
    assert counts == {"test": 6, "train": 12, "all": 24}


def test_figures_and_pictures_are_those_of_the_answers(
    call: Call, model: Path, recordings: Path, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    words = (model, "--corpus", recordings, "--split", "all", "--out", "report")
    done = call(*words)
    assert done.status == 0, done.errors
    loaded = load_model(model, threads=1)
    clips = open_data(recordings)
    answers = [loaded.predict(clip.file).scores for clip in clips]
    over = [[answer[name] for name in EMOTIONS] for answer in answers]
    expected = evaluate(
        [[value / sum(row) for value in row] for row in over],
        [EMOTIONS.index(clip.emotion) for clip in clips],
        EMOTIONS,
        speakers=[clip.speaker_id for clip in clips],
    )
    lines = done.out.splitlines()
    assert lines[0] == "24 clips, 3 classes"
    assert f"{100 * expected.uar:.1f} %" in lines[2]
    assert "95 % interval over speakers" in lines[2]
    told = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert told["uar"] == pytest.approx(expected.uar)
    assert told["confusion"] == expected.confusion.tolist()
    assert (tmp_path / "report" / "report.txt").read_text().splitlines() == lines
    for name in ("confusion.png", "reliability.png"):
        assert (tmp_path / "report" / name).read_bytes().startswith(b"\x89PNG\r\n")


def test_a_manifest_and_csv(call: Call, model: Path, recordings: Path, tmp_path: Path) -> None:
    clips = open_data(recordings)
    write_manifest([replace(clip, corpus="studio") for clip in clips], tmp_path / "studio.csv")
    done = call(model, "--corpus", "studio.csv", "--format", "csv")
    assert done.status == 0, done.errors
    (row,) = csv.DictReader(io.StringIO(done.out))
    assert row["n"] == "24"  # a corpus that the model never saw


def test_bad_clips_and_foreign_emotions_are_left_out(
    call: Call, model: Path, recordings: Path
) -> None:
    write_sound(recordings / "boredom" / "dora" / "yawn.wav")
    broken = recordings / "sad" / "dora" / "dora-sad-0.wav"
    broken.write_text("no sound at all")
    done = call(model, "--corpus", recordings, "--format", "json")
    assert done.status == 0, done.errors
    assert json.loads(done.out)["n"] == 5
    assert done.errors.startswith(f"left out: {broken}: ")
    assert done.errors.endswith(
        "left out: 1 clips labelled boredom, which the model does not know\n"
    )
    assert done.errors.count("\n") == 2


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["model", "--corpus", "nowhere"], "'nowhere' is neither a corpus"),
        (["model", "--corpus", "emodb"], "affekt data get emodb"),
        (["model", "--corpus", "recordings", "--split", "dev"], "unknown split 'dev'"),
        (["recordings", "--corpus", "recordings"], "config.json"),
        (["model", "--corpus", "calm"], "of these the data has only none"),
    ],
    ids=["no data", "no corpus", "no split", "no model", "nothing in common"],
)
def test_mistakes_are_one_line(
    words: list[str], part: str, call: Call, model: Path, recordings: Path, tmp_path: Path
) -> None:
    write_sound(tmp_path / "calm" / "calm" / "dora" / "1.wav")
    call(*words).is_one_line(part)


def test_the_model_that_ships_on_real_speech(call: Call, data_root: Path, tmp_path: Path) -> None:
    if not list((Path(__file__).parents[2] / "src/affekt/assets/base").glob("*.onnx")):
        pytest.skip("the default model is not here")
    clips = open_data("emodb", data_root)[::12]
    write_manifest(clips, tmp_path / "some.csv")
    words = ("default", "--corpus", "some.csv", "--split", "all", "--format", "json")
    done = call(*words)
    assert done.status == 0, done.errors
    row = json.loads(done.out)
    assert row["n"] == sum(clip.emotion != "boredom" for clip in clips)
    assert row["uar"] > 0.5


def test_groups_and_speakers_are_scored_and_gated(
    call: Call, model: Path, recordings: Path, tmp_path: Path
) -> None:
    clips = [
        replace(clip, gender="female" if clip.speaker in "annadora" else "male", age=33.0)
        for clip in open_data(recordings)
    ]
    write_manifest(clips, tmp_path / "mine.csv")
    words = (model, "--corpus", "mine.csv", "--split", "all")
    done = call(*words, "--fail-if", "uar=0")
    assert done.status == 0, done.errors
    assert "gender female" in done.out
    assert "age 30 to 44" in done.out
    assert "not compared: fewer than 50 clips" in done.out
    assert "4 speakers: UAR" in done.out
    failed = call(*words, "--fail-if", "worst-quarter=101", "--fail-if", "gap=1")
    assert failed.status == 1
    assert "failed: worst-quarter" in failed.errors
    assert "the data cannot tell" in failed.errors


def test_time_lines_are_scored_against_what_is_known(
    call: Call, model: Path, tmp_path: Path
) -> None:
    copy(ROOT / "examples" / "recordings" / "english-man-angry.wav", tmp_path / "talk.wav")
    found = list(load_model(model).timeline(tmp_path / "talk.wav"))
    truth = [f"SPEAKER talk 1 {one.start} {one.duration} <NA> <NA> {one.label}" for one in found]
    (tmp_path / "truth.rttm").write_text("\n".join(truth))
    done = call(model, "--timeline", "truth.rttm", "--format", "json")
    assert done.status == 0, done.errors
    row = json.loads(done.out)
    assert (row["time line"], row["uar"], row["eder"], row["missed_speech"]) == ("found", 1, 0, 0)
    (tmp_path / "none.rttm").write_text("")
    assert "none.rttm: it tells of no turns" in call(model, "--timeline", "none.rttm").errors
    # Where the truth tells who speaks, their turns are scored, too; other recordings are left out.
    wrong = next(name for name in load_model(model).labels if name != found[0].label)
    rows = [f"talk.wav,0,6,{wrong},Anna", f"gone.wav,0,6,{wrong},Anna"]
    (tmp_path / "truth.csv").write_text("\n".join(["file,start,end,emotion,speaker", *rows]))
    done = call(model, "--timeline", "truth.csv")
    assert done.status == 0, done.errors
    assert done.out.split()[:4] == ["score", "found", "turns", "given"]
    assert "left out: gone.wav: truth.csv: no recordings are called gone.wav" in done.errors


def test_one_of_corpus_and_time_line(call: Call, model: Path) -> None:
    for words in ((), ("--corpus", "a.csv", "--timeline", "a.csv")):
        done = call(model, *words)
        assert done.status == 2
        assert "give one of --corpus and --timeline" in done.errors
