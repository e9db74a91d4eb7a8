"""Many files on all cores: each is measured in a process that does nothing else."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for

import numpy as np

from affekt.audio import load_audio
from affekt.errors import AffektError, AudioError
from affekt.features.extract import extract
from affekt.features.settings import DEFAULT, Settings

FILES_PER_PROCESS = 8
"""A process takes half a second to start: it must have something to do."""

_WAITING = 4
"""Files handed out in advance, for each process."""

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


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
    if jobs <= 1:
        for file in files:
            yield measure_file(file, job)
        return
    _rehearse(job)
    with _pool(jobs) as pool:
        waiting: set[Future[Measured]] = set()
        rest = iter(files)
        try:
            while True:
                for file in rest:
                    waiting.add(pool.submit(measure_file, file, job))
                    if len(waiting) >= jobs * _WAITING:
                        break
                if not waiting:
                    return
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        except BrokenProcessPool:
            raise AffektError(
                "a process that measured files ended without an answer (out of memory?): "
                "run the same command again with --jobs 1 to see on which file"
            ) from None


def _rehearse(job: Job) -> None:
    """Meet what is not installed here, where it is one clear error, and not in every process."""
    silence = np.zeros(job.settings.sample_rate // 4, dtype=np.float32)
    extract(silence, job.settings.sample_rate, job.sets, job.per, job.settings)


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def _pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Start processes that have one thread each, and end them whatever happens."""
    # spawn: a fork of a process with threads (onnxruntime's, BLAS's) may hang.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin)
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))  # read by numpy where a process imports it
    try:
        yield pool
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        pool.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
    """Prepare a new process: Ctrl-C is for the parent alone, and without it there is no work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)
