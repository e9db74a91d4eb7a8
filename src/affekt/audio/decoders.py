"""Decode an open recording: soundfile where it can, PyAV (FFmpeg) for the rest.

soundfile starts fastest and reads wav, flac, ogg, opus and aiff. PyAV reads m4a, webm and what
else soundfile refuses. MP3 goes to PyAV at once: the mpg123 library inside soundfile writes its
warnings straight to the process's stderr and cannot be told not to.
"""

from __future__ import annotations

import io
import os
import struct
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from affekt.errors import AudioError

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer

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
    _refuse_cut_chunk(stream, head, name)
    stream.seek(0)
    decoded = None if _is_mpeg(head) else _read_soundfile(stream, name, max_duration)
    if decoded is not None and len(decoded[0]) > 0:
        return decoded
    stream.seek(0)
    try:
        return _read_pyav(stream, name, max_duration)
    except AudioError:
        if decoded is not None:  # soundfile understood the header: nothing follows it
            return decoded
        raise


def _is_mpeg(head: bytes) -> bool:
    """Tell an MPEG audio frame (11 set bits) or an ID3 tag, which MP3 files begin with."""
    return head[:3] == b"ID3" or (head[:1] == b"\xff" and head[1:2] >= b"\xe0")


def _refuse_cut_chunk(stream: IO[bytes], head: bytes, name: str) -> None:
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

    # By descriptor, libsndfile reads for itself instead of calling back into Python for each
    # block, and does not judge by the file's extension. Windows descriptors do not cross DLLs.
    by_descriptor = isinstance(stream, io.FileIO) and os.name == "posix"
    try:
        with soundfile.SoundFile(
            stream.fileno() if by_descriptor else stream, closefd=False
        ) as file:
            if file.frames > _MAX_FRAMES:
                return None
            _check_length(file.frames, file.samplerate, name, max_duration)
            samples = file.read(dtype="float32", always_2d=True)  # [samples, channels]
            return samples, file.samplerate
    except (soundfile.LibsndfileError, TypeError, MemoryError):
        # TypeError: a name ending in .raw has no header. MemoryError: the header lies.
        return None


def _read_pyav(
    stream: IO[bytes], name: str, max_duration: float | None
) -> tuple[NDArray[np.float32], int]:
    """Decode the first audio track with PyAV."""
    import av

    try:
        with av.open(
            stream,
            mode="r",
            options={"format_whitelist": _PYAV_FORMATS},
            metadata_errors="ignore",  # old tags are in any encoding
        ) as container:
            if not container.streams.audio:
                raise AudioError(f"{name}: it holds no audio track; give a file that does")
            track = container.streams.audio[0]
            if track.codec_context is None:  # PyAV before 18 crashes when asked to decode it
                raise AudioError(f"{name}: its codec is not known; convert it to wav or flac first")
            return _decode_track(container, track, name, max_duration)
    except av.DecoderNotFoundError:
        raise AudioError(
            f"{name}: its codec is not known; convert it to wav or flac first"
        ) from None
    except (av.FFmpegError, ValueError):  # ValueError: the format changes midway
        raise AudioError(
            f"{name}: it is not audio that can be read; expected one of {READABLE}, undamaged"
        ) from None


def _decode_track(
    container: InputContainer, track: AudioStream, name: str, max_duration: float | None
) -> tuple[NDArray[np.float32], int]:
    """Decode all packets of a track; a broken packet is left out, many are an error."""
    import av

    to_float = av.AudioResampler(format="fltp")  # keeps rate and channels
    blocks: list[NDArray[np.float32]] = []  # each [channels, samples]
    packets = broken = rate = length = 0
    for packet in container.demux(track):
        packets += 1
        try:
            frames = packet.decode()
        except (av.InvalidDataError, av.EOFError):
            broken += 1  # the last packet of a stream that was cut, as a rule
            continue
        for frame in frames:
            rate = rate or frame.sample_rate
            length += frame.samples
            _check_length(length, rate, name, max_duration)
            blocks += (
                block.to_ndarray().astype(np.float32, copy=False)
                for block in to_float.resample(frame)
            )
    if broken > max(1, packets // 10):
        raise AudioError(
            f"{name}: it is damaged: {broken} of {packets} packets cannot be decoded; "
            f"record or download it again"
        )
    if not blocks:
        return np.empty((0, 1), dtype=np.float32), rate or track.rate
    samples = np.concatenate(blocks, axis=1).T  # [samples, channels]
    if track.duration and track.time_base:
        formats = container.format.name.split(",")
        if _EXACT_FORMATS.intersection(formats):
            seconds = float(track.duration * track.time_base)
            samples = _of_length(samples, rate, seconds, name)
    return np.ascontiguousarray(samples), rate


def _of_length(
    samples: NDArray[np.float32], rate: int, seconds: float, name: str
) -> NDArray[np.float32]:
    """Drop the padding of the last packet, or raise if much is missing."""
    found = len(samples) / rate
    if found < seconds - max(0.1, 0.01 * seconds):
        raise AudioError(
            f"{name}: it is cut short or damaged: its header promises {seconds:.2f} s, "
            f"{found:.2f} s can be read; record or download it again"
        )
    return samples[: round(seconds * rate)]
