"""Pooling over windows of frames, by running sums: a long window costs what a short one does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from affekt.runtime.encoder import VARIANCE_FLOOR, FrameEncoder
from affekt.runtime.session import Floats
from affekt.runtime.streaming.activity import Activity
from affekt.runtime.streaming.sliding import Span

_CAPACITY = 1024  # rows to begin with


class FrameScorer:
    """Runs the encoder once over a stream, and the head on each stretch of its frames.

    Where speech is detected, only frames with speech in their receptive field are pooled.

    Parameters
    ----------
    encoder : FrameEncoder
    activity : Activity
        Of the same stream, and given samples first.
    """

    def __init__(self, encoder: FrameEncoder, activity: Activity) -> None:
        self._encoder = encoder
        self._activity = activity
        self._run = encoder.start()
        # Not yet in the sums: frames [frames, channels] and weights [frames].
        self._waiting: list[tuple[Floats, Floats]] = []
        self._sums: RunningSums | None = None

    @property
    def known(self) -> int:
        """Steps from the beginning that can be scored."""
        return 0 if self._sums is None else self._sums.frames

    def push(self, samples: Floats) -> None:
        """Take more samples [samples]."""
        self._add(*self._run.push(samples))

    def finish(self) -> None:
        """Mark the end of the samples."""
        self._add(*self._run.finish())

    def score(self, spans: Sequence[Span]) -> dict[str, Floats]:
        """Return the outputs of the model for spans, by name: see :class:`SpanScorer`."""
        assert self._sums is not None  # spans are known only when frames are
        ends = [self.known if span.at_end else span.last for span in spans]
        pooled = [self._sums.pool(span.first, end) for span, end in zip(spans, ends, strict=True)]
        embeddings = np.array(pooled)
        return {**self._encoder.classify(embeddings), "embedding": embeddings}

    def forget(self, first: int) -> None:
        """Drop what came before a step."""
        if self._sums is not None:
            self._sums.forget(first)

    def _add(self, frames: Floats, weights: Floats) -> None:
        """Add the frames whose weights are known to the sums."""
        if len(frames) > 0:
            self._waiting.append((frames, weights))
        if not self._waiting:
            return
        frames, weights = self._waiting[0]
        if len(self._waiting) > 1:
            frames, weights = (np.concatenate(part) for part in zip(*self._waiting, strict=True))
        if self._sums is None:
            self._sums = RunningSums(frames.shape[1])
        first = self._sums.frames
        if self._activity.detects_speech:
            speech = self._activity.frames_with_speech(first, first + len(frames))
            known = len(speech)
            self._sums.add(frames[:known], weights[:known] * speech)
        else:  # all of them count
            known = len(frames)
            self._sums.add(frames, weights)
        self._waiting = [(frames[known:], weights[known:])] if known < len(frames) else []


class RunningSums:
    """Weighted sums of frames and of their squares from the beginning up to each frame.

    The difference of two rows is the sum of what lies between them. Rows that are forgotten are
    overwritten, and the sums begin anew there, so that they stay small however long it goes on.

    Parameters
    ----------
    channels : int
        Of a frame.
    """

    def __init__(self, channels: int) -> None:
        self._channels = channels
        # A row is the sum of weights, the sums and the sums of squares before one frame.
        self._rows = np.zeros((_CAPACITY, 1 + 2 * channels))
        self._first = 0  # frame of the first row
        self._used = 1
        self._oldest = 0  # the first frame that may still be needed

    @property
    def frames(self) -> int:
        """How many frames were added."""
        return self._first + self._used - 1

    def add(self, frames: Floats, weights: Floats) -> None:
        """Add frames [frames, channels] that count so much [frames]; 0 is not at all."""
        self._make_room(len(frames))
        end = self._used + len(frames)
        new = self._rows[self._used : end]
        sums, squares = new[:, 1 : 1 + self._channels], new[:, 1 + self._channels :]
        new[:, 0] = weights
        np.multiply(frames, new[:, :1], out=sums)
        np.multiply(sums, frames, out=squares)
        course = self._rows[self._used - 1 : end]
        np.add.accumulate(course, axis=0, out=course)
        self._used = end

    def pool(self, first: int, last: int) -> Floats:
        """Mean and standard deviation [dim] of the frames ``first .. last - 1``, weighted."""
        rows = self._rows
        total = rows[last - self._first] - rows[first - self._first]
        weight, channels = total[0] if total[0] > 0 else 1.0, self._channels
        mean = total[1 : 1 + channels] / weight
        variance = np.maximum(total[1 + channels :] / weight - mean**2, 0)
        pooled = np.concatenate([mean, np.sqrt(variance + VARIANCE_FLOOR)])
        return np.asarray(pooled, dtype=np.float32)

    def forget(self, first: int) -> None:
        """Allow that frames before this one are dropped."""
        self._oldest = first

    def _make_room(self, frames: int) -> None:
        if self._used + frames <= len(self._rows):
            return
        gone = min(max(0, self._oldest - self._first), self._used - 1)
        kept = self._rows[gone : self._used]
        size = max(_CAPACITY, 2 * (len(kept) + frames))
        rows = self._rows if size <= len(self._rows) else np.zeros((size, self._rows.shape[1]))
        rows[: len(kept)] = kept - kept[0]
        self._rows, self._first, self._used = rows, self._first + gone, len(kept)
