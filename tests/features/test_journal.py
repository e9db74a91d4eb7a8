"""What is finished is kept: after a kill nothing is lost, and nothing is done twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from affekt.errors import DataError
from affekt.features import FeatureSettings
from affekt.features.batch import FeatureJob, FeatureJournal, Measured, journal

JOB = FeatureJob(("energy",))
NAMES = ("duration", "rms_db_mean")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    paths = [tmp_path / f"{index}.wav" for index in range(3)]
    for path in paths:
        path.write_bytes(path.name.encode())
    return [str(path) for path in paths]


@pytest.fixture
def written(out: Path, files: list[str]) -> Path:
    book = FeatureJournal(out, JOB, NAMES)
    for index, file in enumerate(files):
        book.add(Measured(file, np.array([[index, np.nan]])))
    book.close(finished=False)
    return book.path


def opened(out: Path, files: list[str]) -> list[bool]:
    book = FeatureJournal(out, JOB, NAMES)
    found = [file in book for file in files]
    book.close(finished=False)
    return found


def test_the_next_run_reads_what_is_done(out: Path, files: list[str], written: Path) -> None:
    book = FeatureJournal(out, JOB, NAMES)
    for index, file in enumerate(files):
        assert file in book
        measured = book.read(file)
        np.testing.assert_array_equal(measured.values, [[index, np.nan]])
        assert measured.error == ""
    book.close(finished=False)


def test_a_record_that_was_cut_off_is_done_again(
    out: Path, files: list[str], written: Path
) -> None:
    whole = written.read_bytes()
    second = whole.rindex(b"affk")
    for length in (second, second + 3, second + 20, len(whole) - 1):
        written.write_bytes(whole[:length])
        assert opened(out, files) == [True, True, False]
        book = FeatureJournal(out, JOB, NAMES)
        book.add(Measured(files[2], np.array([[9.0, 9.0]])))
        book.close(finished=False)
        assert opened(out, files) == [True, True, True]


def test_a_damaged_record_is_not_believed(out: Path, files: list[str], written: Path) -> None:
    content = bytearray(written.read_bytes())
    content[-1] ^= 1
    written.write_bytes(content)
    assert opened(out, files) == [True, True, False]


def test_a_file_that_changed_is_measured_again(out: Path, files: list[str], written: Path) -> None:
    Path(files[1]).write_bytes(b"something else")
    assert opened(out, files) == [True, False, True]


def test_what_failed_is_tried_again(out: Path, files: list[str]) -> None:
    book = FeatureJournal(out, JOB, NAMES)
    book.add(Measured(files[0], np.zeros((0, 0)), "it is broken"))
    assert book.read(files[0]).error == "it is broken"
    book.close(finished=False)
    assert opened(out, files) == [False, False, False]


@pytest.mark.parametrize(
    "other",
    [
        FeatureJob(("mel",)),
        FeatureJob(("energy",), "frame"),
        FeatureJob(("energy",), settings=FeatureSettings(n_fft=1024)),
    ],
)
def test_the_journal_of_another_job_is_refused(out: Path, other: FeatureJob, written: Path) -> None:
    before = written.read_bytes()
    with pytest.raises(DataError, match=r"other options has left .*\.table\.csv\.unfinished"):
        FeatureJournal(out, other, NAMES)
    assert written.read_bytes() == before


def test_frames_are_kept_exactly(out: Path, files: list[str]) -> None:
    values = np.random.default_rng(0).normal(size=(7, 2))
    book = FeatureJournal(out, FeatureJob(("energy",), "frame"), NAMES)
    book.add(Measured(files[0], values))
    np.testing.assert_array_equal(book.read(files[0]).values, values)
    book.close(finished=False)


def test_one_run_at_a_time(out: Path) -> None:
    pytest.importorskip("fcntl")
    with (
        journal(out, JOB, NAMES),
        pytest.raises(DataError, match="another run is writing it"),
    ):
        FeatureJournal(out, JOB, NAMES)


def test_it_goes_when_the_table_is_whole_and_stays_when_not(out: Path) -> None:
    with pytest.raises(KeyboardInterrupt), journal(out, JOB, NAMES) as book:
        raise KeyboardInterrupt
    assert book.path.exists()
    with journal(out, JOB, NAMES):
        pass
    assert not book.path.exists()
