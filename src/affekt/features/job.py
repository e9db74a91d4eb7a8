"""Many files on all cores: each is measured in a process that does nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from affekt.audio import load_audio
from affekt.batch.processes import each_done, usable_cores
from affekt.errors import AudioError
from affekt.features.extract import extract
from affekt.features.settings import DEFAULT, Settings

FILES_PER_PROCESS = 8
"""A process takes half a second to start: it must have something to do."""


@dataclass(frozen=True)
class Job:
    """What to measure of each file: see `affekt.features.extract`."""

    sets: tuple[str, ...]
    """Checked families."""
    per: str = "file"
    settings: Settings = DEFAULT


@dataclass(frozen=True, eq=False)
class Measured:
    """What came of one file."""

    file: str
    values: np.ndarray
    """[rows, columns]; no rows where there is an error."""
    error: str = ""


def measure_file(file: str, job: Job) -> Measured:
    """Measure one file; what is wrong with it becomes its error."""
    try:
        samples = load_audio(file, sample_rate=job.settings.sample_rate)
        table = extract(samples, job.settings.sample_rate, job.sets, job.per, job.settings)
    except AudioError as error:
        return Measured(file, np.zeros((0, 0)), " ".join(str(error).split()))
    return Measured(file, table.values)


def measure_files(files: Sequence[str], job: Job, jobs: int = 0) -> Iterator[Measured]:
    """Measure files, on several cores at once.

    Parameters
    ----------
    files : sequence of str
    job : Job
    jobs : int
        Processes; 0 for as many as there are cores and files enough to keep them busy.

    Yields
    ------
    Measured
        Each file once, as soon as it is done: in any order.

    Raises
    ------
    AffektError
        If a process ends without an answer, or a package is missing.
    """
    enough = -(-len(files) // FILES_PER_PROCESS)
    jobs = min(jobs, len(files)) if jobs else min(usable_cores(), enough)
    if jobs > 1:
        _rehearse(job)
    yield from each_done(partial(measure_file, job=job), files, jobs)


def _rehearse(job: Job) -> None:
    """Meet what is not installed here, where it is one clear error, and not in every process."""
    silence = np.zeros(job.settings.sample_rate // 4, dtype=np.float32)
    extract(silence, job.settings.sample_rate, job.sets, job.per, job.settings)
