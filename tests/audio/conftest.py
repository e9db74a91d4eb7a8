"""Recordings made by real encoders: soundfile (libsndfile) and PyAV (FFmpeg)."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

Encode = Callable[[str, NDArray[np.float32], int], bytes]

SOUNDFILE_KINDS = {
    "wav-u8": ("WAV", "PCM_U8"),
    "wav-16": ("WAV", "PCM_16"),
    "wav-24": ("WAV", "PCM_24"),
    "wav-32": ("WAV", "PCM_32"),
    "wav-float": ("WAV", "FLOAT"),
    "wav-double": ("WAV", "DOUBLE"),
    "flac": ("FLAC", "PCM_16"),
    "flac-24": ("FLAC", "PCM_24"),
    "aiff": ("AIFF", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}
PYAV_KINDS = {
    "m4a": ("ipod", "aac"),
    "aac": ("adts", "aac"),
    "webm": ("webm", "libopus"),
    "mka": ("matroska", "pcm_s16le"),
}
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


def encode_recording(kind: str, samples: NDArray[np.float32], rate: int) -> bytes:
    """Return the bytes of a file of this kind; samples are [samples] or [samples, channels]."""
    file = io.BytesIO()
    if kind in SOUNDFILE_KINDS:
        container, subtype = SOUNDFILE_KINDS[kind]
        soundfile.write(file, samples, rate, format=container, subtype=subtype)
        return file.getvalue()
    container, codec = PYAV_KINDS[kind]
    channels = samples.reshape(len(samples), -1).T  # [channels, samples]
    layout = LAYOUTS[len(channels)]
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, layout=layout)
        stream.bit_rate = 64_000 * len(channels)  # by default, some FFmpeg share 128,000 out
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(channels, dtype=np.float32), format="fltp", layout=layout
        )
        frame.sample_rate = rate
        frame.time_base = Fraction(1, rate)
        frame.pts = 0  # without it the encoder's delay is not written, nor removed on reading
        for part in av.AudioResampler(format=stream.format).resample(frame):
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    return file.getvalue()


@pytest.fixture(scope="session")
def encode() -> Encode:
    """Encode samples: ``encode("m4a", samples, 44100)`` gives the bytes of a file."""
    return encode_recording


@pytest.fixture(scope="session")
def sine() -> Callable[..., NDArray[np.float32]]:
    """Make a sine: ``sine(44100)`` is one second of 1 kHz at half of full scale."""

    def make(
        rate: int, *, frequency: float = 1000.0, seconds: float = 1.0, channels: int = 1
    ) -> NDArray[np.float32]:
        time = np.arange(round(rate * seconds)) / rate
        wave = 0.5 * np.sin(2 * np.pi * frequency * time)
        return np.repeat(wave[:, None].astype(np.float32), channels, axis=1)

    return make
