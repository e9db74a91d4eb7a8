"""WAV: its header, and plain PCM, which needs no decoder and no seeking.

RIFF, RIFX (big-endian) and RF64 are read, with integers of 8 to 32 bits or floats of 32 and 64,
also as WAVE_FORMAT_EXTENSIBLE. Samples of 24 bits in containers of 32 are read by their container,
whose high bits they fill.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affekt.audio.source import Input
from affekt.errors import AudioError

_STREAMED_SIZE = 0x7FFF_0000  # bytes; programs that write to a pipe put this or more in the header
_HEADER_SIZE = 1 << 20  # bytes within which the samples must begin
_BLOCK_BYTES = 1 << 23
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_GUID = bytes.fromhex("000000001000800000aa00389b71")  # of subformats that are plain tags
# What may follow samples; after a size of 0 it tells an empty recording from a streamed one.
_OTHER_CHUNKS = (b"LIST", b"id3 ", b"ID3 ", b"bext", b"cue ", b"smpl", b"PEAK", b"fact", b"JUNK")


@dataclass(frozen=True)
class _WavHeader:
    """The sample format of a WAV file.

    Attributes
    ----------
    rate : int
        Hz.
    channels : int
    tag : int
        The encoding, as registered by Microsoft.
    sample_type : str
        ``u1``, ``i2``, ``i3``, ``i4``, ``f4`` or ``f8``, with its byte order; empty for what is
        not plain PCM.
    start : int
        Bytes before the samples.
    size : int or None
        Bytes of the samples; None where the writer did not know.
    """

    rate: int
    channels: int
    tag: int
    sample_type: str
    start: int
    size: int | None

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return self.channels * int(self.sample_type[-1])


def read_header(source: Input) -> _WavHeader | None:
    """Return the header of a WAV file without taking it; None for everything else."""
    head = source.peek(12)
    if head[:4] not in (b"RIFF", b"RIFX", b"RF64", b"BW64") or head[8:12] != b"WAVE":
        return None
    order = ">" if head[:4] == b"RIFX" else "<"
    position, found, long_size = 12, None, None
    while position + 8 <= _HEADER_SIZE:
        chunk = source.peek(position + 8)[position:]
        if len(chunk) < 8:
            return None
        name, size = struct.unpack(f"{order}4sI", chunk)
        position += 8
        if name == b"data":
            if found is None:
                return None
            bytes_ = _data_size(source, position, size, long_size)
            return _WavHeader(*found, position, bytes_)
        if name in (b"fmt ", b"ds64") and size <= 4096:
            content = source.peek(position + size)[position:]
            if name == b"fmt ":
                found = _sample_format(content, order)
                if found is None:
                    return None
            elif len(content) >= 16:
                long_size = struct.unpack_from("<Q", content, 8)[0]
        position += size + size % 2  # chunks are padded to an even length
    return None


def _sample_format(content: bytes, order: str) -> tuple[int, int, int, str] | None:
    """Return rate, channels, tag and type of the samples; None for what makes no sense."""
    if len(content) < 16:
        return None
    tag, channels, rate, _, frame_bytes, bits = struct.unpack_from(f"{order}HHIIHH", content)
    if tag == _EXTENSIBLE and len(content) >= 40 and content[26:40] == _GUID:
        tag = struct.unpack_from(f"{order}H", content, 24)[0]
    if channels == 0 or rate == 0:
        return None
    width = frame_bytes // channels  # the container, which the bits may fill in part
    if frame_bytes % channels or not 0 < bits <= 8 * width or (tag == _FLOAT and bits % 32):
        return rate, channels, tag, ""
    kinds = {(_PCM, 1): "u1", (_PCM, 2): "i2", (_PCM, 3): "i3", (_PCM, 4): "i4"}
    kinds |= {(_FLOAT, 4): "f4", (_FLOAT, 8): "f8"}
    kind = kinds.get((tag, width))
    return rate, channels, tag, f"{order}{kind}" if kind else ""


def _data_size(source: Input, position: int, size: int, long_size: int | None) -> int | None:
    if long_size is not None and size >= _STREAMED_SIZE:
        size = long_size
    elif size >= _STREAMED_SIZE:
        return None
    if size == 0:  # empty, or written to a pipe
        rest = source.peek(position + 4)[position:]
        return 0 if not rest or rest in _OTHER_CHUNKS else None
    return size


def wav_blocks(
    source: Input, header: _WavHeader, seconds: float, *, live: bool = False
) -> Iterator[NDArray[np.float32]]:
    """Yield the samples of a WAV file block by block.

    Parameters
    ----------
    source : Input
        Where the header was read.
    header : WavHeader
    seconds : float
        Length of a block, at most.
    live : bool
        Whether each block comes as soon as there are any samples.

    Yields
    ------
    np.ndarray [shape=(samples, channels)]
        float32, not empty.

    Raises
    ------
    AudioError
        After the last sample of a file that holds less than 99 % of what its header promises.
    """
    source.read_all(header.start)
    unit = header.frame_bytes
    most = max(1, min(round(seconds * header.rate), _BLOCK_BYTES // unit)) * unit
    present, rest = 0, b""
    while header.size is None or present < header.size:
        wanted = most if header.size is None else min(most, header.size - present)
        content = source.read(wanted) if live else source.read_all(wanted)
        if not content:
            break
        present += len(content)
        content = rest + content
        whole = len(content) // unit * unit
        rest = content[whole:]
        if whole:
            yield _as_float(content[:whole], header)
    # A few bytes may miss: some programs count them wrongly.
    if header.size is not None and not live and present < 0.99 * header.size:
        raise AudioError(
            f"{source.name}: it is cut short: its header promises {header.size} bytes of samples, "
            f"{present} are there; record or download it again"
        )


def _as_float(content: bytes, header: _WavHeader) -> NDArray[np.float32]:
    kind = header.sample_type
    if kind[1:] == "i3":  # as the high bytes of four
        padded = np.zeros((len(content) // 3, 4), dtype=np.uint8)
        place = slice(1, 4) if kind[0] == "<" else slice(0, 3)
        padded[:, place] = np.frombuffer(content, dtype=np.uint8).reshape(-1, 3)
        values = padded.view(f"{kind[0]}i4")[:, 0]
    else:
        values = np.frombuffer(content, dtype=kind)
    if kind[1] == "f":
        with np.errstate(over="ignore"):  # a double beyond float32 becomes inf: refused later
            samples = values.astype(np.float32)
    elif kind[1:] == "u1":
        samples = values.astype(np.float32)
        samples -= 128
        samples /= 128
    else:
        scale = 2.0**15 if kind[1:] == "i2" else 2.0**31
        samples = values.astype(np.float32)
        samples /= scale
    return samples.reshape(-1, header.channels)
