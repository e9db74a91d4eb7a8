"""Work in other processes: everything is answered once, and nobody is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from patience import PATIENCE

from affekt.batch.processes import each_done
from affekt.errors import AudioError, MissingExtraError


@pytest.mark.parametrize("jobs", [1, 2])
def test_each_file_is_answered_once(jobs: int) -> None:
    files = [f"folder/{index}.wav" for index in range(40)]
    assert sorted(each_done(os.path.basename, files, jobs, _failed)) == sorted(
        map(os.path.basename, files)
    )


def _failed(file: str, reason: str) -> str:
    return f"{file} failed: {reason}"


def test_one_job_needs_no_process() -> None:
    assert list(each_done(lambda file: str(os.getpid()), ["a"], 1, _failed)) == [str(os.getpid())]
    assert list(each_done(_work, ["a"], 1, _failed, apart=True)) == ["a done"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_file_that_ends_its_process_is_named_and_the_others_are_done(jobs: int) -> None:
    files = ["a", "crash 1", "b", "crash 2", "kill", "c", "exit", "d"]
    found = sorted(each_done(_work, files, jobs, _failed, apart=True))
    died = "failed: the process that read it ended (a crash, or no memory)"
    expected = [f"{name} {died}" for name in ("crash 1", "crash 2", "exit", "kill")]
    assert found == sorted([*expected, "a done", "b done", "c done", "d done"])


@pytest.mark.parametrize("jobs", [1, 2])
def test_any_exception_is_the_answer_of_its_file(jobs: int) -> None:
    found = sorted(each_done(_work, ["a", "value", "memory", "audio", "b"], jobs, _failed))
    assert found == [
        "a done",
        "audio failed: audio: is noise",
        "b done",
        "memory failed: memory: MemoryError: ",
        "value failed: value: ValueError: no value",
    ]


def test_an_exception_that_is_about_all_files_ends_the_work() -> None:
    with pytest.raises(MissingExtraError, match="pip install"):
        list(each_done(_work, ["extra"], 1, _failed))


def _work(file: str) -> str:
    """Do what the name of the file says."""
    if file.startswith("crash"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if file == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if file == "endless":
        threading.Event().wait()
    if file == "exit":
        os._exit(0)
    if file == "value":
        raise ValueError("no value")
    if file == "memory":
        raise MemoryError
    if file == "audio":
        raise AudioError("audio: is noise")
    if file == "extra":
        raise MissingExtraError("features", "swift_f0")
    return f"{file} done"


STARTING = """
import os, sys, time
from affekt.batch.processes import each_done
if __name__ == "__main__":
    list(each_done(os.path.basename, ["a", "b"], 2, print))
else:  # a new process reads this file before anything else
    open(sys.argv[1], "w").close()
    time.sleep(0.5)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_a_process_that_starts_does_not_hear_ctrl_c(tmp_path: Path) -> None:
    script, started = tmp_path / "work.py", tmp_path / "started"
    script.write_text(STARTING)
    with subprocess.Popen(
        [sys.executable, str(script), str(started)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        while not started.exists() and process.poll() is None:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
        _, errors = process.communicate(timeout=PATIENCE)
    assert errors.count("Traceback") == errors.count("KeyboardInterrupt") == 1  # of the parent


LEFT = """
import gc, os
from affekt.batch.processes import each_done
if __name__ == "__main__":
    for _ in range(3):
        cycle = [each_done(os.path.basename, ["a", "b", "c", "d"], 2, print)]
        next(cycle[0])
        cycle.append(cycle)
        del cycle
        gc.collect()  # it ends the generator and what that holds in any order
"""


def test_a_generator_that_nobody_closes_ends_silently(tmp_path: Path) -> None:
    script = tmp_path / "work.py"
    script.write_text(LEFT)
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=PATIENCE
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_who_stops_early_does_not_wait_for_work_that_takes_long(tmp_path: Path) -> None:
    with closing(each_done(_work, ["a", "endless", "endless", "b"], 2, _failed)) as answers:
        assert next(answers) == "a done"
