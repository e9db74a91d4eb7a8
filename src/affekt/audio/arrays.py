"""Samples in memory: (array, rate) to float32; ambiguous input is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affekt.audio.resample import checked_rate
from affekt.errors import AudioError

ARRAY_NAME = "audio array"
"""What messages call a source that has no file name."""

MAX_PEAK = 4.0
"""The largest sample that can be meant, 12 dB over full scale.

Lossy codecs and float recordings overshoot 1 by a few dB. Integers stored as floats go to
hundreds, and recordings scaled to unit variance to about ten: both would be taken at a wrong
level, so they are refused rather than guessed at.
"""

MAX_CHANNELS = 32
"""Channels that a chunk of a stream may have; more look like samples the wrong way round."""

_FULL_SCALE = {"int8": 2.0**7, "uint8": 2.0**7, "int16": 2.0**15, "int32": 2.0**31}


def array_blocks(
    array: ArrayLike, rate: Any, seconds: float
) -> Iterator[tuple[NDArray[np.float32], int]]:
    """Yield samples in memory as float32, block by block, with their rate.

    Parameters
    ----------
    array : np.ndarray [shape=(samples,) or (samples, channels)]
        Floats within about [-1, 1], or integers. int8, int16, int32 and uint8 (128 is zero, as
        in a wav file) are scaled by their type; int64 must hold 16-bit values.
    rate : int
        Samples per second, in Hz.
    seconds : float
        Length of a block.

    Yields
    ------
    samples : np.ndarray [shape=(samples, channels)]
        float32, a new array.
    rate : int

    Raises
    ------
    AudioError
        If the array cannot be audio, or the rate is out of range.
    """
    try:
        values = np.asarray(array)
    except (TypeError, ValueError, RuntimeError) as error:
        raise AudioError(f"{ARRAY_NAME}: it cannot be made a numpy array: {error}") from None
    if values.ndim == 0 and isinstance(rate, np.ndarray):
        raise AudioError(f"{ARRAY_NAME}: expected (array, rate), not (rate, array); swap them")
    rate = checked_rate(rate, ARRAY_NAME)
    values = _with_channels(values)
    kind = _sample_kind(values)
    size = max(1, round(seconds * rate))
    for start in range(0, max(1, len(values)), size):
        yield _as_float(values[start : start + size], kind), rate


def read_chunk(chunk: ArrayLike, name: str) -> NDArray[np.float32]:
    """Return some of the samples of a stream as mono float32.

    Parameters
    ----------
    chunk : np.ndarray [shape=(samples,) or (samples, channels)]
        Floats or integers, scaled as in :func:`array_blocks`; may be empty.
    name : str
        What messages call the stream.

    Raises
    ------
    AudioError
        If it cannot be audio.
    """
    if isinstance(chunk, (bytes, bytearray, memoryview)):
        raise AudioError(
            f"{name}: a chunk is an array of samples; "
            f"16-bit bytes become one by np.frombuffer(chunk, dtype='<i2')"
        )
    try:
        values = np.asarray(chunk)
    except (TypeError, ValueError, RuntimeError) as error:
        raise AudioError(f"{name}: a chunk cannot be made a numpy array: {error}") from None
    if values.ndim not in (1, 2) or (values.ndim == 2 and not 0 < values.shape[1] <= MAX_CHANNELS):
        raise AudioError(
            f"{name}: the shape of a chunk is {values.shape}; expected [samples] or "
            f"[samples, channels] with at most {MAX_CHANNELS} channels"
        )
    if values.size == 0:
        return np.zeros(0, dtype=np.float32)
    return mix_down(_as_float(values.reshape(len(values), -1), _sample_kind(values)))


def mix_down(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of the channels: [samples, channels] to [samples]."""
    channels = samples.shape[1]
    if channels == 1:
        return samples[:, 0]
    return samples @ np.full(channels, 1 / channels, dtype=np.float32)


def check_samples(
    samples: NDArray[np.float32], rate: int, name: str, *, start: float = 0.0
) -> None:
    """Refuse samples that are missing, not finite or far beyond full scale.

    ``start`` is the time of the first one, in seconds.

    Raises
    ------
    AudioError
        Naming the source and, where it applies, the time of the first bad sample.
    """
    if samples.size == 0:
        raise AudioError(f"{name}: it holds no samples; record or download it again")
    # NaN fails every comparison, so two passes find all three faults.
    if samples.min() >= -MAX_PEAK and samples.max() <= MAX_PEAK:
        return
    bad = ~np.isfinite(samples).all(axis=1)
    if bad.any():
        raise AudioError(
            f"{name}: {np.count_nonzero(bad)} of {len(samples)} samples are NaN or infinite, "
            f"the first at {start + np.argmax(bad) / rate:.3f} s; "
            f"repair or leave out this recording"
        )
    raise AudioError(
        f"{name}: samples reach {np.abs(samples).max():g}, far beyond full scale (1.0); "
        f"if they are 16-bit integers stored as floats, divide them by 32768"
    )


def _with_channels(values: NDArray[Any]) -> NDArray[Any]:
    """Return the array as [samples, channels], or raise an error with the expected shape."""
    if values.ndim == 1:
        return values[:, None]
    if values.ndim != 2:
        raise AudioError(
            f"{ARRAY_NAME}: its shape is {values.shape}; "
            f"expected one recording as [samples] or [samples, channels]"
        )
    if values.shape[1] > values.shape[0] > 0:
        raise AudioError(
            f"{ARRAY_NAME}: its shape {values.shape} looks like [channels, samples]; "
            f"expected [samples, channels], so pass array.T"
        )
    return values


def _sample_kind(values: NDArray[Any]) -> str:
    """Return the type that tells the scale of the values; empty for floats.

    Raises
    ------
    AudioError
        If values of that type are no samples.
    """
    if values.dtype.kind == "f":
        return ""
    kind = str(values.dtype.name)
    if kind == "int64":
        if values.size and (values.min() < -(2**15) or values.max() >= 2**15):
            raise AudioError(
                f"{ARRAY_NAME}: its int64 values go from {values.min()} to {values.max()}, "
                f"beyond 16 bits, so their full scale is unknown; "
                f"convert them to int16 or int32, or to floats within [-1, 1]"
            )
        kind = "int16"
    if kind not in _FULL_SCALE:
        raise AudioError(
            f"{ARRAY_NAME}: values of type {values.dtype} are not samples; "
            f"expected floats within [-1, 1], or int16, int32 or uint8"
        )
    return kind


def _as_float(values: NDArray[Any], kind: str) -> NDArray[np.float32]:
    """Return the values as float32, integers scaled to [-1, 1)."""
    if not kind:
        with np.errstate(over="ignore"):  # a float64 beyond float32 becomes inf: refused later
            return np.array(values, dtype=np.float32, order="C")
    floats = values.astype(np.float64 if kind == "int32" else np.float32, order="C")
    if kind == "uint8":
        floats -= 128.0
    floats /= _FULL_SCALE[kind]
    return floats.astype(np.float32, copy=False)
