"""Many recordings: on several cores, killed and resumed, to a disk that is full."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from patience import PATIENCE
from stopping import interrupt, start_halted

Run = Callable[..., subprocess.CompletedProcess[str]]
COUNT = 240
BAD = 17  # the file that is no audio


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings that differ, and one that is none."""
    folder = tmp_path_factory.mktemp("batch") / "calls"
    folder.mkdir()
    for index in range(COUNT):
        samples = np.random.default_rng(index).normal(0, 0.01 + index / 1000, 3200)
        soundfile.write(folder / f"{index:03}.wav", samples, 16000)
    (folder / f"{BAD:03}.wav").write_bytes(b"no audio at all, but words" * 9)
    return folder


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def words_for(folder: Path, model: Path, out: Path, *words: str) -> list[str]:
    return ["predict", str(folder), "-r", "--model", str(model), "--out", str(out), *words]


def start_and_halt(words: list[str], records: int) -> subprocess.Popen[str]:
    """Start a run, and wait until it has kept so many records."""
    return start_halted(
        "affekt.batch.journal:Journal.add",
        f"calls == {records}",
        *words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGKILL")
def test_killed_again_and_again(run: Run, folder: Path, tiny_model: Path, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole.jsonl", tmp_path / "killed.jsonl"
    words = ["predict", folder, "-r", "-m", tiny_model, "--out"]
    assert run(*words, whole).returncode == 1  # one is no audio
    journal = out.with_name(f".{out.name}.unfinished")
    for jobs in ("1", "2"):
        words_now = words_for(folder, tiny_model, out, "--resume", "--jobs", jobs)
        with start_and_halt(words_now, 2) as process:
            process.kill()  # the parent alone: its processes must end by themselves
            process.communicate(timeout=PATIENCE)  # their ends of the pipes are closed
    assert not out.exists()
    done = run(*words, out, "--resume", "--jobs", 2)
    assert done.returncode == 1
    assert f"of {COUNT} recordings are done already" in done.stderr
    assert rows(out) == rows(whole)  # every row once, in order, the same
    assert not journal.exists()
    assert len({row["file"] for row in rows(out)}) == COUNT
    assert "it is not audio" in str(rows(out)[BAD]["error"])


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_ctrl_c_keeps_what_is_done(
    run: Run, folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "answers.csv"
    journal = out.with_name(f".{out.name}.unfinished")
    words = words_for(folder, tiny_model, out)
    with start_and_halt([*words, "--jobs", "2"], 2) as process:
        interrupt(process, signal.SIGINT, group=True)  # as a terminal does: to all of them
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, errors
    kept, last, *more = errors.splitlines()
    assert more == [], errors
    assert kept.endswith(f"of {COUNT} recordings are kept: add --resume to go on")
    assert last == "interrupted"
    assert [path.name for path in tmp_path.iterdir()] == [journal.name]
    done = run(*words)
    assert done.returncode == 1
    assert "add --resume to go on, or delete" in done.stderr  # nothing is thrown away unasked


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_ctrl_c_while_it_ends_its_processes_ends_it(
    folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    words = words_for(folder, tiny_model, tmp_path / "answers.csv")
    with start_halted(
        "affekt.batch.processes:_Process.end",
        "calls == 2",
        *[*words, "--jobs", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        interrupt(process, signal.SIGINT, group=True)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, errors


def test_parquet_is_the_table_of_csv(
    run: Run, folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    files = sorted(folder.iterdir())[BAD - 9 : BAD + 9]
    words = ["predict", *files, "-m", tiny_model, "--jobs", 2, "--out"]
    assert run(*words, "a.parquet").returncode == 1
    assert run(*words, "a.csv").returncode == 1
    table = parquet.read_table(tmp_path / "a.parquet").to_pylist()
    with (tmp_path / "a.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert list(table[0]) == list(lines[0])
    for typed, told in zip(table, lines, strict=True):
        assert typed["file"] == told["file"]
        assert (typed["label"] or "") == told["label"]
        assert (typed["error"] or "") == told["error"]
        if typed["confidence"] is not None:
            assert f"{typed['confidence']:.6f}" == told["confidence"]
            assert f"{typed['rms_dbfs']:.6f}" == told["rms_dbfs"]


def test_jobs_keep_the_order(run: Run, folder: Path, tiny_model: Path) -> None:
    files = sorted(folder.iterdir(), reverse=True)[:30]
    files.append(files[3])  # asked for twice
    words = ["predict", *files, "-m", tiny_model, "--format", "json"]
    two = run(*words, "--jobs", 2)
    assert [json.loads(line)["file"] for line in two.stdout.splitlines()] == list(map(str, files))
    assert two.stdout == run(*words).stdout


def test_parquet_without_pyarrow(run: Run, folder: Path, tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['pyarrow'] = None")
    words = ["predict", folder, "-r", "-m", tiny_model, "--out", "a.parquet"]
    places = filter(None, (str(tmp_path), os.environ.get("PYTHONPATH")))
    done = run(*words, env={"PYTHONPATH": os.pathsep.join(places)})
    assert done.returncode == 1
    assert "pip install 'affekt[tables]'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_stdout(run: Run, recording: Path, tiny_model: Path) -> None:
    with open("/dev/full", "w") as full:
        words = ["predict", recording, "-m", tiny_model, "-f", "json"]
        done = run(*words, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr == "error: No space left on device\n"


@pytest.mark.skipif(sys.platform == "win32", reason="sets a limit of Unix")
def test_a_disk_that_fills_up_keeps_what_is_done(
    run: Run, folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    import resource

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    words = ["predict", folder, "-r", "-m", tiny_model, "--out", "answers.jsonl"]
    full = run(*words, preexec_fn=limit)
    assert full.returncode == 1
    assert len(full.stderr.splitlines()) == 1
    assert "what was finished before is kept; make room" in full.stderr
    done = run(*words, "--resume")
    assert "recordings are done already" in done.stderr
    assert len({row["file"] for row in rows(tmp_path / "answers.jsonl")}) == COUNT


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "good.wav"], "is one of the recordings: write to another file"),
        (["--report", "good.wav"], "is one of the recordings: write to another file"),
        (["--out", "folder"], "is a folder: name a file to write"),
        (["--report", "folder"], "is a folder: name a file to write"),
        (["--resume"], "--resume goes on with a file: say which with --out"),
        (["good.wav", "--format", "srt"], "srt holds one recording a file, and here are 2"),
    ],
)
def test_what_cannot_be_written_is_said_before_the_work(
    words: list[str], message: str, run: Run, recording: Path, tiny_model: Path
) -> None:
    (recording.parent / "folder").mkdir()
    before = recording.read_bytes()
    done = run("predict", recording.name, "-m", tiny_model, *words)
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
    assert recording.read_bytes() == before


def test_a_folder_of_subtitles(run: Run, folder: Path, tiny_model: Path, tmp_path: Path) -> None:
    files = sorted(folder.iterdir())[BAD - 2 : BAD + 2]
    other = tmp_path / files[0].name
    other.write_bytes(files[0].read_bytes())
    done = run("predict", *files, other, "-m", tiny_model, "--format", "srt", "--out", "subtitles")
    assert done.returncode == 1  # one is no audio
    names = sorted(path.name for path in (tmp_path / "subtitles").iterdir())
    assert names == ["015-2.srt", "015.srt", "016.srt", "018.srt"]
    assert " --> " in (tmp_path / "subtitles" / "015.srt").read_text()


def test_a_dash_is_stdout_for_subtitles_too(
    run: Run, recording: Path, tiny_model: Path, tmp_path: Path
) -> None:
    done = run("predict", recording.name, "-m", tiny_model, "--format", "srt", "--out", "-")
    assert done.stdout.startswith("1\n00:00:00,000 --> ")
    assert not (tmp_path / "-").exists()


def test_the_name_of_the_output_says_the_format(
    run: Run, recording: Path, tiny_model: Path, tmp_path: Path
) -> None:
    for name, start_of_file in {
        "a.vtt": "WEBVTT\n",
        "a.TextGrid": 'File type = "ooTextFile"\n',
        "a.eaf": "<?xml",
        "a.csv": "file,label,confidence",
        "a.jsonl": '{"file": "good.wav"',
    }.items():
        done = run("predict", recording.name, "-m", tiny_model, "--out", name)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / name).read_text().startswith(start_of_file)
