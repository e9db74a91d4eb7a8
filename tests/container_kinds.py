"""Containers and codecs that FFmpeg writes, to be read from every kind of source."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product

import av
import numpy as np
from numpy.typing import NDArray

RATES = (8000, 16000, 22050, 44100, 48000, 96000, 192000)
_BITS = {"aac": 64_000, "libopus": 192_000, "wmav2": 64_000}  # a second and channel
LAYOUTS = {1: "mono", 2: "stereo", 8: "7.1", 16: "hexadecagonal"}

AAC_RATES = RATES[:-1]
MP3_RATES = RATES[:5]
OPUS_RATES = (8000, 16000, 48000)
AC3_RATES = (44100, 48000)


@dataclass(frozen=True)
class Kind:
    """A codec in a container, and what FFmpeg writes of it.

    Attributes
    ----------
    container, codec : str
        FFmpeg's names.
    exact : bool
        Whether the answer must be that of a WAV: the codec loses nothing, or little, as Opus.
    channels, rates : tuple of int
    sample_format : str
        Of the encoder; its first by default.
    padding : int
        Samples that may follow the last one: the rest of a frame, where no header says its length.
    delay : int
        Samples by which an encoder and a decoder shift it, where no header says so.
    """

    container: str
    codec: str
    exact: bool = True
    channels: tuple[int, ...] = (1, 2, 8, 16)
    rates: tuple[int, ...] = RATES
    sample_format: str = ""
    padding: int = 0
    delay: int = 0
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the kind in reports."""
        return " ".join((self.container, self.codec, *self.options.values()))

    def cases(self) -> Iterator[tuple[int, int]]:
        """Yield each number of channels with each rate."""
        yield from product(self.channels, self.rates)


_AAC = {"exact": False, "rates": AAC_RATES, "padding": 1024}

KINDS = (
    Kind("wav", "pcm_s16le"),
    Kind("wav", "pcm_s24le"),
    Kind("wav", "pcm_s32le"),
    Kind("wav", "pcm_f32le"),
    Kind("wav", "pcm_f64le"),
    Kind("wav", "pcm_s16le", options={"rf64": "always"}),
    Kind("wav", "pcm_mulaw", exact=False),
    Kind("wav", "pcm_alaw", exact=False),
    Kind("wav", "adpcm_ms", exact=False, channels=(1, 2), padding=2048),
    Kind("wav", "adpcm_ima_wav", exact=False, channels=(1, 2), padding=2048),
    Kind("w64", "pcm_s24le"),
    Kind("aiff", "pcm_s16be"),
    Kind("aiff", "pcm_s24be"),
    Kind("au", "pcm_s16be"),
    Kind("voc", "pcm_s16le"),
    Kind("ircam", "pcm_s16le"),
    Kind("caf", "pcm_s16be"),
    Kind("caf", "pcm_f32le"),
    Kind("caf", "alac", channels=(1, 2)),
    Kind("ipod", "alac", channels=(1, 2)),
    Kind("flac", "flac", channels=(1, 2, 8)),
    Kind("ogg", "flac", channels=(1, 2, 8)),
    Kind("matroska", "flac", channels=(1, 2, 8)),
    Kind("mp4", "flac", channels=(1, 2, 8)),
    Kind("mov", "pcm_s24le"),
    Kind("matroska", "pcm_s16le"),
    Kind("asf", "pcm_s16le"),
    # FFmpeg reads one sample at a time where one has 32 bytes: right, but 50 microseconds each.
    Kind("avi", "pcm_s16le", channels=(1, 2, 8)),
    Kind("wv", "wavpack", sample_format="fltp"),
    Kind("matroska", "wavpack", sample_format="s16p"),
    Kind("tta", "tta", sample_format="s16"),
    Kind("ogg", "libopus", channels=(1, 2, 8), rates=OPUS_RATES),
    Kind("webm", "libopus", channels=(1, 2, 8), rates=OPUS_RATES),
    Kind("matroska", "libopus", channels=(1, 2, 8), rates=OPUS_RATES),
    # FFmpeg counts the delay of the encoder in samples of another rate than it reads it.
    Kind("mp4", "libopus", channels=(1, 2, 8), rates=(48000,)),
    # The delay of the encoder, 6.5 ms, is not written.
    Kind("mpegts", "libopus", exact=False, channels=(1, 2, 8), rates=OPUS_RATES, padding=960),
    Kind("ogg", "vorbis", exact=False, channels=(2,)),
    Kind("webm", "vorbis", exact=False, channels=(2,)),
    Kind("mp3", "libmp3lame", exact=False, channels=(1, 2), rates=MP3_RATES),
    Kind("matroska", "libmp3lame", exact=False, channels=(1, 2), rates=MP3_RATES),
    Kind("mp2", "mp2", exact=False, channels=(1, 2), rates=MP3_RATES[1:], padding=1152, delay=481),
    Kind("ipod", "aac", **_AAC),
    Kind("mov", "aac", **_AAC),
    Kind("3gp", "aac", **_AAC),
    Kind("mp4", "aac", options={"movflags": "frag_keyframe+empty_moov"}, **_AAC),
    Kind("matroska", "aac", **_AAC),
    Kind("flv", "aac", **_AAC),
    # Sixteen channels do not fit in the headers of these: FFmpeg does not read what it writes.
    Kind("adts", "aac", channels=(1, 2, 8), **_AAC),
    Kind("mpegts", "aac", channels=(1, 2, 8), **_AAC),
    Kind("ac3", "ac3", exact=False, channels=(1, 2), rates=AC3_RATES, padding=1536),
    Kind("eac3", "eac3", exact=False, channels=(1, 2), rates=AC3_RATES, padding=1536),
    Kind("asf", "wmav2", exact=False, channels=(1, 2), rates=MP3_RATES, padding=4096, delay=2048),
    Kind("amr", "libopencore_amrnb", exact=False, channels=(1,), rates=(8000,)),
)


def encode(kind: Kind, samples: NDArray[np.float32], rate: int) -> bytes:
    """Return a file of a kind; samples are [samples, channels]."""
    layout = LAYOUTS[samples.shape[1]]
    file = io.BytesIO()
    with av.open(file, "w", format=kind.container, options=dict(kind.options)) as output:
        stream = output.add_stream(kind.codec, rate=rate, layout=layout)
        if kind.sample_format:
            stream.format = kind.sample_format
        if kind.codec in _BITS:
            stream.bit_rate = _BITS[kind.codec] * samples.shape[1]
        if kind.codec == "vorbis":
            stream.options = {"strict": "experimental"}
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples).reshape(1, -1), format="flt", layout=layout
        )
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        resampler = av.AudioResampler(format=stream.format, rate=rate)
        for part in resampler.resample(frame):
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    return file.getvalue()
