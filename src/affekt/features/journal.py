"""The journal of a feature table: see `affekt.batch.journal`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np

from affekt.batch.journal import Journal as Records
from affekt.batch.journal import Record
from affekt.features.job import Job, Measured

_KIND = "<f8"  # as it is measured: a table that was resumed is the same as one made at once


class Journal:
    """The finished files of one table.

    Parameters
    ----------
    out : Path
        The table that is to be written.
    job : Job
        What is measured.
    names : sequence of str
        Columns of the table.

    Raises
    ------
    DataError
        If there is a journal of another job, or another run is writing it.
    """

    def __init__(self, out: Path, job: Job, names: Sequence[str]) -> None:
        self._records = Records(out, {"job": asdict(job), "names": list(names)})
        self.path = self._records.path

    def __contains__(self, file: str) -> bool:
        """Whether a file is done, and has not changed since."""
        return file in self._records

    def add(self, measured: Measured) -> None:
        """Keep what came of a file."""
        values = measured.values.astype(_KIND)
        facts = {"shape": values.shape}
        self._records.add(Record(measured.file, facts, values.tobytes(), measured.error))

    def read(self, file: str) -> Measured:
        """Return what came of a file that is done."""
        record = self._records.read(file)
        values = np.frombuffer(record.content, _KIND).reshape(record.facts["shape"])
        return Measured(file, values.astype(np.float64), record.error)

    def close(self, *, finished: bool) -> None:
        """End; remove the journal if its table is written."""
        self._records.close(finished=finished)


@contextmanager
def journal(out: Path, job: Job, names: Sequence[str]) -> Iterator[Journal]:
    """Open the journal of a table; remove it if the block ends well, else keep it."""
    book = Journal(out, job, names)
    finished = False
    try:
        yield book
        finished = True
    finally:
        book.close(finished=finished)
