"""Decode a recording block by block: one way for every kind of file and every kind of source.

PCM in WAV is read here (`wav`), libsndfile decodes Ogg and what FFmpeg does not know, and FFmpeg
everything else (`ffmpeg`). Formats that lose nothing by it are read forward from every source, all
others from a file that can be sought in, so that a path, bytes, an open file and a pipe give the
same samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import IO, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from affekt.audio.align import BLOCK_SECONDS, Aligner, Blocks
from affekt.audio.arrays import array_blocks, check_samples
from affekt.audio.ffmpeg import AudioTrack, Piece, UnreadableError
from affekt.audio.resample import checked_rate
from affekt.audio.source import (
    AudioSource,
    Input,
    Window,
    empty_error,
    open_input,
    source_name,
)
from affekt.audio.wav import read_header, wav_blocks
from affekt.errors import AudioError

_LIBSNDFILE_TAGS = (0x38, 0x40)
"""Encodings in WAV that FFmpeg reads wrongly: the ADPCM of NMS, and G.721."""

_MOST_DAMAGED = 0.1  # of all packets; one may always be
_MOST_FRAMES = 2**40  # libsndfile reports 2**63 - 1 where a header leaves the length open


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
    blocks, rate = [], 0
    for block, rate in Recording(source, max_duration=max_duration):  # noqa: B007  # the last one
        blocks.append(block)
    return (np.concatenate(blocks) if len(blocks) > 1 else blocks[0]), rate


def decode_blocks(source: AudioSource, *, seconds: float = BLOCK_SECONDS) -> Blocks:
    """Decode a recording as it is, block by block.

    Parameters
    ----------
    source : path, bytes, binary file, or (array, rate)
        Anything that :func:`decode` reads.
    seconds : float
        Length of a block, about.

    Yields
    ------
    samples : np.ndarray [shape=(samples, channels)]
        float32, finite, not empty; all blocks have as many channels.
    rate : int
        Samples per second, in Hz; the same for all blocks.

    Raises
    ------
    AudioError
        If the recording cannot be read; what is before the fault has come out by then.
    """
    return iter(Recording(source, seconds=seconds))


def decode_live(stream: BinaryIO, name: str) -> Blocks:
    """Decode a recording in progress, as soon as its samples are known.

    Parameters
    ----------
    stream : binary file
        A pipe that carries wav, webm, ogg or another format that FFmpeg reads as it comes.
    name : str
        What messages call it.
    """
    return iter(Recording(stream, live=True, name=name))


class Recording:
    """A recording that is decoded while it is iterated over, once.

    Parameters
    ----------
    source : path, bytes, binary file, or (array, rate)
    seconds : float
        Length of a block, about.
    max_duration : float, optional
        Refuse what is longer, in seconds.
    live : bool
        Whether samples come as soon as they are known, from a file that is not sought in.
    name : str, optional
        What messages call it.

    Attributes
    ----------
    name : str
    damaged : int
        Packets that could not be decoded by now, and were left out.
    """

    def __init__(
        self,
        source: AudioSource,
        *,
        seconds: float = BLOCK_SECONDS,
        max_duration: float | None = None,
        live: bool = False,
        name: str = "",
    ) -> None:
        self.name = name or source_name(source)
        self.damaged = 0
        self._source = source
        self._seconds = seconds
        self._most = max_duration
        self._live = live

    def __iter__(self) -> Blocks:
        """Yield blocks as :func:`decode_blocks` does."""
        count = 0
        for samples, rate in self._blocks():
            checked_rate(rate, self.name)
            self._check_length(count + len(samples), rate)
            check_samples(samples, rate, self.name, start=count / rate)
            count += len(samples)
            yield samples, rate
        if count == 0:
            raise AudioError(f"{self.name}: it holds no samples; record or download it again")

    def _check_length(self, length: int, rate: int) -> None:
        if self._most is not None and length > self._most * rate:
            raise AudioError(
                f"{self.name}: it is longer than {self._most:g} s; give a shorter part of it"
            )

    def _blocks(self) -> Blocks:
        if isinstance(self._source, tuple):
            yield from self._array_blocks(self._source)
            return
        with closing(open_input(self._source, self.name)) as source:
            if source.is_empty():
                raise empty_error(source)
            header = read_header(source)
            if header is not None and header.sample_type:
                checked_rate(header.rate, self.name)
                if header.size is not None:
                    self._check_length(header.size // header.frame_bytes, header.rate)
                for samples in wav_blocks(source, header, self._seconds, live=self._live):
                    yield samples, header.rate
            elif self._live or _reads_forward(source.peek(12)):
                yield from self._ffmpeg_blocks(source.forward())
            elif source.peek(4) == b"OggS":
                yield from self._ogg_blocks(source)
            elif header is not None and header.tag in _LIBSNDFILE_TAGS:
                yield from self._soundfile_blocks(source)
            else:
                yield from self._seekable_blocks(source)

    def _array_blocks(self, source: tuple[NDArray[np.float32], int]) -> Blocks:
        if len(source) != 2:
            raise AudioError(f"{self.name}: expected (array, rate), not {len(source)} values")
        yield from array_blocks(*source, self._seconds)

    def _seekable_blocks(self, source: Input) -> Blocks:
        """Yield what FFmpeg decodes, or libsndfile where FFmpeg cannot."""
        try:
            yield from self._ffmpeg_blocks(source.rewound())
        except UnreadableError as error:
            yield from self._soundfile_blocks(source, error)

    def _soundfile_blocks(self, source: Input, refusal: AudioError | None = None) -> Blocks:
        aligner = self._aligner()
        for piece in _soundfile_pieces(source.rewound(), self.name, self._seconds):
            yield from aligner.add(piece)
        if not aligner.length and refusal is not None:
            raise refusal from None
        yield from aligner.finish()

    def _ogg_blocks(self, source: Input) -> Blocks:
        """Yield one link behind the other: libsndfile's, where it can."""
        file = source.rewound()
        aligner = self._aligner()
        for link in _find_links(file):
            window = cast(IO[bytes], Window(file, self.name, start=link.start, end=link.end))
            before = aligner.length
            if link.tracks == 1:
                for piece in _soundfile_pieces(window, self.name, self._seconds):
                    yield from aligner.add(piece)
            if aligner.length == before:
                window.seek(0)
                yield from self._track_blocks(AudioTrack(window, self.name), aligner)
        yield from aligner.finish()

    def _ffmpeg_blocks(self, file: IO[bytes]) -> Blocks:
        track, aligner = AudioTrack(file, self.name, live=self._live), self._aligner()
        yield from self._track_blocks(track, aligner)
        length = aligner.length - aligner.lead
        yield from aligner.finish(track.length)
        if track.length is None or not length:
            return
        if length < track.length - max(0.1, 0.01 * track.length, track.longest_frame):
            raise AudioError(
                f"{self.name}: it is cut short or damaged: its header promises "
                f"{track.length:.2f} s, {length:.2f} s can be read; record or download it again"
            )

    def _track_blocks(self, track: AudioTrack, aligner: Aligner) -> Blocks:
        """Yield what FFmpeg decodes of a track, with silence where nothing was sent."""
        aligner.begin()
        for piece in track.pieces():
            yield from aligner.add(piece, track.latest)
        self.damaged += track.damaged
        if track.damaged > max(1, track.packets * _MOST_DAMAGED):
            raise AudioError(
                f"{self.name}: it is damaged: {track.damaged} of {track.packets} packets cannot be "
                f"decoded; record or download it again"
            )

    def _aligner(self) -> Aligner:
        return Aligner(0 if self._live else self._seconds, self._most)


def _soundfile_pieces(file: IO[bytes], name: str, seconds: float) -> Iterator[Piece]:
    """Yield what libsndfile decodes, in pieces of so many seconds; nothing where it refuses.

    Raises
    ------
    AudioError
        If the file is damaged behind a first piece.
    """
    import soundfile

    read, rate = 0, 1
    try:
        with soundfile.SoundFile(file, closefd=False) as opened:
            rate = opened.samplerate
            if opened.frames > _MOST_FRAMES:
                return
            size = max(1, round(seconds * rate))
            while len(block := opened.read(size, dtype="float32", always_2d=True)):
                read += len(block)
                yield Piece(block, rate, None)
    except (soundfile.LibsndfileError, MemoryError, ValueError, TypeError) as error:
        # ValueError, TypeError: it cannot seek in some encodings, not even to where it stands.
        # MemoryError: at the beginning, the header lies about the size.
        if read and isinstance(error, MemoryError):
            raise
        if read:
            raise AudioError(
                f"{name}: it is damaged after {read / rate:.2f} s; record or download it again"
            ) from None


def _reads_forward(head: bytes) -> bool:
    """Tell a format that loses nothing when it is read as it comes by its first bytes.

    Matroska and WebM, FLAC, AMR, AC-3, bare AAC. (MP3 tells its padding by its length.)
    """
    known = (b"\x1aE\xdf\xa3", b"fLaC", b"#!AMR", b"\x0bw", b"\xff\xf1", b"\xff\xf9")
    return head.startswith(known)


# --- ogg ---


_PAGE = b"OggS"
_HEADER_SIZE = 27  # bytes, before one more for each segment
_FIRST_PAGE = 2  # flag
_SEARCHED = 1 << 16  # bytes at once, where no page begins


@dataclass
class _Link:
    """A part of an Ogg file that is a file by itself.

    Attributes
    ----------
    start, end : int
        Bytes.
    tracks : int
        More than one in a video.
    """

    start: int
    end: int
    tracks: int = 1


def _find_links(file: IO[bytes]) -> list[_Link]:
    """Return the links of a seekable Ogg file, in order."""
    links: list[_Link] = []
    place, was_first = 0, False
    while True:
        file.seek(place)
        head = file.read(_HEADER_SIZE + 255)
        if len(head) < _HEADER_SIZE:
            break
        if head[:4] != _PAGE:
            found = _next_page(file, place)
            if found is None:
                break
            place = found
            continue
        is_first = bool(head[5] & _FIRST_PAGE)
        if is_first and was_first:
            links[-1].tracks += 1
        elif is_first:
            if links:
                links[-1].end = place
            links.append(_Link(place, place))
        was_first = is_first
        segments = head[26]
        place += _HEADER_SIZE + segments + sum(head[_HEADER_SIZE : _HEADER_SIZE + segments])
    if links:
        links[-1].end = file.seek(0, 2)
    return links


def _next_page(file: IO[bytes], place: int) -> int | None:
    """Return where the next page begins behind damage."""
    place += 1
    while True:
        file.seek(place)
        content = file.read(_SEARCHED)
        if (found := content.find(_PAGE)) >= 0:
            return place + found
        if len(content) < len(_PAGE):
            return None
        place += len(content) - len(_PAGE) + 1
