"""The decoder process: ``python -m affekt.server.decoding.child FD MEMORY SECONDS``.

It reads requests from the socket FD until that is closed. Before the first one it loads every
decoder, then gives up what decoding does not need: more than MEMORY bytes, new files and
connections, and more than SECONDS of CPU time for one request.
"""

from __future__ import annotations

import io
import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict

import av
import numpy as np
import soundfile
import soxr  # type: ignore[import-untyped]

from affekt.audio import load_clip
from affekt.errors import AudioError
from affekt.server.decoding import wire

UPLOAD = "the file"
"""What messages call a recording: its name is the sender's business."""


def main(fd: int, memory: int, seconds: float) -> None:
    """Answer requests until the server closes the socket."""
    channel = socket.socket(fileno=fd)
    _warm_up()
    _confine(memory)
    wire.send(channel, wire.READY, {"pid": os.getpid()})
    while (request := wire.receive(channel)) is not None:
        _allow_cpu(seconds)
        if request.kind == wire.FILE:
            _answer_file(channel, request)
        elif request.kind == wire.STREAM:
            _answer_stream(channel, request.head["sample_rate"])
            return  # a process that hears a stream serves nobody after it


def _answer_file(channel: socket.socket, request: wire.Frame) -> None:
    try:
        clip = load_clip(
            bytes(request.body),
            sample_rate=request.head["sample_rate"],
            max_duration=request.head["max_duration"],
        )
    except AudioError as error:
        wire.send(channel, wire.ERROR, {"message": _renamed(str(error))})
    except MemoryError:
        wire.send(channel, wire.ERROR, {"message": _too_much_memory()})
    else:
        wire.send(channel, wire.CLIP, asdict(clip.quality), clip.waveform.tobytes())


def _answer_stream(channel: socket.socket, sample_rate: int) -> None:
    """Decode a WebM or Ogg stream while it arrives."""
    try:
        for samples in _decoded(_Incoming(channel), sample_rate):
            for start in range(0, samples.nbytes, wire.PIECE):
                wire.send(channel, wire.DATA, {}, samples.tobytes()[start : start + wire.PIECE])
    except (av.FFmpegError, ValueError):
        message = f"{UPLOAD}: it is not a WebM stream with sound that can be read"
        wire.send(channel, wire.ERROR, {"message": message})
    except MemoryError:
        wire.send(channel, wire.ERROR, {"message": _too_much_memory()})
    else:
        wire.send(channel, wire.END, {})


def _decoded(source: _Incoming, sample_rate: int) -> Iterator[np.ndarray]:
    """Yield mono float32 samples at a rate as soon as they can be decoded."""
    options = {
        # Matroska and WebM alone; nothing is read ahead, so that sound is heard at once.
        "format_whitelist": "matroska,webm",
        "probesize": "32",
        "analyzeduration": "0",
        "fflags": "nobuffer",
    }
    to_mono = av.AudioResampler(format="flt", layout="mono")
    resampler: soxr.ResampleStream | None = None
    with av.open(source, "r", format="matroska", options=options, buffer_size=2048) as container:
        if not container.streams.audio:
            raise ValueError("no audio track")
        for frame in container.decode(container.streams.audio[0]):
            for block in to_mono.resample(frame):
                samples = block.to_ndarray()[0]
                if resampler is None:
                    resampler = soxr.ResampleStream(frame.sample_rate, sample_rate, 1)
                yield resampler.resample_chunk(samples)
    if resampler is not None:
        yield resampler.resample_chunk(np.empty(0, dtype=np.float32), last=True)


class _Incoming(io.RawIOBase):
    """The pieces that the server sends, as a file to read from."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._rest = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while not self._rest and not self._ended:
            frame = wire.receive(self._channel)
            if frame is None or frame.kind == wire.END:
                self._ended = True
            else:
                self._rest = bytes(frame.body)
        part = self._rest if size < 0 else self._rest[:size]
        self._rest = self._rest[len(part) :]
        return part


def _renamed(message: str) -> str:
    return message.replace("audio bytes", UPLOAD, 1)


def _too_much_memory() -> str:
    return f"{UPLOAD}: decoding it takes more memory than the server allows; give a shorter part"


def _warm_up() -> None:
    """Load every decoder while files may still be opened, by using it once."""
    noise = np.random.default_rng(0).normal(0, 0.1, (48000, 2)).astype(np.float32)
    wav, webm = io.BytesIO(), io.BytesIO()
    soundfile.write(wav, noise, 48000, format="WAV")
    load_clip(wav.getvalue())
    with av.open(webm, "w", format="webm") as output:
        stream = output.add_stream("libopus", rate=48000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(noise.T.copy(), format="fltp", layout="stereo")
        frame.sample_rate = 48000
        for part in av.AudioResampler(format=stream.format, frame_size=960).resample(frame):
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    load_clip(webm.getvalue())
    for damaged in (b"RIFF" + bytes(60), b"\xff\xfb" + bytes(600)):
        try:
            load_clip(damaged)
        except AudioError:
            continue


def _confine(memory: int) -> None:
    """Limit memory to what is in use plus ``memory`` bytes; forbid files and core dumps."""
    import resource

    if sys.platform == "linux":
        with open("/proc/self/statm", encoding="ascii") as file:
            pages = int(file.read().split()[0])
        limit = pages * resource.getpagesize() + memory
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 2)  # decoders complain there about what their input looks like
    os.close(quiet)
    # No descriptor below the limit is free after this: nothing can be opened or connected.
    highest = max(int(name) for name in os.listdir("/dev/fd")) if os.path.isdir("/dev/fd") else 16
    for number in range(3, highest + 1):
        _occupy(number)
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, highest + 1))


def _occupy(number: int) -> None:
    """See that a descriptor is in use, so that it cannot be taken by a new file."""
    try:
        os.fstat(number)
    except OSError:
        os.dup2(0, number)


def _allow_cpu(seconds: float) -> None:
    """Give the next request its CPU time: the end of this process if it takes more."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime + seconds) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (limit, hard))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
