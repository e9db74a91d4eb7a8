"""Work in other processes: everything is answered once, and nobody is left behind."""

from __future__ import annotations

import os

import pytest

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
