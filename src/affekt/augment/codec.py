"""What a line leaves of a voice: telephone, mobile phone, low-rate mp3 and opus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from affekt.augment import transcode
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
    heard = mu_law(band_pass(narrow, *PHONE_BAND, _PHONE_RATE))
    return resample_to(heard, len(samples))


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
        Range of the bit rates, in kbit/s, of which a codec takes those that it knows;
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
            if kind in transcode.CODECS and not self._bit_rates(kind):
                known = ", ".join(f"{rate:g}" for rate in transcode.CODECS[kind].kbps)
                raise ConfigError(
                    f"codec: {kind} has no rate from {self.min_kbps:g} to {self.max_kbps:g} "
                    f"kbit/s: it knows {known}"
                )

    def _bit_rates(self, kind: str) -> list[float]:
        known = transcode.CODECS[kind].kbps
        return [rate for rate in known if self.min_kbps <= rate <= self.max_kbps]

    def _apply(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        kind = self.kinds[int(rng.integers(len(self.kinds)))]
        if kind == "phone":
            return through_phone(samples, sample_rate)
        rates = self._bit_rates(kind)
        kbps = rates[int(rng.integers(len(rates)))]
        return fitted(transcode.through(samples, sample_rate, kind, kbps), len(samples))
