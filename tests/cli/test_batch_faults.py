"""Whatever happens to one file of a batch becomes its row; the rest is done."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE = 16_000


def affekt(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "affekt", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd)


FILES = ["a.wav", "pipe.wav", "b.wav", "c.wav"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three recordings, and a pipe that nobody writes: whoever opens it waits there."""
    rng = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        soundfile.write(tmp_path / f"{name}.wav", rng.normal(0, 0.1, RATE), RATE)
    os.mkfifo(tmp_path / "pipe.wav")
    return tmp_path


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "affekt", "predict", *FILES, "--model", "nano"]
    return subprocess.Popen(
        [*command, "--out", "answers.csv", *words], cwd=folder, stderr=subprocess.PIPE, text=True
    )


def crash_reader(run: subprocess.Popen[str], folder: Path) -> int:
    """Wait until a process has opened the pipe, and end it with SIGSEGV; return which it was."""
    while run.poll() is None:
        try:
            writer = os.open(folder / "pipe.wav", os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody reads
            time.sleep(0.02)
            continue
        try:
            while True:
                for process in (run.pid, *descendants(run.pid)):
                    if holds_pipe(process):
                        os.kill(process, signal.SIGSEGV)
                        return process
        finally:
            os.close(writer)
    raise AssertionError(run.communicate())


def holds_pipe(process: int) -> bool:
    try:
        folder = f"/proc/{process}/fd"
        return any("pipe.wav" in os.readlink(f"{folder}/{name}") for name in os.listdir(folder))
    except OSError:
        return False


def descendants(process: int) -> list[int]:
    listed = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [int(child) for child in listed]


def rows(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "answers.csv").open(newline="") as stream:
        return {row["file"]: row for row in csv.DictReader(stream)}


def check(run: subprocess.Popen[str], folder: Path) -> None:
    _, errors = run.communicate()
    assert run.returncode == 1
    assert "1 of 4 recordings failed" in errors
    found = rows(folder)
    assert list(found) == FILES
    assert found["pipe.wav"]["error"].startswith("pipe.wav: the process that read it ended")
    assert all(found[name]["label"] for name in FILES if name != "pipe.wav")
    assert sorted(os.listdir(folder)) == sorted([*FILES, "answers.csv"])


def test_a_crash_with_several_jobs(folder: Path) -> None:
    run = start(folder, "--jobs", "2")
    assert crash_reader(run, folder) != run.pid
    check(run, folder)


def test_a_crash_with_one_job_and_resume(folder: Path) -> None:
    run = start(folder)
    assert crash_reader(run, folder) == run.pid
    run.communicate()
    assert run.returncode == -signal.SIGSEGV
    run = start(folder, "--resume")
    assert crash_reader(run, folder) != run.pid  # another process reads what ended the first
    check(run, folder)


def test_a_read_error(folder: Path) -> None:
    done = affekt(
        *("predict", "a.wav", "/proc/self/mem", "b.wav", "--model", "nano", "--format", "json"),
        cwd=folder,
    )
    assert done.returncode == 1
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["file"] for one in found] == ["a.wav", "/proc/self/mem", "b.wav"]
    assert found[1]["error"] == "/proc/self/mem: it cannot be read: Input/output error"
    assert all(found[place]["label"] for place in (0, 2))


def test_closed_stdin(folder: Path) -> None:
    for command in ("predict -", "timeline -", "stream"):
        done = subprocess.run(
            ["sh", "-c", f"{sys.executable} -m affekt {command} <&-"],
            capture_output=True,
            text=True,
            cwd=folder,
        )
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1] == "error: stdin: it is closed; pipe a recording in"
        assert "Traceback" not in done.stderr


def test_what_stands_for_recordings_in_folders(folder: Path) -> None:
    from affekt.cli._inputs import expand

    (folder / "pipe.wav").unlink()
    (folder / "deep").mkdir()
    inside = ["x.mkv", "x.MOV", "x.3gp", "x.m4b", "x.w64", "x.spx", "x.ac3", "x.sph", "x.voc"]
    for name in (*inside, "._x.wav", ".hidden.wav", "x.txt", "x.ts"):
        (folder / "deep" / name).touch()
    for hidden in (".git", "__MACOSX"):
        (folder / hidden).mkdir()
        (folder / hidden / "y.wav").touch()
    other = folder / "other" / "voices"
    other.mkdir(parents=True)
    (other / "z.wav").touch()
    (folder / "deep" / "link").symlink_to(other)
    (folder / "deep" / "loop").symlink_to(folder / "deep")
    (folder / "deep" / "gone.wav").symlink_to(folder / "nowhere.wav")
    found = expand([str(folder / "deep")], recursive=True)
    assert {Path(one).name for one in found} == {*inside, "z.wav"}
    assert len(found) == len(inside) + 1
    without = expand([str(folder / "deep")], recursive=True, follow=False)
    assert {Path(one).name for one in without} == set(inside)


def test_where_answers_are_written(folder: Path) -> None:
    def predict(*words: str) -> subprocess.CompletedProcess[str]:
        return affekt("predict", "a.wav", "--model", "nano", *words, cwd=folder)

    (folder / "target.csv").write_text("old")
    (folder / "link.csv").symlink_to("target.csv")
    assert predict("--out", "link.csv").returncode == 0
    assert (folder / "link.csv").is_symlink()
    assert (folder / "target.csv").read_text().startswith("file,label")

    refused = predict("--out", "a.xlsx")
    assert refused.returncode == 1
    assert ".xlsx is the ending of no format" in refused.stderr
    assert predict("--out", "a.xlsx", "--format", "csv").returncode == 0

    refused = predict("--report", "missing/report.html")
    assert refused.returncode == 1
    assert "there is no folder missing" in refused.stderr
    assert not (folder / "missing").exists()

    gone = subprocess.Popen(["true"])
    gone.wait()
    left = folder / f".b.csv.{gone.pid}.part.csv"
    left.touch()
    own = folder / f".b.csv.{os.getpid()}.part.csv"  # of a process that runs
    own.touch()
    assert predict("--out", "b.csv").returncode == 0
    assert own.exists()
    assert not left.exists()
