"""Frames of any rate, number of channels and time, brought to those of one recording."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from affekt.audio.arrays import mix_down
from affekt.audio.ffmpeg import Piece
from affekt.audio.resample import Resampler, checked_rate

Blocks = Iterator[tuple[NDArray[np.float32], int]]
"""Samples [samples, channels] in order, each with the rate of all in Hz."""

BLOCK_SECONDS = 10.0

GAP_SECONDS = 0.1
"""Longer gaps become silence; clocks are less exact below."""
FAULT_GAP_SECONDS = 0.001
"""The same behind a packet that could not be decoded, and before the first one."""
LONGEST_GAP_SECONDS = 3600.0
"""A longer gap is taken for a clock that was set, unless the file says that it is so long."""

_LAST_FRAME = 1 << 13  # samples, at most, of a frame whose end may be padding


class Aligner:
    """Brings frames to the rate and the channels of the first, at their time.

    Parameters
    ----------
    seconds : float
        Length of the blocks that come out, at least.
    max_duration : float, optional
        No more than a little over so much silence is filled in.

    Attributes
    ----------
    length : float
        Seconds by now.
    lead : float
        Seconds of silence before the first frame.
    """

    def __init__(self, seconds: float, max_duration: float | None) -> None:
        self.length = self.lead = 0.0
        self._seconds = seconds
        self._most = LONGEST_GAP_SECONDS if max_duration is None else max_duration + 1
        self._rate = self._channels = 0
        self._shift = 0.0  # of the clock of the file
        self._waiting: list[NDArray[np.float32]] = []
        self._count = 0  # samples that wait
        self._other: Resampler | None = None
        self._other_rate = 0

    def begin(self) -> None:
        """Restart the times here."""
        self._shift = self.length

    def add(self, piece: Piece, latest: float | None = None) -> Blocks:
        """Yield the blocks that are full with this piece."""
        if not self._rate:
            self._rate, self._channels = piece.rate, piece.samples.shape[1]
        if piece.time is not None:
            yield from self._fill(piece.time, piece.after_fault, latest)
        self.length += len(piece.samples) / piece.rate
        if piece.rate != self._other_rate:
            self._end_other()
        samples = piece.samples
        if piece.rate != self._rate:
            if self._other is None:
                self._other = Resampler(checked_rate(piece.rate, "audio"), self._rate)
                self._other_rate = piece.rate
            samples = self._other.push(mix_down(samples))[:, None]
        self._keep(samples)
        yield from self._full()

    def finish(self, length: float | None = None) -> Blocks:
        """Yield the rest; what is beyond the length in the last frame is padding."""
        self._end_other()
        if not self._waiting:
            return
        rest = np.concatenate(self._waiting)
        if length is not None:
            padding = round((self.length - self.lead - length) * self._rate)
            if 0 < padding <= _LAST_FRAME:
                rest = rest[: max(0, len(rest) - padding)]
        self._waiting, self._count = [], 0
        if len(rest):
            yield rest, self._rate

    def _fill(self, time: float, after_fault: bool, latest: float | None) -> Blocks:
        """Yield silence up to a time, or set the clock where that makes no sense."""
        gap = time + self._shift - self.length
        least = FAULT_GAP_SECONDS if after_fault or not self.length else GAP_SECONDS
        if abs(gap) < least:
            return
        plausible = gap <= LONGEST_GAP_SECONDS if latest is None else time <= latest
        if gap < 0 or not plausible:
            if not after_fault or -gap > GAP_SECONDS:
                self._shift -= gap
            return
        self._end_other()
        if not self.length:
            self.lead = gap
        missing = round(min(gap, self._most) * self._rate)
        self.length += gap
        size = max(1, round(BLOCK_SECONDS * self._rate))
        while missing:
            self._keep(np.zeros((min(missing, size), self._channels), np.float32))
            missing -= min(missing, size)
            yield from self._full()

    def _end_other(self) -> None:
        """Take the rest of what had another rate."""
        if self._other is not None:
            self._keep(self._other.finish()[:, None])
            self._other, self._other_rate = None, 0

    def _keep(self, samples: NDArray[np.float32]) -> None:
        if samples.shape[1] != self._channels:  # the mean of the channels stays what it is
            samples = np.repeat(mix_down(samples)[:, None], self._channels, axis=1)
        if len(samples):
            self._waiting.append(samples)
            self._count += len(samples)

    def _full(self) -> Blocks:
        """Yield what waits, if it is enough, but for the last frame, whose end may be padding."""
        if not self._count or self._count < self._seconds * self._rate + (
            _LAST_FRAME if self._seconds else 0
        ):
            return
        waiting = np.concatenate(self._waiting) if len(self._waiting) > 1 else self._waiting[0]
        keep = min(len(waiting), _LAST_FRAME) if self._seconds else 0
        ready = waiting[: len(waiting) - keep]
        self._waiting, self._count = [waiting[len(ready) :]], keep
        if not keep:
            self._waiting = []
        if len(ready):
            yield ready, self._rate
