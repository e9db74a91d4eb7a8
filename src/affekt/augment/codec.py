"""What a line leaves of a voice: telephone, mobile phone, low-rate mp3 and opus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from affekt.augment.speed_perturbation import resample_to
from affekt.augment.waveform import Samples, WaveformTransform, check_range, fast_length, fitted
from affekt.errors import ConfigError

KINDS = ("phone", "gsm", "mp3", "opus")

PHONE_BAND = (300.0, 3400.0)
"""What a telephone line lets through, in Hz."""

_PHONE_RATE = 8_000  # Hz
_EDGE_HZ = 150.0  # from nothing to all
_MU = 255


def mu_law(samples: Samples) -> Samples:
    """Round to the 8-bit mu-law levels of G.711's formula; beyond [-1, 1] is cut."""
    loud = np.clip(samples, -1, 1)
    code = np.round(127 * np.log1p(_MU * np.abs(loud)) / np.log1p(_MU))
    return np.asarray(np.sign(loud) * np.expm1(code / 127 * np.log1p(_MU)) / _MU, dtype=np.float32)


def band_pass(samples: Samples, low_hz: float, high_hz: float, sample_rate: int) -> Samples:
    """Keep a band, without delay; half a cosine wide edges outside it."""
    size = fast_length(len(samples) + sample_rate // 20)  # its tail must not come in again
    frequency = np.fft.rfftfreq(size, 1 / sample_rate)
    outside = np.maximum(low_hz - frequency, frequency - high_hz) / _EDGE_HZ
    gain = 0.5 + 0.5 * np.cos(np.pi * np.clip(outside, 0, 1))
    filtered = np.fft.irfft(np.fft.rfft(samples, size) * gain, size)
    return filtered[: len(samples)].astype(np.float32)


def through_phone(samples: Samples, sample_rate: int) -> Samples:
    """A landline: 300 to 3400 Hz at 8 kHz, mu-law in 8 bits; as many samples come out."""
    narrow = resample_to(samples, max(1, round(len(samples) * _PHONE_RATE / sample_rate)))
    coded = mu_law(band_pass(narrow, *PHONE_BAND, _PHONE_RATE))
    return resample_to(coded, len(samples))


@dataclass(frozen=True)
class Codec(WaveformTransform):
    """Send the recording through a drawn codec at a drawn bit rate; length and timing stay.

    ``phone`` is a landline (300 to 3400 Hz, mu-law); ``gsm`` the narrow-band AMR codec of mobile
    phones; ``mp3`` and ``opus`` run at 16 kHz. The last three are the real encoders, through
    PyAV, with their delay taken out again. Full scale is 1: what is beyond is cut.

    Parameters
    ----------
    kinds : tuple of str
        Which codecs to draw from.
    min_kbps, max_kbps : float
        Range of the bit rates, in kbit/s, of which a codec takes those that it supports;
        ``phone`` has one of its own.
    """

    name: ClassVar[str] = "codec"
    kinds: tuple[str, ...] = KINDS
    min_kbps: float = 4.75
    max_kbps: float = 32.0

    def __post_init__(self) -> None:
        if not self.kinds:
            raise ConfigError(f"codec: kinds is empty: expected some of {', '.join(KINDS)}")
        for kind in self.kinds:
            if kind not in KINDS:
                raise ConfigError(f"codec: unknown kind {kind!r}: expected {', '.join(KINDS)}")
        check_range(self.name, "kbps", self.min_kbps, self.max_kbps, 0, 320)
        for kind in self.kinds:
            if kind in CODECS and not self._bit_rates(kind):
                known = ", ".join(f"{rate:g}" for rate in CODECS[kind].kbps)
                raise ConfigError(
                    f"codec: {kind} has no rate from {self.min_kbps:g} to {self.max_kbps:g} "
                    f"kbit/s: it supports {known}"
                )

    def _bit_rates(self, kind: str) -> list[float]:
        known = CODECS[kind].kbps
        return [rate for rate in known if self.min_kbps <= rate <= self.max_kbps]

    def _apply(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        kind = self.kinds[int(rng.integers(len(self.kinds)))]
        if kind == "phone":
            return through_phone(samples, sample_rate)
        rates = self._bit_rates(kind)
        kbps = rates[int(rng.integers(len(rates)))]
        return fitted(through(samples, sample_rate, kind, kbps), len(samples))


# --- transcoding ---


_FULL_SCALE = 32768  # of 16 bits


@dataclass(frozen=True)
class _CodecFacts:
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


CODECS: Mapping[str, _CodecFacts] = MappingProxyType(
    {
        # The encoder looks 5 ms ahead.
        "gsm": _CodecFacts(
            *("libopencore_amrnb", "amrnb", 8_000),
            kbps=(4.75, 5.15, 5.9, 6.7, 7.4, 7.95, 10.2, 12.2),
            delay=40,
        ),
        # 576 samples of the encoder and 529 of the decoder.
        "mp3": _CodecFacts("libmp3lame", "mp3float", 16_000, (8, 16, 24, 32), 1105, effort=7),
        # The header says how much the decoder leaves out.
        "opus": _CodecFacts("libopus", "libopus", 16_000, (6, 8, 12, 16, 24), 0, effort=5),
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
        Bit rate in kbit/s, one that the codec supports.

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


def _encode(samples: Samples, facts: _CodecFacts, kbps: float) -> tuple[list[bytes], bytes | None]:
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


def _decode(packets: list[bytes], header: bytes | None, facts: _CodecFacts) -> tuple[Samples, int]:
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
