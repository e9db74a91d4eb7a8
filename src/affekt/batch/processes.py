"""Many files on several cores: each in a process that does nothing else."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from typing import TypeVar

from affekt.children import elsewhere
from affekt.errors import AffektError, AudioError, DataError, ModelError

Done = TypeVar("Done")

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def each_done(
    work: Callable[[str], Done],
    files: Iterable[str],
    jobs: int,
    failed: Callable[[str, str], Done],
    *,
    apart: bool = False,
) -> Generator[Done, None, None]:
    """Yield what a function makes of each file, as soon as it is done: in any order.

    Who stops early closes the generator (`contextlib.closing`): that ends its processes at once.
    Left to the garbage collector, they would finish their files first.

    Parameters
    ----------
    work : callable
        Takes a file; other processes must be able to import it.
    files : iterable of str
    jobs : int
        Processes; with one, the work is done here, in order.
    failed : callable
        Takes a file and a reason where the work raised an exception, or its process ended.
    apart : bool
        Whether another process does the work of one job, too.

    Raises
    ------
    AffektError
        If the work raises one that is not about the file, as where the model is missing; or if no
        process can be started.
    """
    if jobs <= 1 and not apart:
        for file in files:
            yield _attempt(work, file, failed)
        return
    with _processes() as start:
        rest = iter(files)
        running: dict[Future[Done], tuple[_Process, str]] = {}
        idle: list[_Process] = []
        while True:
            for file in islice(rest, max(1, jobs) - len(running)):
                process = idle.pop() if idle else start()
                with _ctrl_c_later(), elsewhere():  # a submission may start a process
                    running[process.pool.submit(work, file)] = process, file
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                process, file = running.pop(future)
                try:
                    answer = _attempt(partial(_result, future), file, failed)
                except BrokenProcessPool:
                    process.refuse_if_never_started()
                    answer = failed(file, "the process that read it ended (a crash, or no memory)")
                else:
                    idle.append(process)
                yield answer


def _result(future: Future[Done], file: str) -> Done:
    return future.result()


def _attempt(work: Callable[[str], Done], file: str, failed: Callable[[str, str], Done]) -> Done:
    """Do the work; what goes wrong with the file becomes its answer."""
    try:
        return work(file)
    except (AudioError, DataError, ModelError) as error:
        return failed(file, str(error))
    except (AffektError, BrokenProcessPool):
        raise
    except Exception as error:  # noqa: BLE001  # of any library; the other files are still done
        return failed(file, f"{file}: {type(error).__name__}: {error}")


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Process:
    """A process that does one piece of work after the other; if it ends, others go on."""

    def __init__(self) -> None:
        # spawn: a fork of a process with threads (onnxruntime's, BLAS's) may hang.
        context = multiprocessing.get_context("spawn")
        folder = os.getcwd()
        reader, self._wanted = context.Pipe(duplex=False)
        # Its semaphores start a process that tidies up, and unblock Ctrl-C.
        with elsewhere():
            self.pool = ProcessPoolExecutor(
                1, mp_context=context, initializer=_begin, initargs=(folder, reader)
            )
        with _ctrl_c_later(), elsewhere():
            self._started = self.pool.submit(os.getpid)

    def end(self) -> None:
        """End the process at once, whatever it does.

        Python ends it over a queue, which a second Ctrl-C closes too early: both would wait for
        each other for ever.
        """
        with suppress(OSError):  # the garbage collector, in a generator nobody closed, was first
            self._wanted.close()

    def refuse_if_never_started(self) -> None:
        """Raise where not even nothing could be done."""
        try:
            self._started.result()
        except BrokenProcessPool:
            raise AffektError(
                "a process ended before it began its work (out of memory?): --jobs 1 needs none"
            ) from None


@contextmanager
def _processes() -> Iterator[Callable[[], _Process]]:
    """Yield the context that starts processes with one thread each; end them on every exit."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))  # read by numpy where a process imports it
    started: list[_Process] = []

    def start() -> _Process:
        started.append(_Process())
        return started[-1]

    try:
        yield start
    finally:
        for process in started:
            process.end()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        for process in started:
            process.pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _ctrl_c_later() -> Iterator[None]:
    """Hold Ctrl-C back; a process that is started meanwhile does not receive it.

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


def _begin(folder: str, wanted: Connection) -> None:
    """Prepare a new process: it works where its parent does, as long as it is wanted.

    Ctrl-C is for the parent alone.
    """
    os.chdir(folder)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_when_not_wanted, args=(wanted,), daemon=True).start()


def _end_when_not_wanted(wanted: Connection) -> None:
    wait_for([wanted])  # its other end is closed, by the parent or with it
    os._exit(1)
