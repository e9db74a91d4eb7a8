"""Many files on several cores: each in a process that does nothing else."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait as wait_for
from typing import TypeVar

from affekt.children import elsewhere
from affekt.errors import AffektError

Done = TypeVar("Done")

_WAITING = 4
"""Files handed out in advance, for each process."""

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def each_done(work: Callable[[str], Done], files: Sequence[str], jobs: int) -> Iterator[Done]:
    """Yield what a function makes of each file, as soon as it is done: in any order.

    Parameters
    ----------
    work : callable
        Takes a file; other processes must be able to import it.
    files : sequence of str
    jobs : int
        Processes; with one, the work is done here, in order.

    Raises
    ------
    AffektError
        If a process ends without an answer.
    """
    if jobs <= 1:
        yield from map(work, files)
        return
    with _pool(jobs) as pool:
        waiting: set[Future[Done]] = set()
        rest = iter(files)
        try:
            while True:
                for file in rest:
                    with _ctrl_c_later(), elsewhere():  # a submission may start a process
                        waiting.add(pool.submit(work, file))
                    if len(waiting) >= jobs * _WAITING:
                        break
                if not waiting:
                    return
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        except BrokenProcessPool:
            raise AffektError(
                "a process ended without an answer (out of memory?): run the same command again "
                "with --jobs 1 to see on which file"
            ) from None


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
    with elsewhere():  # its semaphores start a process that tidies up after them
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


@contextmanager
def _ctrl_c_later() -> Iterator[None]:
    """Hold Ctrl-C back; a process that is started meanwhile never hears it.

    A terminal sends it to all processes, and one that has come no further than its imports would
    end with a traceback.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin() -> None:
    """Prepare a new process: Ctrl-C is for the parent alone, and without it there is no work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)
