"""Tables of many files: measured on all cores, kept in a journal, written as text."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from types import MappingProxyType
from typing import IO, TypeAlias

import numpy as np

from affekt.audio import load_audio
from affekt.batch.journal import JournalEntry, Work
from affekt.batch.processes import each_done, usable_cores
from affekt.features.extract import extract, number
from affekt.features.settings import DEFAULT, FeatureSettings
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
class FeatureRows:
    """What came of one file."""

    file: str
    values: np.ndarray
    """[rows, columns]; no rows where there is an error."""
    error: str = ""


def measure_file(file: str, job: FeatureJob) -> FeatureRows:
    """Measure one file.

    Raises
    ------
    AudioError
        If it cannot be measured.
    """
    samples = load_audio(file, sample_rate=job.settings.sample_rate)
    table = extract(samples, job.settings.sample_rate, job.sets, job.per, job.settings)
    return FeatureRows(file, table.values)


def _failed(file: str, reason: str) -> FeatureRows:
    reason = " ".join(reason.split())
    reason = reason if reason.startswith(file) else f"{file}: {reason}"
    return FeatureRows(file, np.zeros((0, 0)), reason)


def measure_files(
    files: Sequence[str], job: FeatureJob, jobs: int = 0
) -> Generator[FeatureRows, None, None]:
    """Measure files, on several cores at once.

    Who stops early closes the generator (`contextlib.closing`): that ends its processes.

    Parameters
    ----------
    files : sequence of str
    job : FeatureJob
    jobs : int
        Processes; 0 for as many as there are cores and files enough to keep them busy.

    Yields
    ------
    FeatureRows
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


_KIND = "<f8"  # as it is measured: a table that was resumed is the same as one made at once


def feature_work(job: FeatureJob, names: Sequence[str], jobs: int = 0) -> Work[FeatureRows]:
    """Return the measurement of many files as work that a journal keeps.

    Parameters
    ----------
    job : FeatureJob
    names : sequence of str
        Columns of the table.
    jobs : int
        See :func:`measure_files`.
    """
    return Work(
        name="features",
        depends={"job": asdict(job), "names": list(names)},
        each=lambda files, suspects, begin: measure_files(files, job, jobs),
        keep=_record,
        recall=_measured,
    )


def _record(measured: FeatureRows) -> JournalEntry:
    values = measured.values.astype(_KIND)
    return JournalEntry(measured.file, {"shape": values.shape}, values.tobytes(), measured.error)


def _measured(record: JournalEntry) -> FeatureRows:
    values = np.frombuffer(record.content, _KIND).reshape(record.facts["shape"])
    return FeatureRows(record.file, values.astype(np.float64), record.error)


# --- writers ---


Rows: TypeAlias = Iterable[FeatureRows]


def _write_csv(rows: Rows, names: Sequence[str], stream: IO[str]) -> None:
    """Write rows as CSV: ``file``, the columns, ``error``; NaN is an empty field."""
    import csv

    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["file", *names, "error"])
    for one in rows:
        for row in row_values(one, len(names)):
            texts = table_cell(one.file, is_path=True), table_cell(one.error, is_path=True)
            writer.writerow([texts[0], *map(number, row), texts[1]])


def _write_json(rows: Rows, names: Sequence[str], stream: IO[str]) -> None:
    """Write rows as JSON, one object a line; NaN is null, and a bad file has its error alone."""
    for one in rows:
        if one.error:
            stream.write(json.dumps({"file": one.file, "error": one.error}) + "\n")
        for row in one.values.tolist():
            values = (float(number(value)) if math.isfinite(value) else None for value in row)
            stream.write(json.dumps({"file": one.file, **dict(zip(names, values, strict=True))}))
            stream.write("\n")


def row_values(one: FeatureRows, columns: int) -> np.ndarray:
    """Return the rows of a file: [rows, columns]; one of NaN if it is bad."""
    return np.full((1, columns), np.nan) if one.error else one.values


TEXT_WRITERS: Mapping[str, Callable[[Rows, Sequence[str], IO[str]], None]] = MappingProxyType(
    {"csv": _write_csv, "json": _write_json}
)
"""Formats that go to a stream of text."""
