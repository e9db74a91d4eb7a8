"""From a recording to float32 samples: mono, 16 kHz, nominally within [-1, 1].

    source -> decode -> mean of the channels -> resample -> [samples]
    (path, bytes, file, pipe, (array, rate))

>>> import numpy as np
>>> from affekt.audio import load_audio
>>> load_audio((np.zeros((44100, 2)), 44100)).shape
(16000,)

Only numpy is imported here; soxr, PyAV and soundfile wait until a recording needs them.
"""

from __future__ import annotations

from affekt.audio.check import check_audio
from affekt.audio.decode import decode, decode_blocks
from affekt.audio.load import LoadedAudio, load_audio, load_clip
from affekt.audio.resample import MAX_RATE, MIN_RATE, SAMPLE_RATE, resample
from affekt.audio.source import AudioSource, source_name

__all__ = [
    "MAX_RATE",
    "MIN_RATE",
    "SAMPLE_RATE",
    "AudioSource",
    "LoadedAudio",
    "check_audio",
    "decode",
    "decode_blocks",
    "load_audio",
    "load_clip",
    "resample",
    "source_name",
]
