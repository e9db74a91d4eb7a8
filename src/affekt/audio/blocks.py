"""Decode a recording block by block, so that hours of it need no more memory than seconds."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from affekt.audio.arrays import check_samples, read_array
from affekt.audio.decoders import is_mpeg, open_soundfile, pyav_blocks, refuse_cut_chunk
from affekt.audio.load import AudioSource, open_path, source_name
from affekt.audio.resample import checked_rate
from affekt.errors import AudioError

Blocks = Iterator[tuple[NDArray[np.float32], int]]
"""Samples [samples, channels] in order, each with the rate of all in Hz."""

BLOCK_SECONDS = 10.0

_LIVE_OPTIONS = {"probesize": "4096", "analyzeduration": "0"}  # begin with the first packets


def decode_blocks(source: AudioSource, *, seconds: float = BLOCK_SECONDS) -> Blocks:
    """Decode a recording as it is, block by block.

    Parameters
    ----------
    source : path, bytes, binary file, or (array, rate)
        Anything that :func:`affekt.audio.decode` reads. Pipes and binary files are read as
        their content is needed.
    seconds : float
        Length of a block, about.

    Yields
    ------
    samples : np.ndarray [shape=(samples, channels)]
        float32, finite, not empty.
    rate : int
        Samples per second, in Hz.

    Raises
    ------
    AudioError
        If the recording cannot be read; what is before the fault has come out by then.
    """
    name = source_name(source)
    return _checked(_blocks(source, name, seconds), name)


def decode_live(stream: IO[bytes], name: str) -> Blocks:
    """Decode what is being recorded right now, as soon as it can be heard.

    Parameters
    ----------
    stream : binary file
        A pipe that carries wav, webm, ogg or another format that FFmpeg reads as it comes.
    name : str
        What messages call it.
    """
    return _checked(pyav_blocks(cast(IO[bytes], Pipe(stream, name)), name, _LIVE_OPTIONS), name)


class Pipe:
    """A file that can only be read forward, as PyAV wants it."""

    def __init__(self, file: Any, name: str) -> None:
        self._file = file
        self._name = name

    def read(self, size: int) -> bytes:
        """Read at most so many bytes; fewer where no more are there yet."""
        read = getattr(self._file, "read1", self._file.read)
        try:
            content = read(size)
        except (OSError, ValueError) as error:  # ValueError: it is closed
            raise AudioError(f"{self._name}: it cannot be read: {error}") from None
        if not isinstance(content, bytes):
            raise AudioError(f"{self._name}: it is open as text; open it with mode 'rb'")
        return content


def _blocks(source: AudioSource, name: str, seconds: float) -> Blocks:
    if isinstance(source, tuple):
        if len(source) != 2:
            raise AudioError(f"{name}: expected (array, rate), not {len(source)} values")
        samples, rate = read_array(*source)
        size = max(1, round(seconds * rate))
        for start in range(0, len(samples), size):
            yield samples[start : start + size], rate
    elif isinstance(source, (bytes, bytearray, memoryview)):
        yield from _seekable_blocks(io.BytesIO(source), name, seconds)
    elif isinstance(source, (str, os.PathLike)):
        with open_path(source, name) as file:
            if file.seekable():
                yield from _seekable_blocks(file, name, seconds)
            else:
                yield from pyav_blocks(cast(IO[bytes], Pipe(file, name)), name)
    elif hasattr(source, "read"):
        yield from pyav_blocks(cast(IO[bytes], Pipe(source, name)), name)
    elif hasattr(source, "__array__") or isinstance(source, list):
        raise AudioError(f"{name}: an array needs its sample rate; pass (array, rate)")
    else:
        raise AudioError(
            f"cannot load audio from {type(source).__name__}: "
            f"expected a path, bytes, a binary file or (array, rate)"
        )


def _seekable_blocks(stream: IO[bytes], name: str, seconds: float) -> Blocks:
    head = stream.read(12)
    if not head:
        raise AudioError(f"{name}: it is empty (0 bytes); record or download it again")
    refuse_cut_chunk(stream, head, name)
    stream.seek(0)
    if not is_mpeg(head):
        found = False
        for block in _soundfile_blocks(stream, name, seconds):
            found = True
            yield block
        if found:
            return
        stream.seek(0)
    yield from pyav_blocks(stream, name)


def _soundfile_blocks(stream: IO[bytes], name: str, seconds: float) -> Blocks:
    """Yield nothing where soundfile refuses."""
    import soundfile

    with open_soundfile(stream) as file:
        if file is None:
            return
        read = 0
        while True:
            try:
                size = max(1, round(seconds * file.samplerate))
                block = file.read(size, dtype="float32", always_2d=True)  # [samples, channels]
            except (soundfile.LibsndfileError, MemoryError) as error:
                if read == 0:
                    return
                if isinstance(error, MemoryError):
                    raise
                raise AudioError(
                    f"{name}: it is damaged after {read / file.samplerate:.2f} s; "
                    f"record or download it again"
                ) from None
            if len(block) == 0:
                return
            read += len(block)
            yield block, file.samplerate


def _checked(blocks: Blocks, name: str) -> Blocks:
    """Refuse what is not finite or far beyond full scale, and a recording without a sample."""
    count = 0
    for samples, rate in blocks:
        if len(samples) == 0:
            continue
        checked_rate(rate, name)
        check_samples(samples, rate, name, start=count / rate)
        count += len(samples)
        yield samples, rate
    if count == 0:
        raise AudioError(f"{name}: it holds no samples; record or download it again")
