"""A recording ready for a model, with the levels it had before it was resampled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affekt.audio.arrays import mix_down
from affekt.audio.check import AudioQuality, check_audio
from affekt.audio.load import AudioSource, decode
from affekt.audio.resample import SAMPLE_RATE, resample


@dataclass(frozen=True)
class Clip:
    """What a model hears of one recording.

    Attributes
    ----------
    waveform : np.ndarray [shape=(samples,)]
        float32, mono, at the model's rate.
    quality : AudioQuality
        Levels of the recording itself: resampling moves clipped samples off full scale.
    """

    waveform: NDArray[np.float32]
    quality: AudioQuality


def load_clip(
    source: AudioSource, *, sample_rate: int = SAMPLE_RATE, max_duration: float | None = None
) -> Clip:
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
        If the recording cannot be read or is too long.
    """
    samples, rate = decode(source, max_duration=max_duration)  # [samples, channels]
    quality = check_audio(samples, rate)
    return Clip(resample(mix_down(samples), rate, sample_rate), quality)
