"""Decode a recording block by block: one way for every kind of file and every kind of source.

PCM in WAV is read here (`wav`), libsndfile decodes Ogg and what FFmpeg does not know, and FFmpeg
everything else (`ffmpeg`). Formats that lose nothing by it are read forward from every source, all
others from a file that can be sought in, so that a path, bytes, an open file and a pipe give the
same samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import IO, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from affekt.audio.arrays import array_blocks, check_samples, mix_down
from affekt.audio.ffmpeg import Piece, Track, UnreadableError
from affekt.audio.ogg import find_links
from affekt.audio.resample import Resampler, checked_rate
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

Blocks = Iterator[tuple[NDArray[np.float32], int]]
"""Samples [samples, channels] in order, each with the rate of all in Hz."""

BLOCK_SECONDS = 10.0

GAP_SECONDS = 0.1
"""Where nothing was sent for longer, silence stands in its place; clocks are less exact below."""
FAULT_GAP_SECONDS = 0.001
"""The same behind a packet that could not be decoded, and before the first one."""
LONGEST_GAP_SECONDS = 3600.0
"""A longer gap is taken for a clock that was set, unless the file says that it is so long."""

_LIBSNDFILE_TAGS = (0x38, 0x40)
"""Encodings in WAV that FFmpeg reads wrongly: the ADPCM of NMS, and G.721."""

_MOST_DAMAGED = 0.1  # of all packets; one may always be
_LAST_FRAME = 1 << 13  # samples, at most, of a frame whose end may be padding
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
    """Decode what is being recorded right now, as soon as it can be heard.

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
            elif self._live or reads_forward(source.peek(12)):
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
        """Yield what FFmpeg decodes, or libsndfile where FFmpeg does not know how."""
        try:
            yield from self._ffmpeg_blocks(source.rewound())
        except UnreadableError as error:
            yield from self._soundfile_blocks(source, error)

    def _soundfile_blocks(self, source: Input, refusal: AudioError | None = None) -> Blocks:
        even = self._even()
        for piece in soundfile_pieces(source.rewound(), self.name, self._seconds):
            yield from even.add(piece)
        if not even.length and refusal is not None:
            raise refusal from None
        yield from even.finish()

    def _ogg_blocks(self, source: Input) -> Blocks:
        """Yield one link behind the other: libsndfile's, where it can."""
        file = source.rewound()
        even = self._even()
        for link in find_links(file):
            window = cast(IO[bytes], Window(file, self.name, start=link.start, end=link.end))
            before = even.length
            if link.tracks == 1:
                for piece in soundfile_pieces(window, self.name, self._seconds):
                    yield from even.add(piece)
            if even.length == before:
                window.seek(0)
                yield from self._track_blocks(Track(window, self.name), even)
        yield from even.finish()

    def _ffmpeg_blocks(self, file: IO[bytes]) -> Blocks:
        track, even = Track(file, self.name, live=self._live), self._even()
        yield from self._track_blocks(track, even)
        length = even.length - even.lead
        yield from even.finish(track.length)
        if track.length is None or not length:
            return
        if length < track.length - max(0.1, 0.01 * track.length):
            raise AudioError(
                f"{self.name}: it is cut short or damaged: its header promises "
                f"{track.length:.2f} s, {length:.2f} s can be read; record or download it again"
            )

    def _track_blocks(self, track: Track, even: _Even) -> Blocks:
        """Yield what FFmpeg decodes of a track, with silence where nothing was sent."""
        even.begin()
        for piece in track.pieces():
            yield from even.add(piece, track.latest)
        self.damaged += track.damaged
        if track.damaged > max(1, track.packets * _MOST_DAMAGED):
            raise AudioError(
                f"{self.name}: it is damaged: {track.damaged} of {track.packets} packets cannot be "
                f"decoded; record or download it again"
            )

    def _even(self) -> _Even:
        return _Even(0 if self._live else self._seconds, self._most)


def soundfile_pieces(file: IO[bytes], name: str, seconds: float) -> Iterator[Piece]:
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
    except (soundfile.LibsndfileError, MemoryError, ValueError, TypeError):
        # ValueError, TypeError: it cannot seek in some encodings, not even to where it stands
        if read:
            raise AudioError(
                f"{name}: it is damaged after {read / rate:.2f} s; record or download it again"
            ) from None


def reads_forward(head: bytes) -> bool:
    """Tell a format that loses nothing when it is read as it comes by its first bytes.

    Matroska and WebM, FLAC, AMR, AC-3, bare AAC. (MP3 tells its padding by its length.)
    """
    known = (b"\x1aE\xdf\xa3", b"fLaC", b"#!AMR", b"\x0bw", b"\xff\xf1", b"\xff\xf9")
    return head.startswith(known)


class _Even:
    """Brings frames to the rate and the channels of the first, at their time.

    Parameters
    ----------
    seconds : float
        Length of the blocks that come out, at least.
    max_duration : float, optional
        No more than a little over so much silence is filled in.

    Attributes
    ----------
    length : float
        Seconds by now.
    lead : float
        Seconds of silence before the first frame.
    """

    def __init__(self, seconds: float, max_duration: float | None) -> None:
        self.length = self.lead = 0.0
        self._seconds = seconds
        self._most = LONGEST_GAP_SECONDS if max_duration is None else max_duration + 1
        self._rate = self._channels = 0
        self._shift = 0.0  # of the clock of the file
        self._waiting: list[NDArray[np.float32]] = []
        self._count = 0  # samples that wait
        self._other: Resampler | None = None
        self._other_rate = 0

    def begin(self) -> None:
        """Know that times count from here again."""
        self._shift = self.length

    def add(self, piece: Piece, latest: float | None = None) -> Blocks:
        """Yield the blocks that are full with this piece."""
        if not self._rate:
            self._rate, self._channels = piece.rate, piece.samples.shape[1]
        if piece.time is not None:
            yield from self._fill(piece.time, piece.after_fault, latest)
        self.length += len(piece.samples) / piece.rate
        if piece.rate != self._other_rate:
            self._end_other()
        samples = piece.samples
        if piece.rate != self._rate:
            if self._other is None:
                self._other = Resampler(checked_rate(piece.rate, "audio"), self._rate)
                self._other_rate = piece.rate
            samples = self._other.push(mix_down(samples))[:, None]
        self._keep(samples)
        yield from self._full()

    def finish(self, length: float | None = None) -> Blocks:
        """Yield the rest; what is beyond the length in the last frame is padding."""
        self._end_other()
        if not self._waiting:
            return
        rest = np.concatenate(self._waiting)
        if length is not None:
            padding = round((self.length - self.lead - length) * self._rate)
            if 0 < padding <= _LAST_FRAME:
                rest = rest[: max(0, len(rest) - padding)]
        self._waiting, self._count = [], 0
        if len(rest):
            yield rest, self._rate

    def _fill(self, time: float, after_fault: bool, latest: float | None) -> Blocks:
        """Yield silence up to a time, or set the clock where that makes no sense."""
        gap = time + self._shift - self.length
        least = FAULT_GAP_SECONDS if after_fault or not self.length else GAP_SECONDS
        if abs(gap) < least:
            return
        plausible = gap <= LONGEST_GAP_SECONDS if latest is None else time <= latest
        if gap < 0 or not plausible:
            if not after_fault or -gap > GAP_SECONDS:
                self._shift -= gap
            return
        self._end_other()
        if not self.length:
            self.lead = gap
        missing = round(min(gap, self._most) * self._rate)
        self.length += gap
        size = max(1, round(BLOCK_SECONDS * self._rate))
        while missing:
            self._keep(np.zeros((min(missing, size), self._channels), np.float32))
            missing -= min(missing, size)
            yield from self._full()

    def _end_other(self) -> None:
        """Take the rest of what had another rate."""
        if self._other is not None:
            self._keep(self._other.finish()[:, None])
            self._other, self._other_rate = None, 0

    def _keep(self, samples: NDArray[np.float32]) -> None:
        if samples.shape[1] != self._channels:  # the mean of the channels stays what it is
            samples = np.repeat(mix_down(samples)[:, None], self._channels, axis=1)
        if len(samples):
            self._waiting.append(samples)
            self._count += len(samples)

    def _full(self) -> Blocks:
        """Yield what waits, if it is enough, but for the last frame, whose end may be padding."""
        if not self._count or self._count < self._seconds * self._rate + (
            _LAST_FRAME if self._seconds else 0
        ):
            return
        waiting = np.concatenate(self._waiting) if len(self._waiting) > 1 else self._waiting[0]
        keep = min(len(waiting), _LAST_FRAME) if self._seconds else 0
        ready = waiting[: len(waiting) - keep]
        self._waiting, self._count = [waiting[len(ready) :]], keep
        if not keep:
            self._waiting = []
        if len(ready):
            yield ready, self._rate
