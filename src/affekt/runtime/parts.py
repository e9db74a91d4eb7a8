"""Recordings in parts, for models that take a recording as a whole.

Where each frame depends on all others, as in attention, time and memory grow with the square of
the length, and statistics over minutes are unlike those of the clips that such a model was trained
on. It runs on every part, and the answer is the mean of theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from affekt.audio.check import SILENCE_DBFS
from affekt.runtime.config import ModelConfig
from affekt.runtime.session import Floats

PART_SECONDS = 5.0
"""A longer recording is predicted in parts where each frame depends on all of it: about as long as
the clips of training corpora."""
WHOLE_SECONDS = 120.0
"""The same where a frame depends on its neighbours."""

_SILENT_PEAK = 10 ** (SILENCE_DBFS / 20)
_NEXT_TO_NOTHING = 1e-9


def part_samples(config: ModelConfig) -> int:
    """Return how many samples the graph of a model that cannot stream takes at once."""
    seconds = PART_SECONDS if config.receptive_field is None else WHOLE_SECONDS
    return round(seconds * config.sample_rate)


def cut(blocks: Iterable[Floats], size: int) -> Iterator[Floats]:
    """Cut a recording into parts.

    Parameters
    ----------
    blocks : iterable of np.ndarray [shape=(..., samples)]
        The recording, or several of one length, in blocks of any length.
    size : int
        Samples of a part.

    Yields
    ------
    np.ndarray [shape=(..., samples)]
        The last two share what is left, so that none of several is shorter than half a part.
    """
    kept: list[Floats] = []
    length = 0
    for block in blocks:
        kept.append(block)
        length += block.shape[-1]
        if length >= 2 * size:
            rest = np.concatenate(kept, axis=-1)
            while rest.shape[-1] >= 2 * size:
                yield rest[..., :size]
                rest = rest[..., size:]
            kept, length = [rest], rest.shape[-1]
    rest = kept[0] if len(kept) == 1 else np.concatenate(kept, axis=-1)
    half = -(-length // 2) if length > size else length
    yield rest[..., :half]
    if half < length:
        yield rest[..., half:]


class RunningMean:
    """Means of the outputs for parts, by length; silent parts do not count."""

    def __init__(self) -> None:
        self._weight = np.zeros(0)  # [batch]
        self._sums: dict[str, np.ndarray] = {}  # [batch, ...] of each output

    def add(self, outputs: Mapping[str, Floats], waveforms: Floats) -> None:
        """Add outputs [batch, ...] for a part of each recording [batch, samples]."""
        loud = np.abs(waveforms).max(axis=1) >= _SILENT_PEAK
        # Of a recording that is silent throughout, all parts count the same.
        weight = waveforms.shape[1] * np.where(loud, 1.0, _NEXT_TO_NOTHING)
        self._weight = weight if not self._sums else self._weight + weight
        for name, output in outputs.items():
            part = (output.T.astype(np.float64) * weight).T
            self._sums[name] = self._sums[name] + part if name in self._sums else part

    def means(self) -> dict[str, Floats]:
        """Return the mean [batch, ...] of each output by now."""
        return {
            name: (total.T / self._weight).T.astype(np.float32)
            for name, total in self._sums.items()
        }
