"""What is finished is kept: after a kill nothing is lost, and nothing is done twice."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from affekt.batch.journal import Journal, JournalEntry, journal
from affekt.errors import DataError

OWN = {"work": "count", "sizes": [1, 2]}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "answers.csv"


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    paths = [tmp_path / f"{index}.wav" for index in range(3)]
    for path in paths:
        path.write_bytes(path.name.encode())
    return [str(path) for path in paths]


@pytest.fixture
def written(out: Path, files: list[str]) -> Path:
    book = Journal(out, OWN)
    for index, file in enumerate(files):
        book.add(JournalEntry(file, {"index": index}, bytes([index, 10, 0])))
    book.close(finished=False)
    return book.path


def test_the_next_run_reads_what_is_done(out: Path, files: list[str], written: Path) -> None:
    book = Journal(out, OWN)
    assert len(book) == 3
    for index, file in enumerate(files):
        assert book.read(file) == JournalEntry(file, {"index": index}, bytes([index, 10, 0]))
    book.close(finished=False)


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_record_that_was_cut_off_is_done_again(
    cut: int, out: Path, files: list[str], written: Path
) -> None:
    os.truncate(written, written.stat().st_size - cut)
    book = Journal(out, OWN)
    assert [file in book for file in files] == [True, True, False]
    book.add(JournalEntry(files[2], {"index": 5}))
    book.close(finished=False)
    book = Journal(out, OWN)
    assert book.read(files[2]).facts == {"index": 5}
    book.close(finished=True)
    assert not written.exists()


def test_a_damaged_record_is_not_believed(out: Path, files: list[str], written: Path) -> None:
    content = bytearray(written.read_bytes())
    content[-1] ^= 1
    written.write_bytes(content)
    book = Journal(out, OWN)
    assert [file in book for file in files] == [True, True, False]
    book.close(finished=False)


def test_what_failed_is_tried_again(out: Path, files: list[str]) -> None:
    book = Journal(out, OWN)
    book.add(JournalEntry(files[0], {}, error="no"))
    assert book.read(files[0]).error == "no"
    book.close(finished=False)
    book = Journal(out, OWN)
    assert files[0] not in book
    book.close(finished=True)


def test_a_file_that_changed_is_not_done(out: Path, files: list[str], written: Path) -> None:
    Path(files[1]).write_bytes(b"longer than before")
    book = Journal(out, OWN)
    assert [file in book for file in files] == [True, False, True]
    book.close(finished=False)


def test_another_work_is_refused(out: Path, written: Path) -> None:
    with pytest.raises(DataError, match="an unfinished run with other options has left"):
        Journal(out, {**OWN, "work": "other"})


def test_an_interrupted_run_is_not_thrown_away(out: Path, written: Path) -> None:
    with pytest.raises(DataError, match="has left 3 finished recordings: add --resume"):
        Journal(out, OWN, resume=False)
    assert written.exists()


def test_two_runs_do_not_mix(out: Path, files: list[str]) -> None:
    with journal(out, OWN) as book:
        book.add(JournalEntry(files[0], {}))
        with pytest.raises(DataError, match="another run is writing it"):
            Journal(out, OWN)


def test_an_empty_journal_does_not_stay(out: Path) -> None:
    def fail() -> None:
        with journal(out, OWN):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(out.parent.iterdir()) == []


def test_what_an_interruption_left_unnoted_is_kept(out: Path, files: list[str]) -> None:
    class Interrupted(dict[str, int]):
        def __setitem__(self, key: str, value: int) -> None:
            raise KeyboardInterrupt  # as Ctrl-C does just after the record was written

    def run() -> None:
        with journal(out, OWN) as book:
            book._places = Interrupted()
            book.add(JournalEntry(files[0], {"index": 0}))

    with pytest.raises(KeyboardInterrupt):
        run()
    book = Journal(out, OWN)
    assert (len(book), book.kept()) == (1, 1)
    assert book.read(files[0]).facts == {"index": 0}
    book.close(finished=True)
