"""Clients for benchmarks/serve.py: as cheap as can be, because they share the cores of the server.

`drive` keeps so many HTTP connections busy; `hold_streams` speaks into so many WebSockets at the
pace of speech.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

SAMPLE_RATE = 16_000  # Hz
MESSAGE_SECONDS = 0.1  # of sound in one WebSocket message


def form_request(content: bytes, *, path: str, port: int) -> bytes:
    """Return a whole HTTP request that posts a recording."""
    head = (
        b'--xx\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n'
        b"Content-Type: audio/wav\r\n\r\n"
    )
    body = head + content + b"\r\n--xx--\r\n"
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(body)}\r\n"
        f"Content-Type: multipart/form-data; boundary=xx\r\n\r\n"
    ).encode() + body


@dataclass
class Answers:
    """What a load has met.

    Attributes
    ----------
    milliseconds : list of float
        Of each request that was answered with 200, from its first byte to the answer's last.
    others : dict of int to int
        How many were answered with another status; 0 where the connection broke.
    seconds : float
        From the first request to the last answer.
    """

    milliseconds: list[float] = field(default_factory=list)
    others: dict[int, int] = field(default_factory=dict)
    seconds: float = 0.0


async def drive(
    port: int,
    requests: Sequence[bytes],
    *,
    clients: int,
    seconds: float = float("inf"),
    count: int | None = None,
    pause: float = 0.0,
) -> Answers:
    """Have clients ask without a pause, each on a connection of its own.

    Parameters
    ----------
    port : int
    requests : sequence of bytes
        Whole requests, sent in turn.
    clients : int
    seconds : float
        No request begins later than this.
    count : int, optional
        End after so many requests.
    pause : float
        Seconds that a client waits after each answer; the clients begin spread over as long.
    """
    answers, start = Answers(), time.perf_counter()
    left = [count if count is not None else 1 << 60]

    async def ask(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        turn = number
        await asyncio.sleep(number / clients * pause)
        while left[0] > 0 and time.perf_counter() - start < seconds:
            left[0] -= 1
            begun = time.perf_counter()
            writer.write(requests[turn % len(requests)])
            try:
                status = await _answer(reader)
            except (asyncio.IncompleteReadError, OSError):
                status = 0
            turn += 1
            if status == 0:
                writer.close()
                reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
            if status == 200:
                answers.milliseconds.append(1000 * (time.perf_counter() - begun))
            else:
                answers.others[status] = answers.others.get(status, 0) + 1
            await asyncio.sleep(pause)
        writer.close()

    await asyncio.gather(*(ask(number) for number in range(clients)))
    answers.seconds = time.perf_counter() - start
    return answers


async def _answer(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    await reader.readexactly(int(length))
    return int(head[9:12])


@dataclass
class Heard:
    """What streams have met.

    Attributes
    ----------
    delays : list of float
        Seconds from the moment at which the last sample that an answer is about was sent, to the
        answer.
    last : list of float
        Seconds from a stream's end to its last answer.
    faults : int
        Streams that did not end as they should.
    """

    delays: list[float] = field(default_factory=list)
    last: list[float] = field(default_factory=list)
    faults: int = 0


async def hold_streams(url: str, samples: np.ndarray, *, streams: int, seconds: float) -> Heard:
    """Speak into streams at the pace of speech, all at once.

    Parameters
    ----------
    url : str
        Of ``/v1/stream``.
    samples : np.ndarray [shape=(samples,)]
        float32 at 16 kHz, repeated; each stream begins at another place.
    streams : int
    seconds : float
        How long each speaks.
    """
    heard = Heard()
    await asyncio.gather(
        *(
            _speak(url, np.roll(samples, 4000 * n), n / streams, seconds, heard)
            for n in range(streams)
        )
    )
    return heard


async def _speak(url: str, samples: np.ndarray, wait: float, seconds: float, heard: Heard) -> None:
    from websockets.exceptions import WebSocketException

    await asyncio.sleep(wait)
    try:
        await _session(url, samples, seconds, heard)
    except (WebSocketException, OSError):
        heard.faults += 1


async def _session(url: str, samples: np.ndarray, seconds: float, heard: Heard) -> None:
    from websockets.asyncio.client import connect

    options = {"compression": None, "proxy": None, "ping_interval": None, "open_timeout": 60}
    async with connect(url, **options) as socket:  # type: ignore[arg-type]
        session = json.loads(await socket.recv())["session"]
        start = time.perf_counter()
        listening = asyncio.create_task(_listen(socket, start, session, heard))
        sound = (np.resize(samples, round(seconds * SAMPLE_RATE)) * 32767).astype("<i2")
        size = round(MESSAGE_SECONDS * SAMPLE_RATE)
        for index in range(0, len(sound), size):
            # A message is complete when its last sample has been spoken.
            await asyncio.sleep(start + (index + size) / SAMPLE_RATE - time.perf_counter())
            await socket.send(sound[index : index + size].tobytes())
        ended = time.perf_counter()
        await socket.send(json.dumps({"type": "session.close"}))
        if await listening == "client":
            heard.last.append(time.perf_counter() - ended)
        else:
            heard.faults += 1


async def _listen(socket, start: float, session: dict, heard: Heard) -> str:  # type: ignore[no-untyped-def,type-arg]
    """Take events until the last; return why the session was closed."""
    # Sound after an answer's end that it needs: half of its window, and what the model needs.
    reach = (session["window"] - session["hop"]) / 2 + session["look_ahead"]
    async for text in socket:
        event = json.loads(text)
        if event["type"] == "measurement.result":
            needed = event["end"] + reach
            heard.delays.append(time.perf_counter() - start - needed)
        if event["type"] == "session.closed":
            return str(event["reason"])
    return "broken"
