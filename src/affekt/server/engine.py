"""Models loaded once, a bounded queue, and threads that run them.

Requests that wait for the same model with clips of equal length share one run; nobody waits for
company: a batch is whoever has come while the threads were busy. Clips are never padded, so that
an answer does not depend on its neighbours.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from affekt.audio import Clip
from affekt.runtime import Model, Prediction
from affekt.server.errors import ApiError, busy
from affekt.server.telemetry import Metrics

T = TypeVar("T")


@dataclass(frozen=True)
class _Job:
    """A clip that waits for its answer."""

    model: Model
    clip: Clip
    answer: asyncio.Future[Prediction]


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
    metrics : Metrics
        Told how many wait and run.
    """

    def __init__(
        self,
        models: Mapping[str, Model],
        *,
        threads: int,
        queue: int,
        batch: int,
        metrics: Metrics,
    ) -> None:
        self.models = models
        self._threads = threads
        self._batch = batch
        self._room = threads + queue
        self._admitted = 0
        self._running = 0
        self._jobs: deque[_Job] = deque()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="model")
        self._metrics = metrics

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
    def admitted(self) -> Iterator[None]:
        """Count a request from before it is decoded until it is answered.

        Raises
        ------
        ApiError
            429 with Retry-After if there are as many as may wait.
        """
        if self._admitted >= self._room:
            raise busy()
        self._admitted += 1
        self._metrics.waiting.set(self._admitted - self._running)
        try:
            yield
        finally:
            self._admitted -= 1
            self._metrics.waiting.set(max(0, self._admitted - self._running))

    async def predict(self, model: Model, clip: Clip) -> Prediction:
        """Judge one clip, in one run with others of its length that wait."""
        job = _Job(model, clip, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        self._start_runs()
        return await job.answer

    async def predict_all(self, model: Model, clips: Sequence[Clip]) -> list[Prediction]:
        """Judge several clips of one request, as far as threads are free at the same time."""
        return list(await asyncio.gather(*(self.predict(model, clip) for clip in clips)))

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Do other work of a model, such as a time line or a piece of a stream, in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    def _start_runs(self) -> None:
        loop = asyncio.get_running_loop()
        while self._running < self._threads and (batch := self._next_batch()):
            self._running += 1
            self._metrics.running.set(self._running)
            clips = [job.clip for job in batch]
            run = loop.run_in_executor(self._pool, batch[0].model.predict_clips, clips)
            run.add_done_callback(partial(self._finish, batch))

    def _next_batch(self) -> list[_Job]:
        """Take the job that has waited longest, and others that can run with it."""
        batch: list[_Job] = []
        left: deque[_Job] = deque()
        while self._jobs:
            job = self._jobs.popleft()
            if job.answer.done():  # its request was given up
                continue
            if not batch or (len(batch) < self._batch and _alike(job, batch[0])):
                batch.append(job)
            else:
                left.append(job)
        self._jobs = left
        return batch

    def _finish(self, batch: Sequence[_Job], run: asyncio.Future[list[Prediction]]) -> None:
        self._running -= 1
        self._metrics.running.set(self._running)
        failure = run.exception() if not run.cancelled() else asyncio.CancelledError()
        for index, job in enumerate(batch):
            if job.answer.done():
                continue
            if failure is None:
                job.answer.set_result(run.result()[index])
            else:
                job.answer.set_exception(failure)
        self._start_runs()


def _alike(first: _Job, second: _Job) -> bool:
    return first.model is second.model and len(first.clip.waveform) == len(second.clip.waveform)
