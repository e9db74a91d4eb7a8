"""Decode with FFmpeg (PyAV): frames as they come, each with its own rate, channels and time."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from affekt.errors import AudioError

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet

READABLE = "wav, flac, mp3, ogg, opus, aiff, m4a, webm"

# Containers that may be opened. Playlists (hls, concat, dash) are left out on purpose: they
# name other files and addresses, which a recording from a stranger must not make us open.
_FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,eac3,flac,flv,ircam,matroska,mov,mp3,mpc,mpc8,mpeg,mpegts,"
    "nistsphere,ogg,tak,tta,voc,w64,wav,wv"
)
# Those whose header states the exact length, so that a cut can be distinguished from an end.
_EXACT_FORMATS = frozenset({"aiff", "caf", "flac", "mov", "w64", "wav"})
_LIVE_OPTIONS = {"probesize": "4096", "analyzeduration": "0"}  # begin with the first packets
_MICROSECONDS = 1_000_000  # the unit of times of a container
_LONGEST_DELAY_SECONDS = 0.25  # of an encoder

_PLANES = 8
"""From so many channels on, PyAV reads beyond the planes of a planar frame."""
_FULL_SCALE = {"u1": 2.0**7, "i2": 2.0**15, "i4": 2.0**31}
_TYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "flt": "f4", "dbl": "f8"}


class UnreadableError(AudioError):
    """FFmpeg cannot open it, or has no decoder for it; another library may."""


@dataclass(frozen=True)
class Piece:
    """What one frame holds.

    Attributes
    ----------
    samples : np.ndarray [shape=(samples, channels)]
        float32.
    rate : int
        Hz.
    time : float or None
        When it begins, in seconds from where the recording begins; None where it is not said.
    after_fault : bool
        Whether packets before it could not be decoded.
    """

    samples: NDArray[np.float32]
    rate: int
    time: float | None
    after_fault: bool = False


class AudioTrack:
    """The first audio track of a file.

    Attributes
    ----------
    packets, damaged : int
        How many were read by now, and how many of them could not be decoded.
    length : float or None
        Seconds that the header promises; None where it only estimates them. Known at the end.
    latest : float or None
        Seconds after which the file says that nothing follows; None where it cannot know, as MP4
        that is made of fragments.
    longest_frame : float
        Seconds of the longest frame by now: some headers count the last one as full.
    """

    def __init__(self, file: IO[bytes], name: str, *, live: bool = False) -> None:
        self._file = file
        self._name = name
        self._options: Mapping[str, str] = _LIVE_OPTIONS if live else {}
        self.packets = self.damaged = 0
        self.length: float | None = None
        self.latest: float | None = None
        self.longest_frame = 0.0

    def pieces(self) -> Iterator[Piece]:
        """Yield what the frames hold, in order.

        Raises
        ------
        UnreadableError
            Before the first piece, if FFmpeg cannot read the file.
        AudioError
            If the file holds no audio, or reading it fails.
        """
        import av

        try:
            container = av.open(
                self._file,
                mode="r",
                # Not `options`: PyAV copies them for the streams that it knows, and frees a copy
                # for each stream, also for those that it finds later (FLV, VOC): a crash.
                container_options={"format_whitelist": _FORMATS, **self._options},
                metadata_errors="ignore",  # old tags are in any encoding
            )
        except (av.FFmpegError, ValueError):
            raise UnreadableError(
                f"{self._name}: it is not audio that can be read; "
                f"expected one of {READABLE}, undamaged"
            ) from None
        with container:
            if not container.streams.audio:
                raise AudioError(f"{self._name}: it holds no audio track; give a file that does")
            track = container.streams.audio[0]
            if track.codec_context is None:  # PyAV before 18 crashes when it decodes it
                raise self._no_decoder()
            _name_layout(track)
            if container.format.name == "caf" and track.codec_context.name == "alac":
                # The last packet says how long it is, and FFmpeg 8.1 cuts its padding once more.
                track.codec_context.options = {"flags2": "skip_manual"}
            try:
                yield from self._track_pieces(container, track)
            except av.DecoderNotFoundError:
                raise self._no_decoder() from None

    def _no_decoder(self) -> UnreadableError:
        return UnreadableError(
            f"{self._name}: its codec is not known; convert it to wav or flac first"
        )

    def _track_pieces(self, container: InputContainer, track: AudioStream) -> Iterator[Piece]:
        import av

        begin = _begin(container, track)
        # Before FFmpeg 8.1, the delay of the encoder is not cut in Matroska: it has negative times.
        has_delay = "matroska" in container.format.name
        if has_delay and begin is not None and -_LONGEST_DELAY_SECONDS <= begin < 0:
            begin = 0.0
        if container.duration is not None and not container.format.name.startswith("mov"):
            self.latest = container.duration / _MICROSECONDS + 1
        # What an AAC decoder makes of its first packet is a window half of which is missing.
        fades_in = track.codec_context.name == "aac"
        after_fault, skipped = False, 0.0
        packets = container.demux(track)
        while True:
            try:
                packet = next(packets, None)
            # What is left is no part of any packet, or a size that is damaged asks for more memory
            # than there is.
            except av.FFmpegError:
                self.damaged += 1
                break
            if packet is None:
                break
            self.packets += 1
            if self.packets == 1 and (packet.pts or 0) < 0:
                fades_in = False  # the file says so, and FFmpeg leaves it out
            try:
                frames = packet.decode()
            except (av.DecoderNotFoundError, MemoryError):
                raise
            except av.FFmpegError:
                if _tells_of_mp3(packet):  # the first packet of a file that was appended
                    skipped += float((packet.duration or 0) * packet.time_base)
                    continue
                self.damaged += 1
                after_fault = True
                continue
            for frame in frames:
                _keep_layout(frame)
                if frame.samples == 0 or frame.sample_rate <= 0:
                    continue
                if fades_in:
                    fades_in = False
                    continue
                self.longest_frame = max(self.longest_frame, frame.samples / frame.sample_rate)
                samples, time = _samples(frame), None
                if frame.pts is not None and frame.time_base is not None:
                    time = float(frame.pts * frame.time_base)
                    if has_delay and -_LONGEST_DELAY_SECONDS <= time < 0:
                        samples = samples[round(-time * frame.sample_rate) :]
                        time = 0.0
                    begin = time if begin is None else begin
                    time -= begin + skipped
                yield Piece(samples, frame.sample_rate, time, after_fault)
                after_fault = False
        exact = not _EXACT_FORMATS.isdisjoint(container.format.name.split(","))
        if exact and track.duration and track.time_base:
            self.length = float(track.duration * track.time_base)


def _begin(container: InputContainer, track: AudioStream) -> float | None:
    """Return the time at which the recording begins, by its own clock.

    That is where its audio begins, and in a video where the first of all its tracks does.
    """
    import av.stream

    cover = av.stream.Disposition.attached_pic
    pictures = [s for s in container.streams.video if not s.disposition & cover]
    if not pictures or container.start_time is None:
        return None
    return container.start_time / _MICROSECONDS


def _tells_of_mp3(packet: Packet[AudioStream]) -> bool:
    """Return the frame that encoders put before an MP3, after its tags, with its length."""
    head = bytes(packet)[:256]
    return head.startswith(b"ID3") or b"Xing" in head or b"Info" in head


def _name_layout(track: AudioStream) -> None:
    """Check that the decoder does not give its frames an order of channels that has a list.

    PyAV copies the pointer to that list and frees it twice. The mean of the channels needs no
    names, so that an order without a list does as well.
    """
    layout = track.codec_context.layout
    _never_free(layout)
    if "(" in layout.name:
        track.codec_context.layout = f"{layout.nb_channels} channels"


def _keep_layout(frame: AudioFrame) -> None:
    """Leave it to the frame to free the list of its channels."""
    if "(" in frame.layout.name:
        _never_free(frame.layout)


def _never_free(layout: object) -> None:
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(layout))


def _samples(frame: AudioFrame) -> NDArray[np.float32]:
    """Return the samples of a frame [samples, channels] as float32."""
    import av

    channels = frame.layout.nb_channels
    if frame.format.is_planar and channels >= _PLANES:
        pieces = av.AudioResampler(format=frame.format.packed).resample(frame)
        return np.concatenate([_samples(piece) for piece in pieces])
    name = frame.format.packed.name
    if name not in _TYPES:  # integers of 64 bits
        (frame,) = av.AudioResampler(format="dbl").resample(frame)
        name = "dbl"
    kind = _TYPES[name]
    values = frame.to_ndarray()
    values = values.T if frame.format.is_planar else values.reshape(-1, channels)
    with np.errstate(over="ignore"):  # a double beyond float32 becomes inf: refused later
        samples = np.array(values, dtype=np.float32, order="C")
    if kind == "u1":
        samples -= 128
    if kind in _FULL_SCALE:
        samples /= _FULL_SCALE[kind]
    return samples
