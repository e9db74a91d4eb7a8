"""Where the sound of `affekt stream` comes from: a microphone, a pipe, or a file at real speed.

Each source is an iterator of chunks ``[samples]`` or ``[samples, channels]`` with their rate in Hz.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np

from affekt.audio.align import Blocks
from affekt.audio.decode import decode_blocks, decode_live
from affekt.audio.resample import checked_rate
from affekt.audio.source import Input
from affekt.cli._common import log
from affekt.errors import AudioError, MissingExtraError

CHUNK = 0.1
"""Seconds of sound that are read from a microphone, or played of a file, at once."""

ENCODINGS: dict[str, np.dtype[Any]] = {"s16le": np.dtype("<i2"), "f32le": np.dtype("<f4")}
"""Raw samples by their name in FFmpeg."""

_READ = 1 << 16  # bytes at most; a pipe gives what it has


def microphone(device: str | None, rate: int | None) -> Blocks:
    """Yield the sound of a microphone, until it is removed.

    Parameters
    ----------
    device : str, optional
        Its number or a part of its name; the system's default when None.
    rate : int, optional
        Hz; the device's own by default.

    Raises
    ------
    MissingExtraError
        Without the package ``sounddevice``.
    AudioError
        If there is no such device, or it stops working.
    """
    sounddevice = _sounddevice()
    try:
        chosen = int(device) if device is not None and device.isdecimal() else device
        facts = sounddevice.query_devices(chosen, "input")
        rate = checked_rate(rate or int(facts["default_samplerate"]), f"microphone {facts['name']}")
        with sounddevice.InputStream(rate, device=chosen, channels=1, dtype="float32") as stream:
            log(f"listening to {facts['name']} at {rate} Hz; Ctrl-C ends")
            lost = False
            while True:
                chunk, overflowed = stream.read(max(1, round(CHUNK * rate)))
                if overflowed and not lost:
                    log("warning: some sound was lost: this machine is too busy to keep up")
                    lost = True
                yield chunk, rate
    except (sounddevice.PortAudioError, ValueError) as error:  # ValueError: no such device
        raise AudioError(
            f"microphone{'' if device is None else f' {device}'}: {_gist(error)}; "
            f"`affekt stream --list-devices` shows what is there"
        ) from None


def device_rows() -> list[dict[str, Any]]:
    """Describe the microphones of this machine, the default one marked."""
    sounddevice = _sounddevice()
    try:
        default = sounddevice.default.device[0]
        devices = sounddevice.query_devices()
    except sounddevice.PortAudioError as error:
        raise AudioError(f"microphones cannot be listed: {_gist(error)}") from None
    return [
        {
            "device": index,
            "name": facts["name"],
            "channels": facts["max_input_channels"],
            "rate": int(facts["default_samplerate"]),
            "default": "yes" if index == default else "",
        }
        for index, facts in enumerate(devices)
        if facts["max_input_channels"] > 0
    ]


def raw_samples(stream: IO[bytes], encoding: str, rate: int, channels: int = 1) -> Blocks:
    """Yield samples without a header, as soon as they are there.

    Parameters
    ----------
    stream : binary file
    encoding : str
        One of `ENCODINGS`.
    rate : int
        Hz.
    channels : int
        Interleaved.

    Raises
    ------
    AudioError
        If the rate is out of range, or the stream cannot be read.
    """
    rate = checked_rate(rate, "stdin")
    kind = ENCODINGS[encoding]
    size = kind.itemsize * channels
    pipe, rest = Input(stream, "stdin"), b""
    while content := pipe.read(_READ):
        content = rest + content
        whole = len(content) // size * size
        rest = content[whole:]
        if whole:
            yield np.frombuffer(content[:whole], kind).reshape(-1, channels), rate
    if rest:
        log(f"warning: stdin ended within a sample: its last {len(rest)} bytes are left out")


def piped(stream: BinaryIO) -> Blocks:
    """Yield the sound of a wav, webm or ogg stream, as soon as it is there."""
    return decode_live(stream, "stdin")


def played(file: Path, speed: float) -> Blocks:
    """Yield a recording in real time, times ``speed``."""
    began, elapsed = time.monotonic(), 0.0
    for block, rate in decode_blocks(file):
        size = max(1, round(CHUNK * rate))
        for start in range(0, len(block), size):
            chunk = block[start : start + size]
            elapsed += len(chunk) / rate
            time.sleep(max(0.0, began + elapsed / speed - time.monotonic()))
            yield chunk, rate


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError:
        raise MissingExtraError("mic", "sounddevice") from None
    except OSError:  # the package is there, what it stands on is not
        raise AudioError(
            "a microphone needs the PortAudio library: apt install libportaudio2 "
            "(or the package of that name on your system)"
        ) from None
    return sounddevice


def _gist(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")


def one_rate(chunks: Blocks, name: str) -> tuple[int, Iterator[np.ndarray]]:
    """Return the rate of a source, once it is known, and its chunks.

    Raises
    ------
    AudioError
        If nothing comes.
    """
    first = next(chunks, None)
    if first is None:
        raise AudioError(f"{'stdin' if name == '-' else name}: it ended before a sample came")

    def rest() -> Iterator[np.ndarray]:
        yield first[0]
        yield from (chunk for chunk, _ in chunks)

    return first[1], rest()
