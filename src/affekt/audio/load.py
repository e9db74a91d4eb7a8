"""Load a recording, wherever it comes from, as the float32 samples that a model takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affekt.audio.arrays import mix_down
from affekt.audio.check import QualityMeter
from affekt.audio.decode import Recording
from affekt.audio.resample import SAMPLE_RATE, Resampler, checked_rate
from affekt.audio.source import AudioSource
from affekt.errors import AudioError
from affekt.results import AudioQuality

CANCELLED = 1e-4
"""Share of the power of its channels below which their mean is called cancelled: 40 dB."""


@dataclass(frozen=True)
class LoadedAudio:
    """A recording ready for a model, with the levels it had before it was resampled.

    Attributes
    ----------
    waveform : np.ndarray [shape=(samples,)]
        float32, mono, at the model's rate.
    quality : AudioQuality
        Levels of the recording itself: resampling moves clipped samples off full scale.
    """

    waveform: NDArray[np.float32]
    quality: AudioQuality


def load_audio(source: AudioSource, *, sample_rate: int = SAMPLE_RATE) -> NDArray[np.float32]:
    """Load a recording as mono samples at one rate.

    Channels are mixed by their mean, then resampled by soxr (HQ).

    Parameters
    ----------
    source : path, bytes, binary file, or (array, rate)
        Anything that `decode` reads.
    sample_rate : int
        The rate wanted, in Hz.

    Returns
    -------
    np.ndarray [shape=(samples,)]
        float32, C-contiguous, never empty, finite, nominally within [-1, 1].

    Raises
    ------
    AudioError
        If the recording cannot be read, or its channels cancel each other; the message names it
        and says what to do.

    Examples
    --------
    >>> load_audio((np.array([0, 16384, -32768], dtype=np.int16), 16000))
    array([ 0. ,  0.5, -1. ], dtype=float32)
    """
    return _joined(Mono(Recording(source), checked_rate(sample_rate, "load_audio")))


def load_clip(
    source: AudioSource, *, sample_rate: int = SAMPLE_RATE, max_duration: float | None = None
) -> LoadedAudio:
    """Decode a recording, measure it, and resample it.

    Parameters
    ----------
    source : path, bytes, binary file, or (array, rate)
        Anything that `decode` reads.
    sample_rate : int
        The model's rate, in Hz.
    max_duration : float, optional
        Refuse what is longer, in seconds.

    Raises
    ------
    AudioError
        If the recording cannot be read or is too long, or its channels cancel each other.
    """
    mono = Mono(Recording(source, max_duration=max_duration), sample_rate, QualityMeter())
    return LoadedAudio(_joined(mono), mono.quality())


class Mono:
    """The mean of the channels of a recording at one rate, block by block.

    Parameters
    ----------
    recording : Recording
    sample_rate : int
        The rate wanted, in Hz.
    meter : QualityMeter, optional
        Measures the recording as it is.

    Attributes
    ----------
    name : str
        What messages call the recording.
    duration : float
        Seconds that were read by now.
    on_read : callable or None
        Called with that after each block.
    """

    def __init__(
        self, recording: Recording, sample_rate: int, meter: QualityMeter | None = None
    ) -> None:
        self.name = recording.name
        self.duration = 0.0
        self.on_read: Callable[[float], None] | None = None
        self._recording = recording
        self._rate = sample_rate
        self._meter = meter

    def quality(self) -> AudioQuality:
        """Return what was measured by now; at least one block must have come."""
        assert self._meter is not None
        return self._meter.quality(self._recording.damaged)

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        """Yield samples [samples] at the rate wanted; no block is empty.

        Raises
        ------
        AudioError
            As decoding does; and, after the last block, if the channels cancel each other.
        """
        resampler = None
        length = written = 0
        all_power = mean_power = 0.0
        first = np.zeros(0, np.float32)
        for samples, rate in self._recording:
            mono = mix_down(samples)
            if self._meter is not None:
                self._meter.push(samples, rate)
            if samples.shape[1] > 1:
                all_power += float(np.vdot(samples, samples)) / samples.shape[1]
                mean_power += float(np.vdot(mono, mono))
            if resampler is None:
                resampler, first = Resampler(rate, self._rate), mono
            length += len(mono)
            self.duration = length / rate
            if self.on_read is not None:
                self.on_read(self.duration)
            block = resampler.push(mono)
            written += len(block)
            if len(block):
                yield block
        assert resampler is not None  # a recording without a sample is refused
        block = resampler.finish()
        if written + len(block) == 0:  # a click shorter than one sample becomes its mean
            block = first.mean(keepdims=True)
        if len(block):
            yield block
        if mean_power < CANCELLED * all_power:
            raise AudioError(
                f"{self.name}: its channels cancel each other: their mean is silent, though none "
                f"of them is; give one channel of it"
            )


def _joined(mono: Mono) -> NDArray[np.float32]:
    blocks = list(mono)
    return np.ascontiguousarray(blocks[0]) if len(blocks) == 1 else np.concatenate(blocks)
