"""Sound on its way through a session: bytes to samples, and a buffer that fills up."""

from __future__ import annotations

import asyncio

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


class SoundBuffer:
    """Samples on their way from one task to another.

    Parameters
    ----------
    capacity : int
        Samples that may wait; a single larger piece is let in when nothing else waits.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._pieces: list[Samples] = []
        self._size = 0
        self._ended = False
        self._failure: Exception | None = None
        self._changed = asyncio.Condition()

    async def put(self, samples: Samples) -> None:
        """Add samples, waiting while there is no room."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: self._size == 0 or self._size + len(samples) <= self._capacity
            )
            self._pieces.append(samples)
            self._size += len(samples)
            self._changed.notify_all()

    async def end(self) -> None:
        """Mark the end of the samples."""
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    async def fail(self, error: Exception) -> None:
        """Have whoever takes samples meet an error."""
        async with self._changed:
            self._failure = error
            self._changed.notify_all()

    async def take(self, least: int) -> Samples | None:
        """Return all that waits, once it is `least` samples or the end; None after the end."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: self._ended or self._failure is not None or self._size >= least
            )
            if self._failure is not None:
                raise self._failure
            if not self._pieces:
                return None
            samples = np.concatenate(self._pieces)
            self._pieces.clear()
            self._size = 0
            self._changed.notify_all()
            return samples


class PcmReader:
    """s16le bytes, cut anywhere, to float32 samples."""

    def __init__(self) -> None:
        self._rest = b""

    def read(self, data: bytes) -> Samples:
        """Return the samples that are complete; half a sample waits for its other half."""
        data = self._rest + data
        whole = len(data) - len(data) % 2
        self._rest = data[whole:]
        samples: Samples = np.frombuffer(data[:whole], dtype="<i2").astype(np.float32)
        samples /= 32768
        return samples

    @property
    def incomplete(self) -> bool:
        """Whether half a sample was left over."""
        return bool(self._rest)
