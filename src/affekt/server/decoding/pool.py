"""Keep decoder processes, hand them work, and replace those that die or take too long."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import anyio
import numpy as np

from affekt.audio import LoadedAudio
from affekt.errors import AudioError
from affekt.results import AudioQuality
from affekt.server.decoding import wire
from affekt.server.decoding.process import Decoder, DecodingStream
from affekt.server.errors import overloaded
from affekt.server.shares import Turns

_RETRY_SECONDS = 1.0
_STREAM_NICENESS = 5  # streams give way to recordings, which somebody waits for
_LOG = logging.getLogger("affekt.server")
_JOBS_PER_PROCESS = 5000  # then a new one: whatever a decoder leaks goes with the old one


@dataclass(frozen=True, eq=False)
class _Waiting:
    """A recording that waits for a decoder."""

    caller: str
    child: asyncio.Future[Decoder]


class _Killed(AudioError):
    """The process was killed over a recording, and not by the pool."""


class DecoderPool:
    """Decoder processes for whole recordings, and spare ones for streams.

    There is one more than work at once: it serves whoever has nothing decoded yet, and takes the
    place of one that dies.

    Parameters
    ----------
    size : int
        How many recordings are decoded at once.
    memory : int
        Bytes that one process may use beyond what it starts with.
    timeout : float
        Seconds that one recording may take.
    wait : float
        Seconds that one recording may wait for a process.
    on_death : callable, optional
        Called for each process that was killed, or died, over a recording.
    """

    def __init__(
        self,
        size: int,
        *,
        memory: int,
        timeout: float,
        wait: float = 10.0,
        on_death: Callable[[], None] = lambda: None,
    ) -> None:
        self._size = size
        self._memory = memory
        self._timeout = timeout
        self._wait = wait
        self._on_death = on_death
        self._turns = Turns(size)
        self._waiting: list[_Waiting] = []
        # The one used last goes first: what it needs is still in the processor's cache.
        self._idle: list[Decoder] = []
        self._children: set[Decoder] = set()
        self._starting: set[asyncio.Task[None]] = set()
        self._closed = False

    async def start(self) -> None:
        """Start the processes; return when all can be given work."""
        await asyncio.gather(*(self._add() for _ in range(self._size + 1)))
        if not all(child.filtered for child in self._children):
            _LOG.warning("decoders are held by limits alone: libseccomp is not on this system")

    def close(self) -> None:
        """End all processes at once."""
        self._closed = True
        for task in self._starting:
            task.cancel()
        for child in list(self._children):
            self._drop(child)

    async def decode(
        self, content: bytes | bytearray, *, sample_rate: int, max_duration: float, caller: str = ""
    ) -> LoadedAudio:
        """Decode a whole recording.

        Parameters
        ----------
        content : bytes
            A file in any format that affekt reads.
        sample_rate : int
            The rate wanted, in Hz.
        max_duration : float
            Refuse what is longer, in seconds.
        caller : str
            Whose recording it is; callers take turns.

        Raises
        ------
        AudioError
            If it cannot be decoded, in the time and memory that are allowed or at all.
        ApiError
            503 if no process was free for too long.
        """
        options = {"sample_rate": sample_rate, "max_duration": max_duration}
        frame = await self._ask(wire.FILE, options, content, caller)
        return LoadedAudio(np.frombuffer(frame.body, dtype=np.float32), AudioQuality(**frame.head))

    async def read_request(
        self,
        body: bytes | bytearray,
        *,
        json_size: int,
        max_samples: int,
        sample_rate: int,
        caller: str = "",
    ) -> tuple[str | None, list[LoadedAudio]]:
        """Read an inference request of KServe's protocol; return its id and its waveforms.

        Raises
        ------
        AudioError
            If it is none.
        ApiError
            503 if no process was free for too long.
        """
        options = {"json_size": json_size, "max_samples": max_samples, "sample_rate": sample_rate}
        frame = await self._ask(wire.TENSOR, options, body, caller)
        qualities = frame.head["qualities"]
        waveforms = np.frombuffer(frame.body, dtype=np.float32).reshape(len(qualities), -1)
        clips = [
            LoadedAudio(waveform, AudioQuality(**quality))
            for waveform, quality in zip(waveforms, qualities, strict=True)
        ]
        return frame.head["id"], clips

    async def _ask(
        self, kind: bytes, head: dict[str, Any], body: bytes | bytearray, caller: str
    ) -> wire.Frame:
        """Have an idle process do a piece of work, in turn between callers.

        One that is killed from outside, by somebody or for lack of memory, may have been idle until
        then, and others with it: the next one gets the same work, as often as there are processes.
        No recording does this by itself: its limits end a process in other ways.
        """
        for further in reversed(range(self._size + 2)):
            child = await self._take(caller)
            try:
                frame = await self._ask_child(child, kind, head, body)
                break
            except _Killed:
                if not further:
                    raise
            finally:
                self._turns.end(caller)
                self._grant()
        if frame.kind == wire.ERROR:
            raise AudioError(frame.head["message"])
        return frame

    async def _ask_child(
        self, child: Decoder, kind: bytes, head: dict[str, Any], body: bytes | bytearray
    ) -> wire.Frame:
        try:
            with anyio.fail_after(self._timeout):  # wait_for would make a task of it
                frame = await child.ask(kind, head, body)
        except TimeoutError:
            self._replace(child)
            raise AudioError(
                f"the file: decoding it takes longer than {self._timeout:g} s; "
                f"convert it to wav or flac first"
            ) from None
        except (ConnectionError, EOFError):
            self._replace(child)
            error = _Killed if child.killed else AudioError
            raise error(
                "the file: decoding it fails, or takes more memory than the server allows; "
                "convert it to wav or flac, or give a shorter part"
            ) from None
        except BaseException:  # the request was given up: its answer must not meet the next one
            self._replace(child, fault=False)
            raise
        if child.jobs >= _JOBS_PER_PROCESS:
            self._replace(child, fault=False)
        else:
            self._idle.append(child)
        return frame

    async def _take(self, caller: str) -> Decoder:
        """Wait until it is this caller's turn; return a process that does nothing else then."""
        waiting = _Waiting(caller, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._grant()
        if waiting.child.done():
            return waiting.child.result()
        try:
            with anyio.fail_after(self._wait):
                return await waiting.child
        except BaseException as error:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            elif waiting.child.done() and not waiting.child.cancelled():  # too late for it
                self._idle.append(waiting.child.result())
                self._turns.end(caller)
                self._grant()
            if isinstance(error, TimeoutError):
                raise overloaded() from None
            raise

    def _grant(self) -> None:
        """Give idle processes to those whose turn it is."""
        while self._waiting and (child := self._living_child()) is not None:
            chosen = self._turns.next(self._waiting, attrgetter("caller"))
            if chosen is None:
                self._idle.append(child)
                return
            self._waiting.remove(chosen)
            if not chosen.child.done():  # else it was given up just now
                self._turns.begin(chosen.caller)
                chosen.child.set_result(child)
            else:
                self._idle.append(child)

    def _living_child(self) -> Decoder | None:
        """Take an idle process, passing over those that have died since their last recording."""
        while self._idle:
            child = self._idle.pop()
            if child.alive:
                return child
            self._replace(child)
        return None

    @asynccontextmanager
    async def stream(self, *, sample_rate: int) -> AsyncIterator[DecodingStream]:
        """Take a new process for one WebM stream, and end it afterwards."""
        child = await Decoder.start(self._memory, self._timeout)
        self._children.add(child)
        try:
            os.setpriority(os.PRIO_PROCESS, child.pid, _STREAM_NICENESS)
            await child.send(wire.STREAM, {"sample_rate": sample_rate})
            yield DecodingStream(child)
        finally:
            self._drop(child)

    async def _add(self) -> None:
        child = await Decoder.start(self._memory, self._timeout)
        self._children.add(child)
        if self._closed:
            self._drop(child)
        else:
            self._idle.append(child)
            self._grant()

    def _replace(self, child: Decoder, *, fault: bool = True) -> None:
        if fault:
            self._on_death()
        self._drop(child)
        if not self._closed:
            task = asyncio.create_task(self._refill())
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    async def _refill(self) -> None:
        """Start a process, and try again where the machine has no room for it just now."""
        while not self._closed:
            try:
                return await self._add()
            except (OSError, RuntimeError) as error:
                _LOG.warning("a decoder process does not start: %s", error)
                await asyncio.sleep(_RETRY_SECONDS)

    def _drop(self, child: Decoder) -> None:
        self._children.discard(child)
        child.kill()
