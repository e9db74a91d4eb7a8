"""What a recording is like before anyone listens: level, clipping, silence, noise, bandwidth."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from affekt.audio.quality import FRAME, MOST_FRAMES, band_power, frame_size, reach, signal_to_noise
from affekt.audio.resample import checked_rate
from affekt.audio.tones import ToneMeter
from affekt.errors import AudioError
from affekt.results import AudioQuality

CLIP_LEVEL = 0.999
"""Magnitude from which a sample counts as clipped: full scale of 16 bits, give or take rounding."""

SILENCE_DBFS = -60.0
"""Peak below which a recording counts as silent. No speech is hidden there: 16-bit samples
of that size have six bits left."""

_BLOCK = 65536  # samples
FLOOR_DBFS = -120.0
"""The level given to digital silence, whose logarithm does not exist."""


def check_audio(samples: NDArray[np.float32], rate: int) -> AudioQuality:
    """Measure level, clipping, silence, noise and bandwidth.

    Measure what `affekt.audio.decode` gives: resampling moves samples off full scale, so that
    clipping is seen best at the recording's own rate.

    Parameters
    ----------
    samples : np.ndarray [shape=(samples,) or (samples, channels)]
        Floats, nominally within [-1, 1]. Channels are measured together.
    rate : int
        Samples per second, in Hz.

    Raises
    ------
    AudioError
        If there are no samples, or the rate is out of range.

    Examples
    --------
    >>> quality = check_audio(np.zeros(8000, dtype=np.float32), 16000)
    >>> quality.duration, quality.peak_dbfs, quality.silent
    (0.5, -120.0, True)
    """
    rate = checked_rate(rate, "check_audio")
    samples = np.asarray(samples, dtype=np.float32)
    if samples.size == 0:
        raise AudioError("check_audio: there are no samples to measure")
    meter = QualityMeter()
    meter.push(samples, rate)
    return meter.quality()


class QualityMeter:
    """Measures the quality of a recording that comes block by block, in bounded memory."""

    def __init__(self) -> None:
        self._rate = 0
        self._length = 0  # samples of a channel
        self._size = 0  # samples of all channels
        self._peak = 0.0
        self._energy = 0.0
        self._clipped = 0
        self._power: list[NDArray[np.float32]] = []
        self._rest: NDArray[np.float32] | None = None  # samples after the last whole frame
        self._tones = ToneMeter()
        self._thinned = 1  # one in so many frames is looked at

    def push(self, samples: NDArray[np.float32], rate: int) -> None:
        """Measure the next block.

        Parameters
        ----------
        samples : np.ndarray [shape=(samples,) or (samples, channels)]
            Not empty.
        rate : int
            Hz; the same for all blocks.
        """
        self._rate = rate
        self._length += len(samples)
        self._size += samples.size
        peak = max(float(samples.max()), -float(samples.min()))
        if peak >= CLIP_LEVEL:
            self._clipped += int(np.count_nonzero(np.abs(samples) >= CLIP_LEVEL))
        self._peak = max(self._peak, peak)
        self._energy += _energy(samples)
        self._tones.push(samples, rate)
        most = MOST_FRAMES
        if self._thinned > 1:
            most = max(1, round(len(samples) / (FRAME * rate) / self._thinned))
        # Frames go on across blocks: the same ones, however the recording is cut.
        if self._rest is not None and len(self._rest):
            samples = np.concatenate([self._rest, samples])
        whole = len(samples) - len(samples) % frame_size(rate)
        self._rest = samples[whole:].copy()
        if whole or not self._power:
            self._power.append(band_power(samples[:whole] if whole else samples, rate, most))
        while sum(map(len, self._power)) > MOST_FRAMES:
            self._power = [np.concatenate(self._power)[::2]]
            self._thinned *= 2

    def quality(self, damaged_packets: int = 0) -> AudioQuality:
        """Return what was measured by now; at least one block must have come."""
        power = np.concatenate(self._power)
        return AudioQuality(
            duration=self._length / self._rate,
            peak_dbfs=_dbfs(self._peak),
            rms_dbfs=_dbfs(math.sqrt(self._energy / self._size)),
            clipped_fraction=self._clipped / self._size,
            silent=_dbfs(self._peak) < SILENCE_DBFS,
            snr_db=signal_to_noise(power, self._rate),
            bandwidth_hz=reach(power, self._rate),
            held_tones=self._tones.share(),
            damaged_packets=damaged_packets,
        )


def _energy(samples: NDArray[np.float32]) -> float:
    """Return the sum of squares, block by block: over hours, float32 would lose the quiet ones."""
    flat = samples.ravel()
    blocks = (flat[start : start + _BLOCK] for start in range(0, flat.size, _BLOCK))
    return math.fsum(float(np.vdot(block, block)) for block in blocks)


def _dbfs(amplitude: float) -> float:
    """Return an amplitude in dB relative to 1, no lower than `FLOOR_DBFS`."""
    return max(FLOOR_DBFS, 20 * math.log10(amplitude)) if amplitude > 0 else FLOOR_DBFS
