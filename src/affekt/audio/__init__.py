"""From a recording to float32 samples: mono, 16 kHz, nominally within [-1, 1].

    source -> decode -> mean of the channels -> resample -> [samples]
    (file, bytes, stream, (array, rate))

>>> import numpy as np
>>> from affekt.audio import load_audio
>>> load_audio((np.zeros((44100, 2)), 44100)).shape
(16000,)

Only numpy is imported here; soundfile, soxr and PyAV wait until a recording needs them.
"""

from __future__ import annotations

from affekt.audio.check import AudioQuality, check_audio
from affekt.audio.clip import Clip, load_clip
from affekt.audio.load import AudioSource, decode, load_audio, source_name
from affekt.audio.resample import MAX_RATE, MIN_RATE, SAMPLE_RATE, resample

__all__ = [
    "MAX_RATE",
    "MIN_RATE",
    "SAMPLE_RATE",
    "AudioQuality",
    "AudioSource",
    "Clip",
    "check_audio",
    "decode",
    "load_audio",
    "load_clip",
    "resample",
    "source_name",
]
