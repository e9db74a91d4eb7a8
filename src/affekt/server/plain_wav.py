"""The one kind of recording that needs no decoder: a plain wav file in the model's own format.

What programs send most is read here, by comparing 44 bytes with what they must be: nothing in
them is followed, and the samples are as long as the file. All else, down to a wav file with one
more chunk, goes to the decoder processes.
"""

from __future__ import annotations

import struct

import numpy as np

from affekt.audio import LoadedAudio, check_audio

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
MAX_SECONDS = 30  # what is longer may take the longer way


def is_plain_wav(content: bytes | bytearray, sample_rate: int) -> bool:
    """Return whether a file is one that :func:`read_plain_wav` reads.

    Parameters
    ----------
    content : bytes or bytearray
        A whole file.
    sample_rate : int
        The model's rate, in Hz.
    """
    size = len(content) - _HEADER.size
    pcm, channels, width = 1, 1, 2
    if size < width or size % width or size > MAX_SECONDS * width * sample_rate:
        return False
    layout = (16, pcm, channels, sample_rate, width * sample_rate, width, 8 * width)
    plain = _HEADER.pack(b"RIFF", size + 36, b"WAVE", b"fmt ", *layout, b"data", size)
    return content.startswith(plain)


def read_plain_wav(content: bytes | bytearray, sample_rate: int) -> LoadedAudio:
    """Return what :func:`affekt.audio.load_clip` does of such a file."""
    samples = np.frombuffer(content, dtype="<i2", offset=_HEADER.size).astype(np.float32)
    samples /= 32768
    return LoadedAudio(samples, check_audio(samples, sample_rate))
