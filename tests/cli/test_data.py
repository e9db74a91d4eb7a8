"""``affekt data`` as a user calls it: output, exit status, and what lies on the disk after."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from tiny_corpus import make_emodb, make_ravdess, sound, write_sound

from affekt.cli import main
from affekt.data import CORPORA, Clip, open_data, read_manifest, write_manifest
from affekt.data.splits import leaking_speakers


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """A folder per emotion, four speakers, two clips each."""
    folder = tmp_path / "recordings"
    for speaker in ("anna", "bert", "cleo", "dave"):
        for emotion in ("happy", "sad"):
            path = folder / emotion / speaker / "1.wav"
            write_sound(path, sound(f"{emotion} {speaker}"))
    return folder


def run(*words: object) -> int:
    """Call the command in this process; return its exit status."""
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


def test_list_shows_what_is_at_hand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_emodb(tmp_path / "emodb")
    make_ravdess(tmp_path / "ravdess")
    write_sound(tmp_path / "ravdess" / "Actor_01" / "misnamed.wav")
    assert run("data", "list", "--data", tmp_path, "--format", "json") == 0
    output = capsys.readouterr()
    rows = {row["corpus"]: row for row in map(json.loads, output.out.splitlines())}
    assert {name: row["at_hand"] for name, row in rows.items()} == {
        **dict.fromkeys(CORPORA, "no"),
        "ravdess": "broken",
        "emodb": "in part",
    }
    assert (rows["emodb"]["clips"], rows["emodb"]["of_clips"]) == (3, 535)
    assert rows["ravdess"]["commercial_use"] == "no"
    assert rows["cremad"]["licence"] == "ODbL-1.0"
    assert rows["emodb"]["folder"] == str(tmp_path / "emodb")
    assert "misnamed.wav" in output.err
    monkeypatch.setenv("AFFEKT_DATA", str(tmp_path / "nowhere"))
    assert run("data", "list") == 0
    rows_shown = capsys.readouterr().out.splitlines()[1:]
    assert [line.split()[1] for line in rows_shown] == ["no"] * len(CORPORA)


def test_list_of_the_real_corpora(data_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("data", "list", "--data", data_root, "--format", "csv") == 0
    rows = csv.DictReader(capsys.readouterr().out.splitlines())
    found = {row["corpus"]: (row["at_hand"], row["clips"], row["speakers"]) for row in rows}
    assert list(found) == list(CORPORA)
    assert {name: found[name] for name in ("ravdess", "emodb", "cremad")} == {
        "ravdess": ("yes", "1440", "24"),
        "emodb": ("yes", "535", "10"),
        "cremad": ("yes", "7442", "91"),
    }


def test_get_says_the_licence_and_where_the_corpus_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"ravdess": replace(CORPORA["ravdess"], clips=3)}
    monkeypatch.setattr("affekt.cli.data.CORPORA", MappingProxyType({**CORPORA, **small}))
    make_ravdess(tmp_path / "ravdess")  # nothing is left to fetch
    assert run("data", "get", "ravdess", "--data", tmp_path) == 0
    output = capsys.readouterr()
    assert output.out == f"ravdess: 3 clips in {tmp_path / 'ravdess'}\n"
    assert "Licence: CC-BY-NC-SA-4.0. Not for commercial use." in output.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["meld"], "error: unknown corpus meld: expected one of ased, banglaser, "),
        (["emodb", "--mirror", "ftp://x"], "is not an http or https address"),
    ],
)
def test_get_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert run("data", "get", *words, "--data", tmp_path) == 1
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_audit_of_good_recordings(recordings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("data", "audit", recordings) == 0
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == "8 clips, 0.1 minutes\nnothing to complain about\n"


def test_audit_lists_findings(recordings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_sound(recordings / "sad" / "anna" / "2.wav", sound("happy anna"))
    assert run("data", "audit", recordings, "--format", "json") == 0
    output = capsys.readouterr()
    (row,) = map(json.loads, output.out.splitlines())
    assert row == {
        "kind": "contradiction",
        "files": [str(recordings / "happy/anna/1.wav"), str(recordings / "sad/anna/2.wav")],
        "detail": "identical samples, labelled happy and sad",
    }
    assert "1 contradiction: the same audio under different labels" in output.err
    assert run("data", "audit", recordings) == 0
    table = capsys.readouterr().out
    assert "happy/anna/1.wav, sad/anna/2.wav" in table
    assert str(recordings) not in table


def test_audit_refuses_a_leaking_split(
    recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sides = ["train", "test"] * 4
    clips = [replace(c, split=s) for c, s in zip(open_data(recordings), sides, strict=True)]
    clips[0] = replace(clips[0], speaker="bert")
    manifest, out = tmp_path / "leaky.csv", tmp_path / "out" / "findings.jsonl"
    write_manifest(clips, manifest)
    assert run("data", "audit", manifest, "--format", "json", "--out", out) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: the split leaks")
    assert "--allow-leak" in error
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert {row["detail"] for row in rows} == {"speaker bert is in test and train"}
    assert run("data", "audit", manifest, "--allow-leak") == 0
    assert "speaker-leak" in capsys.readouterr().out


def test_split_writes_a_manifest_without_leaks(
    recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "lists" / "mine.csv"
    words = ["--validation", 0.25, "--test", 0.25, "--seed", 5, "--format", "json"]
    assert run("data", "split", recordings, "--out", out, *words) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["split"], row["clips"], row["speakers"]) for row in rows] == [
        ("train", 4, 2),
        ("validation", 2, 1),
        ("test", 2, 1),
    ]
    assert (rows[0]["happy"], rows[0]["sad"]) == (2, 2)
    clips = read_manifest(out)
    assert [clip.file for clip in clips] == [clip.file for clip in open_data(recordings)]
    assert leaking_speakers(clips) == {}
    assert run("data", "audit", out) == 0


def test_split_in_folds(recordings: Path, tmp_path: Path) -> None:
    assert run("data", "split", recordings, "--out", tmp_path / "mine.csv", "--folds", 4) == 0
    folds = [read_manifest(tmp_path / f"mine-{number}.csv") for number in (1, 2, 3, 4)]
    assert not (tmp_path / "mine.csv").exists()
    tested = [{clip.speaker for clip in fold if clip.split == "test"} for fold in folds]
    judged = [{clip.speaker for clip in fold if clip.split == "validation"} for fold in folds]
    assert sorted(name for names in tested for name in names) == ["anna", "bert", "cleo", "dave"]
    assert judged == [*tested[1:], tested[0]]
    assert all(leaking_speakers(fold) == {} for fold in folds)


def test_split_refuses_unknown_speakers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_sound(tmp_path / "recordings" / "sad" / "1.wav")
    out = tmp_path / "mine.csv"
    assert run("data", "split", tmp_path / "recordings", "--out", out) == 1
    assert "error: 1 of 1 clips have no speaker" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    "words",
    [
        ["split", "emodb"],  # no --out
        ["split", "emodb", "--out", "x.csv", "--test", "1.5"],
        ["split", "emodb", "--out", "x.csv", "--folds", "1"],
        ["audit"],
        ["get"],
        ["convert"],
    ],
)
def test_usage_errors(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("data", *words) == 2
    assert "Usage: affekt data" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["list"], ["get"], ["audit"], ["split"]])
def test_help_has_examples(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("data", *words, "--help") == 0
    help_text = capsys.readouterr().out
    assert "Usage: affekt data" in help_text
    assert not words or f"Examples: affekt data {words[0]}" in help_text


def test_a_mistake_is_one_line_without_a_traceback(tmp_path: Path) -> None:
    write_manifest([Clip(tmp_path / "gone.wav", "sad")], tmp_path / "clips.csv")
    done = subprocess.run(
        [sys.executable, "-m", "affekt", "data", "audit", str(tmp_path / "clips.csv")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert "1 of 1 files do not exist (row 2)" in done.stderr
