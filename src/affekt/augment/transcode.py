"""Encoding and decoding again in memory, with the codecs that PyAV brings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import numpy as np

from affekt.augment.speed_perturbation import resample_to
from affekt.augment.waveform import Samples, fitted
from affekt.errors import ConfigError

_FULL_SCALE = 32768  # of 16 bits


@dataclass(frozen=True)
class CodecFacts:
    """How a codec is called and what it does to time.

    ``delay`` is how many samples later the decoder gives what the encoder was fed, at ``rate``;
    ``effort`` the encoder's compression level: what encoders in a hurry use, as phones are.
    """

    encoder: str
    decoder: str
    rate: int
    kbps: tuple[float, ...]
    delay: int
    effort: int | None = None


CODECS: Mapping[str, CodecFacts] = MappingProxyType(
    {
        # The encoder looks 5 ms ahead.
        "gsm": CodecFacts(
            *("libopencore_amrnb", "amrnb", 8_000),
            kbps=(4.75, 5.15, 5.9, 6.7, 7.4, 7.95, 10.2, 12.2),
            delay=40,
        ),
        # 576 samples of the encoder and 529 of the decoder.
        "mp3": CodecFacts("libmp3lame", "mp3float", 16_000, (8, 16, 24, 32), 1105, effort=7),
        # The decoder knows from the header how much to leave out.
        "opus": CodecFacts("libopus", "libopus", 16_000, (6, 8, 12, 16, 24), 0, effort=5),
    }
)


def through(samples: Samples, sample_rate: int, codec: str, kbps: float) -> Samples:
    """Encode and decode a recording.

    Parameters
    ----------
    samples : np.ndarray [shape=(samples,)]
    sample_rate : int
        Hz.
    codec : str
        One of :data:`CODECS`.
    kbps : float
        Bit rate in kbit/s, one that the codec knows.

    Returns
    -------
    np.ndarray [shape=(samples,), float32]
        In time with what went in.

    Raises
    ------
    ConfigError
        If this build of PyAV lacks the codec.
    """
    import av

    facts = CODECS[codec]
    fed = resample_to(samples, max(1, round(len(samples) * facts.rate / sample_rate)))
    try:
        packets, header = _encode(fed, facts, kbps)
        decoded, rate = _decode(packets, header, facts)
    except av.codec.codec.UnknownCodecError:
        raise ConfigError(
            f"codec: this PyAV has no {facts.encoder}: leave {codec!r} out of kinds"
        ) from None
    decoded = decoded[round(facts.delay * rate / facts.rate) :]
    decoded = fitted(decoded, max(1, round(len(fed) * rate / facts.rate)))
    return resample_to(decoded, len(samples))


def _encode(samples: Samples, facts: CodecFacts, kbps: float) -> tuple[list[bytes], bytes | None]:
    import av

    encoder: Any = av.CodecContext.create(facts.encoder, "w")
    formats = [form.name for form in encoder.codec.audio_formats or ()]
    encoder.format = next(name for name in ("s16", "s16p") if name in formats)
    encoder.sample_rate = facts.rate
    encoder.layout = "mono"
    encoder.time_base = Fraction(1, facts.rate)
    encoder.bit_rate = round(1000 * kbps)
    if facts.effort is not None:
        encoder.options = {"compression_level": str(facts.effort)}
    encoder.open()
    size = encoder.frame_size or len(samples)
    # As many whole frames as hold the recording and what the delay pushes out at the end.
    frames = -(-(len(samples) + facts.delay) // size) + 2
    integers = np.zeros((frames, size), dtype=np.int16)
    fed = np.round(np.clip(samples, -1, 1) * (_FULL_SCALE - 1)).astype(np.int16)
    integers.reshape(-1)[: len(fed)] = fed
    packets: list[bytes] = []
    for number, row in enumerate(integers):
        frame = av.AudioFrame.from_ndarray(row[None], format=encoder.format.name, layout="mono")
        frame.sample_rate = facts.rate
        frame.pts = number * size
        packets += map(bytes, encoder.encode(frame))
    packets += map(bytes, encoder.encode(None))
    return packets, encoder.extradata


def _decode(packets: list[bytes], header: bytes | None, facts: CodecFacts) -> tuple[Samples, int]:
    import av

    decoder: Any = av.CodecContext.create(facts.decoder, "r")
    decoder.sample_rate = facts.rate
    decoder.layout = "mono"
    if header:
        decoder.extradata = header
    frames = [frame for packet in packets for frame in decoder.decode(av.Packet(packet))]
    frames += decoder.decode(None)
    decoded = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    if decoded.dtype.kind == "i":
        decoded = decoded.astype(np.float32) / _FULL_SCALE
    return np.asarray(decoded, dtype=np.float32), frames[0].sample_rate
