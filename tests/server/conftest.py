"""Servers that really run, and clients to ask them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
from live_server import Server, noise, wav_bytes
from patience import PATIENCE


@pytest.fixture(scope="session")
def start() -> Callable[..., Any]:
    """Start a server for one test: ``with start("--rate", "5") as server``."""

    @contextmanager
    def run(*options: str, **more: Any) -> Iterator[Server]:
        server = Server(*options, **more)
        try:
            yield server
        finally:
            server.close()

    return run


@pytest.fixture(scope="session")
def server(start: Callable[..., Any], tiny_model: Path) -> Iterator[Server]:
    """A server with the shipped model and a second one, for tests that leave it as it was."""
    with start("--model", "default", "--model", f"tiny={tiny_model}") as running:
        yield running


@pytest.fixture(scope="session")
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=PATIENCE) as opened:
        yield opened


@pytest.fixture(scope="session")
def wav() -> bytes:
    """Three seconds of noise as the bytes of a wav file."""
    return wav_bytes(noise(3))


@pytest.fixture(scope="session")
def speech(recordings: list[Path]) -> bytes:
    """A sample recording, as the bytes of its file."""
    return recordings[0].read_bytes()


@pytest.fixture(scope="session")
def encode_webm() -> Callable[[np.ndarray], bytes]:
    """Return samples at 16 kHz as a WebM file with Opus, as a browser's recorder makes it."""

    def encode(samples: np.ndarray) -> bytes:
        file = io.BytesIO()
        with av.open(file, "w", format="webm") as output:
            stream = output.add_stream("libopus", rate=48000, layout="mono")
            frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
            frame.sample_rate = 16000
            to_opus = av.AudioResampler(format=stream.format, rate=48000, frame_size=960)
            for part in (*to_opus.resample(frame), *to_opus.resample(None)):
                output.mux(stream.encode(part))
            output.mux(stream.encode(None))
        return file.getvalue()

    return encode
