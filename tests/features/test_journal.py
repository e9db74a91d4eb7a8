"""What was measured is kept exactly, and never taken for what other options measure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from affekt.batch.journal import Journal
from affekt.errors import DataError
from affekt.features import FeatureSettings
from affekt.features.batch import FeatureJob, FeatureRows, feature_work

JOB = FeatureJob(("energy",))
NAMES = ("duration", "rms_db_mean")
WORK = feature_work(JOB, NAMES)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "0.wav"
    path.write_bytes(b"sound")
    return str(path)


@pytest.mark.parametrize(
    "values", [np.array([[0.0, np.nan]]), np.random.default_rng(0).normal(size=(7, 2))]
)
def test_what_was_measured_is_kept_exactly(out: Path, file: str, values: np.ndarray) -> None:
    book = Journal(out, WORK.depends)
    book.add(WORK.keep(FeatureRows(file, values)))
    book.close(finished=False)
    book = Journal(out, WORK.depends)
    measured = WORK.recall(book.read(file))
    np.testing.assert_array_equal(measured.values, values)
    assert (measured.file, measured.error) == (file, "")
    book.close(finished=False)


def test_what_failed_is_kept_and_tried_again(out: Path, file: str) -> None:
    book = Journal(out, WORK.depends)
    book.add(WORK.keep(FeatureRows(file, np.zeros((0, 0)), "it is broken")))
    assert WORK.recall(book.read(file)).error == "it is broken"
    book.close(finished=False)
    book = Journal(out, WORK.depends)
    assert file not in book
    book.close(finished=False)


@pytest.mark.parametrize(
    "other",
    [
        FeatureJob(("mel",)),
        FeatureJob(("energy",), "frame"),
        FeatureJob(("energy",), settings=FeatureSettings(n_fft=1024)),
    ],
)
def test_the_journal_of_another_job_is_refused(out: Path, other: FeatureJob, file: str) -> None:
    book = Journal(out, WORK.depends)
    book.add(WORK.keep(FeatureRows(file, np.zeros((1, 2)))))
    book.close(finished=False)
    before = book.path.read_bytes()
    with pytest.raises(DataError, match=r"other options has left .*\.table\.csv\.unfinished"):
        Journal(out, feature_work(other, NAMES).depends)
    assert book.path.read_bytes() == before
