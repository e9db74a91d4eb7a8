"""Change the sample rate, with the SoX resampler (https://github.com/dofuuz/python-soxr)."""

from __future__ import annotations

import operator
from typing import SupportsIndex

import numpy as np
from numpy.typing import NDArray

from affekt.errors import AudioError

SAMPLE_RATE = 16_000  # Hz
"""The rate every model of affekt listens at."""

MIN_RATE = 4_000  # Hz
MAX_RATE = 192_000  # Hz


def checked_rate(rate: SupportsIndex | float, name: str) -> int:
    """Return a sample rate as an int, or raise an error.

    Parameters
    ----------
    rate : int or float
        Samples per second; a float must be a whole number.
    name : str
        What has this rate, for the message.

    Raises
    ------
    AudioError
        If it is no whole number from `MIN_RATE` to `MAX_RATE`.
    """
    try:
        if isinstance(rate, (bool, np.bool_)):
            raise TypeError
        whole = (
            int(rate)
            if isinstance(rate, (float, np.floating)) and float(rate).is_integer()
            else operator.index(rate)  # type: ignore[arg-type]  # a TypeError is caught below
        )
    except TypeError:
        raise AudioError(
            f"{name}: the sample rate must be a whole number of Hz, not {rate!r}"
        ) from None
    if not MIN_RATE <= whole <= MAX_RATE:
        raise AudioError(
            f"{name}: a sample rate of {whole} Hz is out of range; "
            f"rates from {MIN_RATE} to {MAX_RATE} Hz can be read"
        )
    return whole


def resample(
    samples: NDArray[np.float32], rate: int, target_rate: int = SAMPLE_RATE
) -> NDArray[np.float32]:
    """Return the same sound at another sample rate.

    Parameters
    ----------
    samples : np.ndarray [shape=(samples,) or (samples, channels)]
        float32; other floats are converted.
    rate : int
        Samples per second now, in Hz.
    target_rate : int
        Samples per second wanted, in Hz.

    Returns
    -------
    np.ndarray [shape=(round(samples * target_rate / rate),) or with channels]
        float32; `samples` itself if the rates are equal. Never empty unless `samples` is:
        a click shorter than one output sample becomes its mean.

    Raises
    ------
    AudioError
        If a rate is out of range.
    """
    rate = checked_rate(rate, "samples")
    target_rate = checked_rate(target_rate, "resampled audio")
    samples = np.asarray(samples, dtype=np.float32)
    if rate == target_rate or len(samples) == 0:
        return samples
    import soxr  # type: ignore[import-untyped]

    resampled: NDArray[np.float32] = soxr.resample(samples, rate, target_rate, "HQ")
    return resampled if len(resampled) > 0 else samples.mean(axis=0, keepdims=True)


class Resampler:
    """Changes the rate of a stream, chunk by chunk; equal to :func:`resample` on all of it.

    Parameters
    ----------
    rate, target_rate : int
        Samples per second now, and wanted, in Hz.
    """

    def __init__(self, rate: int, target_rate: int = SAMPLE_RATE) -> None:
        rate, target_rate = checked_rate(rate, "stream"), checked_rate(target_rate, "stream")
        self._stream = None
        if rate != target_rate:
            import soxr

            self._stream = soxr.ResampleStream(rate, target_rate, 1, "float32", "HQ")

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what is known of the resampled sound [samples] after more samples [samples]."""
        return self._run(samples, last=False)

    def finish(self) -> NDArray[np.float32]:
        """Return the rest when no more samples come."""
        return self._run(np.zeros(0, dtype=np.float32), last=True)

    def _run(self, samples: NDArray[np.float32], *, last: bool) -> NDArray[np.float32]:
        if self._stream is None:
            return samples
        resampled: NDArray[np.float32] = self._stream.resample_chunk(samples, last=last)
        return resampled
