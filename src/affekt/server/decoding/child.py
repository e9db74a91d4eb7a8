"""The decoder process. Its parent starts it by `affekt.children.python_command`.

It reads requests from a socket until that is closed. Before the first one it loads every decoder,
then gives up what decoding does not need (see `affekt.server.decoding.cage`).
"""

from __future__ import annotations

import io
import json
import math
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from types import FrameType
from typing import Any

import av
import numpy as np
import soundfile
import soxr  # type: ignore[import-untyped]
from numpy.typing import NDArray

from affekt.audio import check_audio, load_clip
from affekt.audio.check import QualityMeter
from affekt.audio.decode import Recording
from affekt.audio.load import Mono
from affekt.errors import AudioError
from affekt.server.decoding import wire
from affekt.server.decoding.cage import confine, silence

UPLOAD = "the file"
"""What messages call a recording: its name is the sender's business."""
CPU_SECONDS = 2.0
"""CPU time for any recording; more, up to the limit, only for what is long."""
LEAST_SPEED = 100.0
"""Seconds of sound that a second more of CPU time must give."""
CPU_CHECK_SECONDS = 0.2


def main(fd: str, memory: str, seconds: str) -> None:
    """Answer requests until the server closes the socket.

    Parameters
    ----------
    fd : str
        The socket's descriptor.
    memory : str
        Bytes that one request may use.
    seconds : str
        CPU time that one request may use.
    """
    channel = socket.socket(fileno=int(fd))
    _warm_up()
    filtered = confine(int(memory))
    wire.send(channel, wire.READY, {"filtered": filtered})
    while (request := wire.receive(channel)) is not None:
        _allow_cpu(float(seconds))
        if request.kind == wire.STREAM:
            _answer_stream(channel, request.head["sample_rate"])
            return  # a process that decodes a stream serves no other request
        _answer(channel, _ANSWERS[request.kind], request)


Answer = tuple[bytes, dict[str, Any], Sequence[memoryview]]


def _answer(
    channel: socket.socket, work: Callable[[wire.Frame], Answer], request: wire.Frame
) -> None:
    """Answer a request, whatever happens in the libraries that read it."""
    try:
        kind, head, body = work(request)
    except AudioError as error:
        kind, head, body = wire.ERROR, {"message": _renamed(str(error))}, ()
    except MemoryError:
        kind, head, body = wire.ERROR, {"message": _too_much_memory()}, ()
    except Exception:  # noqa: BLE001  # of any library; the next request has nothing to do with it
        kind, head, body = wire.ERROR, {"message": f"{UPLOAD}: it cannot be decoded"}, ()
    wire.send(channel, kind, head, *body)


def _decode(request: wire.Frame) -> Answer:
    """Decode a whole recording, block by block, so that hours are refused after some minutes."""
    rate, longest = request.head["sample_rate"], request.head["max_duration"]
    budget, parts = _Budget(), []
    with budget.enforced():
        recording = Recording(bytes(request.body), max_duration=longest)
        mono = Mono(recording, rate, QualityMeter())
        for block in mono:
            budget.decoded_seconds = mono.duration
            parts.append(block)
    return wire.CLIP, asdict(mono.quality()), [np.ascontiguousarray(part).data for part in parts]


class _Budget:
    """CPU time for one recording, which grows with what has been decoded of it."""

    def __init__(self) -> None:
        self.decoded_seconds = 0.0
        self._begin = time.process_time()
        self._active = False

    @contextmanager
    def enforced(self) -> Iterator[None]:
        """Raise AudioError inside the block as soon as it has taken more than it may."""
        signal.signal(signal.SIGPROF, self._check)
        self._active = True
        signal.setitimer(signal.ITIMER_PROF, CPU_CHECK_SECONDS, CPU_CHECK_SECONDS)
        try:
            yield
        finally:
            self._active = False
            signal.setitimer(signal.ITIMER_PROF, 0)

    def _check(self, number: int, frame: FrameType | None) -> None:
        allowed = CPU_SECONDS + self.decoded_seconds / LEAST_SPEED
        if self._active and time.process_time() - self._begin > allowed:
            raise AudioError(
                f"{UPLOAD}: decoding it takes too long for its length; convert it to wav or flac"
            )


def _read_tensor(request: wire.Frame) -> Answer:
    """Read an inference request; answer with its waveforms and the levels of each."""
    head = request.head
    name, waveforms = read_request(request.body, head["json_size"], head["max_samples"])
    qualities = [asdict(check_audio(waveform, head["sample_rate"])) for waveform in waveforms]
    return wire.CLIP, {"id": name, "qualities": qualities}, [waveforms.data]


_ANSWERS = {wire.FILE: _decode, wire.TENSOR: _read_tensor}


def _answer_stream(channel: socket.socket, sample_rate: int) -> None:
    """Decode a WebM or Ogg stream while it arrives."""
    try:
        for samples in _decoded(_Incoming(channel), sample_rate):
            for start in range(0, samples.nbytes, wire.PIECE):
                wire.send(channel, wire.DATA, {}, samples.tobytes()[start : start + wire.PIECE])
    except MemoryError:
        wire.send(channel, wire.ERROR, {"message": _too_much_memory()})
    except (BrokenPipeError, ConnectionResetError):  # the server has gone
        return
    except Exception:  # noqa: BLE001  # of any library
        message = f"{UPLOAD}: it is not a WebM stream with sound that can be read"
        wire.send(channel, wire.ERROR, {"message": message})
    else:
        wire.send(channel, wire.END, {})


def _decoded(source: _Incoming, sample_rate: int) -> Iterator[np.ndarray]:
    """Yield mono float32 samples at a rate as soon as they can be decoded."""
    options = {
        # Matroska and WebM alone; nothing is read ahead, so that sound is decoded at once.
        "format_whitelist": "matroska,webm",
        "probesize": "32",
        "analyzeduration": "0",
        "fflags": "nobuffer",
    }
    to_mono = av.AudioResampler(format="flt", layout="mono")
    resampler: soxr.ResampleStream | None = None
    with av.open(
        source, "r", format="matroska", container_options=options, buffer_size=2048
    ) as container:
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
    silence()  # decoders complain about what their input looks like
    for damaged in (b"RIFF" + bytes(60), b"\xff\xfb" + bytes(600)):
        try:
            load_clip(damaged)
        except AudioError:
            continue


def _allow_cpu(seconds: float) -> None:
    """Give the next request its CPU time: the end of this process if it takes more."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime + seconds) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (limit, hard))


# --- tensors ---


MAX_BATCH = 64  # waveforms in one request
MAX_SAMPLE = 4.0  # as affekt.audio refuses beyond it
MAX_BRACKETS = 4 * MAX_BATCH
"""Lists and objects in the JSON; a request as the protocol has it needs one for each waveform."""


def read_request(
    body: bytes | bytearray, json_size: int, max_samples: int
) -> tuple[str | None, NDArray[np.float32]]:
    """Return a request's id, and its waveforms as float32 [batch, samples].

    Parameters
    ----------
    body : bytes
        JSON, and behind it the tensor's bytes where the extension for binary tensors is used.
    json_size : int
        Bytes of JSON.
    max_samples : int
        Longest waveform.

    Raises
    ------
    AudioError
        If it is not as the protocol has it.
    """
    if body[:json_size].count(b"[") + body[:json_size].count(b"{") > MAX_BRACKETS:
        raise AudioError(f"the body has more than {MAX_BRACKETS} lists and objects")
    try:
        request = json.loads(body[:json_size])
    except (ValueError, RecursionError):
        raise AudioError("the body is not JSON") from None
    if not isinstance(request, dict):
        raise _no_request("expected an object")
    name, inputs = request.get("id"), request.get("inputs")
    if name is not None and not isinstance(name, str):
        raise _no_request("id: expected a string")
    if name is not None and any("\ud800" <= letter <= "\udfff" for letter in name):
        raise _no_request("id: half of a surrogate pair")
    if not isinstance(inputs, list):
        raise _no_request("inputs: expected a list")
    if len(inputs) != 1 or not isinstance(inputs[0], dict) or inputs[0].get("name") != "waveform":
        raise AudioError("expected one input, named 'waveform'")
    return name, _waveforms(inputs[0], memoryview(body)[json_size:], max_samples)


def _waveforms(tensor: dict[str, Any], raw: memoryview, max_samples: int) -> NDArray[np.float32]:
    if tensor.get("datatype") != "FP32":
        raise AudioError("'waveform' must be of datatype FP32")
    shape = tensor.get("shape")
    if (
        not isinstance(shape, list)
        or [type(size) for size in shape] != [int, int]
        or not (1 <= shape[0] <= MAX_BATCH and shape[1] >= 1)
    ):
        raise AudioError(f"'waveform' must have the shape [1 to {MAX_BATCH}, samples]")
    if shape[1] > max_samples:
        raise AudioError(f"'waveform' has more than {max_samples} samples; give shorter ones")
    values = _values(tensor, raw)
    if values.size != math.prod(shape):
        raise AudioError(f"'waveform' holds {values.size} values, its shape says otherwise")
    # NaN fails every comparison.
    if not (values.min() >= -MAX_SAMPLE and values.max() <= MAX_SAMPLE):
        raise AudioError("'waveform' must hold floats within [-1, 1]")
    return values.reshape(shape)


def _values(tensor: dict[str, Any], raw: memoryview) -> NDArray[np.float32]:
    parameters = tensor.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is not None:
        if type(size) is not int or size != len(raw) or len(raw) % 4 or "data" in tensor:
            raise AudioError(
                f"'waveform': {len(raw)} bytes follow the JSON, which says {str(size)[:20]}"
            )
        return np.frombuffer(raw, dtype="<f4").astype(np.float32)
    if len(raw):
        raise AudioError(f"{len(raw)} bytes follow the JSON, which tells of none")
    try:
        with np.errstate(over="ignore"):  # what becomes infinite is refused
            return np.array(tensor.get("data"), dtype=np.float32).ravel()
    except (ValueError, TypeError, OverflowError):
        raise AudioError("the data of 'waveform' are not numbers") from None


def _no_request(what: str) -> AudioError:
    return AudioError(f"the body is not an inference request: {what}")
