"""Models loaded once, a bounded queue, and threads that run them, in turn between callers.

Requests that wait for the same model with clips of equal length share one run; nobody waits for
company: a batch is whoever has come while the threads were busy. Clips are never padded, so that
an answer does not depend on its neighbours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from typing import Any, TypeVar

from affekt.audio import LoadedAudio
from affekt.results import Prediction
from affekt.runtime import Model
from affekt.runtime.warnings import describe_warnings
from affekt.server.errors import ApiError, busy, overloaded
from affekt.server.shares import Shares, Turns
from affekt.server.telemetry import ServerMetrics

T = TypeVar("T")

SHARED_SECONDS = 30.0
"""Only shorter clips share a run: memory grows with their number times their length."""
LONG_SECONDS = 120.0
"""Longer clips run one at a time."""


@dataclass(frozen=True, eq=False)
class _Job:
    """Work that waits for a thread: a clip to classify, or anything else."""

    caller: str
    answer: asyncio.Future[Any]
    model: Model | None = None
    clip: LoadedAudio | None = None
    work: Callable[[], Any] | None = None


class Engine:
    """Runs models for all requests and sessions.

    Parameters
    ----------
    models : mapping of str to Model
        By the names that requests use; the first one is the default.
    threads : int
        Runs at once.
    queue : int
        Requests that may wait beyond those that run.
    batch : int
        Clips in one run, at most.
    wait : float
        Seconds that a request may wait for a thread.
    metrics : ServerMetrics
        Told how many wait and run.
    """

    def __init__(
        self,
        models: Mapping[str, Model],
        *,
        threads: int,
        queue: int,
        batch: int,
        metrics: ServerMetrics,
        wait: float = 10.0,
    ) -> None:
        self.models = models
        self._batch = batch
        self._wait = wait
        self._admitted = Shares(threads + queue)
        self._turns = Turns(threads)
        self._jobs: list[_Job] = []
        self._long_runs = 0  # one at a time: it takes much memory
        self._pool = ThreadPoolExecutor(threads + 1, thread_name_prefix="model")
        self._metrics = metrics

    @property
    def busy(self) -> bool:
        """Whether anything waits for a thread."""
        return bool(self._jobs)

    def close(self) -> None:
        """End the threads once what runs has ended."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def model(self, name: str | None) -> tuple[str, Model]:
        """Find a model by its name; the first one where the request names none.

        Raises
        ------
        ApiError
            404 if there is none of that name.
        """
        name = name or next(iter(self.models))
        if name not in self.models:
            known = ", ".join(self.models)
            raise ApiError(
                404, f"there is no such model; here are: {known}", "model_not_found", param="model"
            )
        return name, self.models[name]

    @contextmanager
    def admitted(self, caller: str) -> Iterator[None]:
        """Count a request from before it is decoded until it is answered.

        Raises
        ------
        ApiError
            429 with Retry-After if there are as many as may wait, of all or of this caller.
        """
        if not self._admitted.take(caller):
            raise busy()
        self._show()
        try:
            yield
        finally:
            self._admitted.give(caller)
            self._show()

    async def predict(self, model: Model, clip: LoadedAudio, caller: str) -> Prediction:
        """Classify one clip, in one run with waiting clips of its length.

        Raises
        ------
        ApiError
            503 if no thread was free for too long.
        """
        answer = asyncio.get_running_loop().create_future()
        job = _Job(caller, answer, model=model, clip=clip)
        prediction: Prediction = await self._done(job, self._wait)
        return prediction

    async def predict_all(
        self, model: Model, clips: Sequence[LoadedAudio], caller: str
    ) -> list[Prediction]:
        """Classify several clips of one request, in parallel as far as threads are free."""
        return list(await asyncio.gather(*(self.predict(model, clip, caller) for clip in clips)))

    async def run(
        self, caller: str, work: Callable[..., T], *arguments: Any, patient: bool = False
    ) -> T:
        """Do other work of a model in a thread, such as a time line or a piece of a stream.

        Parameters
        ----------
        caller : str
            Whose work it is.
        work : callable
        *arguments
            What it is called with.
        patient : bool
            Wait for a thread for as long as it takes.

        Raises
        ------
        ApiError
            503 if no thread was free for too long.
        """
        answer = asyncio.get_running_loop().create_future()
        job = _Job(caller, answer, work=partial(work, *arguments))
        result: T = await self._done(job, None if patient else self._wait)
        return result

    async def _done(self, job: _Job, wait: float | None) -> Any:
        """Have a job done in its turn; return its answer."""
        self._jobs.append(job)
        self._start_runs()
        if wait is None or job not in self._jobs:
            return await job.answer
        timer = asyncio.get_running_loop().call_later(wait, self._give_up, job)
        try:
            return await job.answer
        finally:
            timer.cancel()

    def _give_up(self, job: _Job) -> None:
        if job in self._jobs and not job.answer.done():
            self._jobs.remove(job)
            job.answer.set_exception(overloaded())

    def _start_runs(self) -> None:
        loop = asyncio.get_running_loop()
        while batch := self._next_batch():
            first = batch[0]
            self._turns.begin(first.caller)
            self._long_runs += _is_long(first)
            self._metrics.running.set(self._turns.running)
            if first.work is not None:
                run = loop.run_in_executor(self._pool, first.work)
            else:
                assert first.model is not None
                clips = [job.clip for job in batch if job.clip is not None]
                run = loop.run_in_executor(self._pool, _judge, first.model, clips)
            run.add_done_callback(partial(self._finish, batch))

    def _next_batch(self) -> list[_Job]:
        """Take the job whose turn it is, and others that can run with it."""
        if not self._jobs:
            return []
        if any(job.answer.done() for job in self._jobs):  # their requests were given up
            self._jobs = [job for job in self._jobs if not job.answer.done()]
        able = [job for job in self._jobs if not (self._long_runs and _is_long(job))]
        first = self._turns.next(able, attrgetter("caller"))
        if first is None:
            return []
        batch, left = [first], []
        for job in self._jobs:
            if job is first:
                continue
            if len(batch) < self._batch and _alike(job, first):
                batch.append(job)
            else:
                left.append(job)
        self._jobs = left
        return batch

    def _finish(self, batch: Sequence[_Job], run: asyncio.Future[Any]) -> None:
        self._turns.end(batch[0].caller)
        self._long_runs -= _is_long(batch[0])
        self._metrics.running.set(self._turns.running)
        failure = run.exception() if not run.cancelled() else asyncio.CancelledError()
        for index, job in enumerate(batch):
            if job.answer.done():
                continue
            if failure is not None:
                job.answer.set_exception(failure)
            elif job.work is not None:
                job.answer.set_result(run.result())
            else:
                job.answer.set_result(run.result()[index])
        self._start_runs()

    def _show(self) -> None:
        self._metrics.waiting.set(max(0, self._admitted.used - self._turns.running))


def _is_long(job: _Job) -> bool:
    return job.clip is not None and job.clip.quality.duration > LONG_SECONDS


def _alike(job: _Job, first: _Job) -> bool:
    """Return whether two clips may share a run."""
    if job.clip is None or first.clip is None or job.model is not first.model:
        return False
    if first.clip.quality.duration > SHARED_SECONDS:
        return False
    return len(job.clip.waveform) == len(first.clip.waveform)


def _judge(model: Model, clips: Sequence[LoadedAudio]) -> list[Prediction]:
    """Predict clips of equal length together, or a long one in as little memory as may be."""
    first = clips[0]
    if first.quality.duration <= LONG_SECONDS:
        return model.predict_clips(clips)
    answer = model.predict((first.waveform, model.config.sample_rate))
    # What is wrong with the recording was measured before it was resampled.
    warnings = tuple(describe_warnings(first.quality, ood_score=answer.ood_score))
    return [replace(answer, warnings=warnings, duration=first.quality.duration)]
