"""Work in other processes: everything is answered once, and nobody is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from patience import PATIENCE

from affekt.batch.processes import each_done
from affekt.errors import AffektError


@pytest.mark.parametrize("jobs", [1, 2])
def test_each_file_is_answered_once(jobs: int) -> None:
    files = [f"folder/{index}.wav" for index in range(40)]
    assert sorted(each_done(os.path.basename, files, jobs)) == sorted(map(os.path.basename, files))


def test_one_job_needs_no_process() -> None:
    assert list(each_done(lambda file: os.getpid(), ["a"], 1)) == [os.getpid()]


def test_a_process_that_dies_is_told() -> None:
    with pytest.raises(AffektError, match="a process ended without an answer"):
        list(each_done(_die, ["a", "b", "c"], 2))


def _die(file: str) -> None:
    os._exit(3)


STARTING = """
import os, sys, time
from affekt.batch.processes import each_done
if __name__ == "__main__":
    list(each_done(os.path.basename, ["a", "b"], 2))
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
