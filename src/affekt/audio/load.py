"""Load a recording, wherever it comes from, as the float32 samples that a model hears."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from affekt.audio.arrays import ARRAY_NAME, check_samples, mix_down, read_array
from affekt.audio.decoders import decode_stream
from affekt.audio.resample import SAMPLE_RATE, checked_rate, resample
from affekt.errors import AudioError

AudioSource: TypeAlias = "str | os.PathLike[str] | bytes | BinaryIO | tuple[NDArray[Any], int]"
"""A path, the bytes of a file, an open binary file, or samples with their rate in Hz."""


def load_audio(source: AudioSource, *, sample_rate: int = SAMPLE_RATE) -> NDArray[np.float32]:
    """Load a recording as mono samples at one rate.

    Channels are mixed by their mean, then resampled by soxr (HQ).

    Parameters
    ----------
    source : path, bytes, binary file, or (array, rate)
        Anything that `decode` reads.
    sample_rate : int
        The rate wanted, in Hz.

    Returns
    -------
    np.ndarray [shape=(samples,)]
        float32, C-contiguous, never empty, finite, nominally within [-1, 1].

    Raises
    ------
    AudioError
        If the recording cannot be read; the message names it and says what to do.

    Examples
    --------
    >>> load_audio((np.array([0, 16384, -32768], dtype=np.int16), 16000))
    array([ 0. ,  0.5, -1. ], dtype=float32)
    """
    target_rate = checked_rate(sample_rate, "load_audio")
    samples, rate = decode(source)  # [samples, channels]
    return resample(mix_down(samples), rate, target_rate)


def decode(
    source: AudioSource, *, max_duration: float | None = None
) -> tuple[NDArray[np.float32], int]:
    """Decode a recording as it is: all channels, its own rate.

    Parameters
    ----------
    source : path, bytes, binary file, or (array, rate)
        A binary file is read from where it stands to its end and left open. An array is
        [samples] or [samples, channels]; integers are scaled by their type.
    max_duration : float, optional
        Refuse what is longer, in seconds. A file is decoded no further than that, so that a
        small one which holds hours costs little.

    Returns
    -------
    samples : np.ndarray [shape=(samples, channels)]
        float32, never empty, finite.
    rate : int
        Samples per second, in Hz.

    Raises
    ------
    AudioError
        If the recording cannot be read; the message names it and says what to do.
    """
    name = source_name(source)
    if isinstance(source, tuple):
        if len(source) != 2:
            raise AudioError(f"{name}: expected (array, rate), not {len(source)} values")
        samples, rate = read_array(*source)
    else:
        with _opened(source, name) as stream:
            samples, rate = decode_stream(stream, name, max_duration)
    check_samples(samples, rate, name)
    return samples, checked_rate(rate, name)


def source_name(source: object) -> str:
    """Return what messages call a source: its path, or what kind of thing it is."""
    if isinstance(source, (str, os.PathLike)):
        return str(os.fspath(source))
    if isinstance(source, (bytes, bytearray, memoryview)):
        return "audio bytes"
    if hasattr(source, "read"):
        name = getattr(source, "name", None)
        return name if isinstance(name, str) else "audio stream"
    return ARRAY_NAME


@contextmanager
def _opened(source: object, name: str) -> Iterator[IO[bytes]]:
    """Open a source as a seekable binary file at its start; close it only if it was opened here."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        yield io.BytesIO(source)
    elif isinstance(source, (str, os.PathLike)):
        with open_path(source, name) as file:
            # A pipe, such as /dev/stdin, cannot go back to its start.
            yield file if file.seekable() else io.BytesIO(file.read())
    elif hasattr(source, "read"):
        yield io.BytesIO(_read_all(source, name))
    elif hasattr(source, "__array__") or isinstance(source, list):
        raise AudioError(f"{name}: an array needs its sample rate; pass (array, rate)")
    else:
        raise AudioError(
            f"cannot load audio from {type(source).__name__}: "
            f"expected a path, bytes, a binary file or (array, rate)"
        )


def open_path(path: str | os.PathLike[str], name: str) -> io.FileIO:
    """Open a file for reading, unbuffered so that decoders may take its descriptor."""
    try:
        return io.FileIO(os.fspath(path), "rb")
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        if os.path.isdir(path) and not isinstance(error, ValueError):
            reason = "it is a folder, not a recording; give the files in it"
        elif isinstance(error, FileNotFoundError):
            reason = "no such file; check the path"
            if "://" in name:
                reason = "addresses are not fetched; download the file and give its path"
        elif isinstance(error, PermissionError):
            reason = "permission denied; make the file and its folders readable for you"
        else:
            reason = f"it cannot be opened: {getattr(error, 'strerror', None) or error}"
        raise AudioError(f"{name}: {reason}") from None


def _read_all(file: Any, name: str) -> bytes:
    """Read the rest of an open binary file."""
    try:
        content = file.read()
    except (OSError, ValueError) as error:  # ValueError: it is closed
        raise AudioError(f"{name}: it cannot be read: {error}") from None
    if not isinstance(content, bytes):
        raise AudioError(f"{name}: it is open as text; open it with mode 'rb'")
    if not content:
        raise AudioError(f"{name}: nothing is left to read; rewind it with seek(0)")
    return content
