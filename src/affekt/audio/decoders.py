"""Decode an open recording: soundfile where it can, PyAV (FFmpeg) for the rest.

soundfile starts fastest and reads wav, flac, ogg, opus and aiff. PyAV reads m4a, webm and what
else soundfile refuses. MP3 goes to PyAV at once: the mpg123 library inside soundfile writes its
warnings straight to the process's stderr and cannot be told not to.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from affekt.errors import AudioError

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from soundfile import SoundFile

READABLE = "wav, flac, mp3, ogg, opus, aiff, m4a, webm"

# Containers that PyAV may open. Playlists (hls, concat, dash) are left out on purpose: they
# name other files and addresses, which a recording from a stranger must not make us open.
_PYAV_FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,eac3,flac,flv,matroska,mov,mp3,mpeg,mpegts,ogg,tta,w64,"
    "wav,wv"
)
# Those whose header states the exact length, so that a cut can be told from an end.
_EXACT_FORMATS = frozenset({"aiff", "caf", "flac", "mov", "w64", "wav"})
_STREAMED_SIZE = 0x7FFF_0000  # bytes; programs that write to a pipe put this or more in the header
_MAX_FRAMES = 2**40  # a streamed flac leaves its length open, and libsndfile reports 2**63 - 1
_MAX_CHUNKS = 1000  # before the samples; ends the search in a file of zeros


def decode_stream(
    stream: IO[bytes], name: str, max_duration: float | None = None
) -> tuple[NDArray[np.float32], int]:
    """Decode a recording.

    Parameters
    ----------
    stream : binary file
        Seekable, at its start. An unbuffered file is handed to soundfile by its descriptor.
    name : str
        What messages call it.
    max_duration : float, optional
        Refuse what is longer, in seconds. Decoding stops there, whatever the header says.

    Returns
    -------
    samples : np.ndarray [shape=(samples, channels)]
        float32; may be empty.
    rate : int
        Samples per second, in Hz.

    Raises
    ------
    AudioError
        If the content is empty, unknown, damaged, cut short or too long.
    """
    head = stream.read(12)
    if not head:
        raise AudioError(f"{name}: it is empty (0 bytes); record or download it again")
    refuse_cut_chunk(stream, head, name)
    stream.seek(0)
    decoded = None if is_mpeg(head) else _read_soundfile(stream, name, max_duration)
    if decoded is not None and len(decoded[0]) > 0:
        return decoded
    stream.seek(0)
    try:
        return _read_pyav(stream, name, max_duration)
    except AudioError:
        if decoded is not None:  # soundfile understood the header: nothing follows it
            return decoded
        raise


def is_mpeg(head: bytes) -> bool:
    """Tell an MPEG audio frame (11 set bits) or an ID3 tag, which MP3 files begin with."""
    return head[:3] == b"ID3" or (head[:1] == b"\xff" and head[1:2] >= b"\xe0")


def refuse_cut_chunk(stream: IO[bytes], head: bytes, name: str) -> None:
    """Raise if the samples of a wav or aiff file are fewer than its header promises.

    libsndfile reads what is left without a word. One per cent may miss: some programs
    count a few bytes too many.
    """
    kind, form = head[:4], head[8:12]
    if kind in (b"RIFF", b"RIFX") and form == b"WAVE":
        wanted = b"data"
    elif kind == b"FORM" and form in (b"AIFF", b"AIFC"):
        wanted = b"SSND"
    else:
        return
    header = struct.Struct("<4sI" if kind == b"RIFF" else ">4sI")
    end = stream.seek(0, io.SEEK_END)
    position = len(head)
    for _ in range(_MAX_CHUNKS):
        if position + header.size > end:
            return
        stream.seek(position)
        chunk, promised = header.unpack(stream.read(header.size))
        position += header.size
        if chunk == wanted:
            break
        position += promised + promised % 2  # chunks are padded to an even length
    else:
        return
    present = end - position
    if promised < _STREAMED_SIZE and present < 0.99 * promised:
        raise AudioError(
            f"{name}: it is cut short: its header promises {promised} bytes of samples, "
            f"{present} are there; record or download it again"
        )


def _check_length(frames: int, rate: int, name: str, max_duration: float | None) -> None:
    if max_duration is not None and rate > 0 and frames > max_duration * rate:
        raise AudioError(f"{name}: it is longer than {max_duration:g} s; give a shorter part of it")


def _read_soundfile(
    stream: IO[bytes], name: str, max_duration: float | None
) -> tuple[NDArray[np.float32], int] | None:
    """Decode with soundfile; None where it refuses."""
    import soundfile

    try:
        with open_soundfile(stream) as file:
            if file is None:
                return None
            _check_length(file.frames, file.samplerate, name, max_duration)
            samples = file.read(dtype="float32", always_2d=True)  # [samples, channels]
            return samples, file.samplerate
    except (soundfile.LibsndfileError, MemoryError):  # MemoryError: the header lies
        return None


@contextmanager
def open_soundfile(stream: IO[bytes]) -> Iterator[SoundFile | None]:
    """Open a seekable file with soundfile; None where it refuses."""
    import soundfile

    # By descriptor, libsndfile reads for itself instead of calling back into Python for each
    # block, and does not judge by the file's extension. Windows descriptors do not cross DLLs.
    by_descriptor = isinstance(stream, io.FileIO) and os.name == "posix"
    source = stream.fileno() if by_descriptor else stream
    try:
        file = soundfile.SoundFile(source, closefd=False)
    except (soundfile.LibsndfileError, TypeError):  # TypeError: a name ending in .raw
        yield None
        return
    with file:
        yield file if file.frames <= _MAX_FRAMES else None


def _read_pyav(
    stream: IO[bytes], name: str, max_duration: float | None
) -> tuple[NDArray[np.float32], int]:
    """Decode the first audio track with PyAV."""
    blocks = []
    rate = length = 0
    for block, rate in pyav_blocks(stream, name):
        length += len(block)
        _check_length(length, rate, name, max_duration)
        blocks.append(block)
    return (np.concatenate(blocks) if blocks else np.empty((0, 1), dtype=np.float32)), rate


def pyav_blocks(
    stream: IO[bytes], name: str, options: Mapping[str, str] | None = None
) -> Iterator[tuple[NDArray[np.float32], int]]:
    """Decode the first audio track with PyAV, packet by packet.

    Parameters
    ----------
    stream : binary file
        At its start; need not be seekable.
    name : str
        What messages call it.
    options : mapping, optional
        More options of FFmpeg.

    Yields
    ------
    samples : np.ndarray [shape=(samples, channels)]
    rate : int
        Hz; 0 beside the empty block of a track without a sample.

    Raises
    ------
    AudioError
        If the content is unknown, damaged or cut short; what was decoded before is out by then.
    """
    import av

    try:
        with av.open(
            stream,
            mode="r",
            options={"format_whitelist": _PYAV_FORMATS, **(options or {})},
            metadata_errors="ignore",  # old tags are in any encoding
        ) as container:
            if not container.streams.audio:
                raise AudioError(f"{name}: it holds no audio track; give a file that does")
            track = container.streams.audio[0]
            if track.codec_context is None:  # PyAV before 18 crashes when asked to decode it
                raise AudioError(f"{name}: its codec is not known; convert it to wav or flac first")
            yield from _track_blocks(container, track, name)
    except av.DecoderNotFoundError:
        raise AudioError(
            f"{name}: its codec is not known; convert it to wav or flac first"
        ) from None
    except (av.FFmpegError, ValueError):  # ValueError: the format changes midway
        raise AudioError(
            f"{name}: it is not audio that can be read; expected one of {READABLE}, undamaged"
        ) from None


def _track_blocks(
    container: InputContainer, track: AudioStream, name: str
) -> Iterator[tuple[NDArray[np.float32], int]]:
    """Decode all packets of a track; a broken packet is left out, many are an error."""
    import av

    to_float = av.AudioResampler(format="fltp")  # keeps rate and channels
    seconds = _exact_length(container, track)
    packets = broken = length = channels = 0
    rate = track.rate
    for packet in container.demux(track):
        packets += 1
        try:
            frames = packet.decode()
        except (av.InvalidDataError, av.EOFError):
            broken += 1  # the last packet of a stream that was cut, as a rule
            continue
        for frame in frames:
            rate = frame.sample_rate if not length else rate
            for part in to_float.resample(frame):
                block = part.to_ndarray().astype(np.float32, copy=False).T
                channels = channels or block.shape[1]
                if block.shape[1] != channels:
                    broken += 1  # what a damaged packet says of itself
                    continue
                if seconds is not None:  # the padding of the last packet is no sound
                    block = block[: max(0, round(seconds * rate) - length)]
                length += len(block)
                yield np.ascontiguousarray(block), rate
    if broken > max(1, packets // 10):
        raise AudioError(
            f"{name}: it is damaged: {broken} of {packets} packets cannot be decoded; "
            f"record or download it again"
        )
    if length == 0:
        yield np.empty((0, 1), dtype=np.float32), rate
    elif seconds is not None and length / rate < seconds - max(0.1, 0.01 * seconds):
        raise AudioError(
            f"{name}: it is cut short or damaged: its header promises {seconds:.2f} s, "
            f"{length / rate:.2f} s can be read; record or download it again"
        )


def _exact_length(container: InputContainer, track: AudioStream) -> float | None:
    """Seconds that the header promises; None where it only estimates them."""
    if not track.duration or not track.time_base:
        return None
    if not _EXACT_FORMATS.intersection(container.format.name.split(",")):
        return None
    return float(track.duration * track.time_base)
