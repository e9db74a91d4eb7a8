"""Tables of many files: measured on all cores, kept in a journal, written in three formats."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, TypeAlias

import numpy as np

from affekt.audio import load_audio
from affekt.batch.journal import Journal, Record
from affekt.batch.processes import each_done, usable_cores
from affekt.errors import MissingExtraError
from affekt.features.extract import extract
from affekt.features.settings import DEFAULT, FeatureSettings
from affekt.features.table import number
from affekt.files import table_cell

FILES_PER_PROCESS = 8
"""A process takes half a second to start: it must have something to do."""


@dataclass(frozen=True)
class FeatureJob:
    """What to measure of each file: see `affekt.features.extract`."""

    sets: tuple[str, ...]
    """Checked families."""
    per: str = "file"
    settings: FeatureSettings = DEFAULT


@dataclass(frozen=True, eq=False)
class Measured:
    """What came of one file."""

    file: str
    values: np.ndarray
    """[rows, columns]; no rows where there is an error."""
    error: str = ""


def measure_file(file: str, job: FeatureJob) -> Measured:
    """Measure one file.

    Raises
    ------
    AudioError
        If it cannot be measured.
    """
    samples = load_audio(file, sample_rate=job.settings.sample_rate)
    table = extract(samples, job.settings.sample_rate, job.sets, job.per, job.settings)
    return Measured(file, table.values)


def _failed(file: str, reason: str) -> Measured:
    reason = " ".join(reason.split())
    reason = reason if reason.startswith(file) else f"{file}: {reason}"
    return Measured(file, np.zeros((0, 0)), reason)


def measure_files(files: Sequence[str], job: FeatureJob, jobs: int = 0) -> Iterator[Measured]:
    """Measure files, on several cores at once.

    Parameters
    ----------
    files : sequence of str
    job : FeatureJob
    jobs : int
        Processes; 0 for as many as there are cores and files enough to keep them busy.

    Yields
    ------
    Measured
        Each file once, as soon as it is done: in any order.

    Raises
    ------
    AffektError
        If a package is missing. What is wrong with a file becomes its error, also that the process
        which read it has ended.
    """
    enough = -(-len(files) // FILES_PER_PROCESS)
    jobs = min(jobs, len(files)) if jobs else min(usable_cores(), enough)
    if jobs > 1:
        _rehearse(job)
    yield from each_done(partial(measure_file, job=job), files, jobs, _failed)


def _rehearse(job: FeatureJob) -> None:
    """Meet what is not installed here, where it is one clear error, and not in every process."""
    silence = np.zeros(job.settings.sample_rate // 4, dtype=np.float32)
    extract(silence, job.settings.sample_rate, job.sets, job.per, job.settings)


# --- journal ---


_KIND = "<f8"  # as it is measured: a table that was resumed is the same as one made at once


class FeatureJournal:
    """The finished files of one table.

    Parameters
    ----------
    out : Path
        The table that is to be written.
    job : FeatureJob
        What is measured.
    names : sequence of str
        Columns of the table.

    Raises
    ------
    DataError
        If there is a journal of another job, or another run is writing it.
    """

    def __init__(self, out: Path, job: FeatureJob, names: Sequence[str]) -> None:
        self._records = Journal(out, {"job": asdict(job), "names": list(names)})
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
def journal(out: Path, job: FeatureJob, names: Sequence[str]) -> Iterator[FeatureJournal]:
    """Open the journal of a table; remove it if the block ends well, else keep it."""
    book = FeatureJournal(out, job, names)
    finished = False
    try:
        yield book
        finished = True
    finally:
        book.close(finished=finished)


# --- writers ---


Rows: TypeAlias = Iterable[Measured]

ROWS_PER_GROUP = 4096
"""Rows of a Parquet file that are written at once."""


def write_csv(rows: Rows, names: Sequence[str], stream: IO[str]) -> None:
    """Write rows as CSV: ``file``, the columns, ``error``; NaN is an empty field."""
    import csv

    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["file", *names, "error"])
    for one in rows:
        for row in _row_values(one, len(names)):
            texts = table_cell(one.file, is_path=True), table_cell(one.error, is_path=True)
            writer.writerow([texts[0], *map(number, row), texts[1]])


def write_json(rows: Rows, names: Sequence[str], stream: IO[str]) -> None:
    """Write rows as JSON, one object a line; NaN is null, and a bad file has its error alone."""
    for one in rows:
        if one.error:
            stream.write(json.dumps({"file": one.file, "error": one.error}) + "\n")
        for row in one.values.tolist():
            values = (float(number(value)) if math.isfinite(value) else None for value in row)
            stream.write(json.dumps({"file": one.file, **dict(zip(names, values, strict=True))}))
            stream.write("\n")


def write_parquet(rows: Rows, names: Sequence[str], path: Path) -> None:
    """Write rows as Parquet; NaN is null, as are the columns of a bad file.

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    """
    arrow, parquet = require_pyarrow()
    fields = [("file", arrow.string()), *((name, arrow.float64()) for name in names)]
    schema = arrow.schema([*fields, ("error", arrow.string())])
    with parquet.ParquetWriter(path, schema) as writer:
        group: list[Measured] = []
        waiting = 0
        for one in rows:
            group.append(one)
            waiting += max(1, len(one.values))
            if waiting >= ROWS_PER_GROUP:
                writer.write_table(_arrow_table(arrow, schema, group, len(names)))
                group, waiting = [], 0
        writer.write_table(_arrow_table(arrow, schema, group, len(names)))


def require_pyarrow() -> tuple[Any, Any]:
    """Return pyarrow and its Parquet module, or say how to install them."""
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        raise MissingExtraError("features", "pyarrow") from None


def _arrow_table(arrow: Any, schema: Any, group: Sequence[Measured], columns: int) -> Any:
    blocks = [_row_values(one, columns) for one in group]
    files = [one.file for one, block in zip(group, blocks, strict=True) for _ in block]
    errors = [one.error or None for one, block in zip(group, blocks, strict=True) for _ in block]
    values = np.concatenate(blocks) if blocks else np.zeros((0, columns))
    numbers = [arrow.array(column, arrow.float64(), from_pandas=True) for column in values.T]
    return arrow.Table.from_arrays(
        [arrow.array(files, arrow.string()), *numbers, arrow.array(errors, arrow.string())],
        schema=schema,
    )


def _row_values(one: Measured, columns: int) -> np.ndarray:
    """Return the rows of a file: [rows, columns]; one of NaN if it is bad."""
    return np.full((1, columns), np.nan) if one.error else one.values


TEXT_WRITERS: Mapping[str, Callable[[Rows, Sequence[str], IO[str]], None]] = MappingProxyType(
    {"csv": write_csv, "json": write_json}
)
"""Formats that go to a stream of text."""
