"""One decoder process, as the server sees it, and a stream that it decodes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from typing import Any

import numpy as np

from affekt.children import python_command
from affekt.errors import AudioError
from affekt.server.decoding import wire

_SOCKET_BUFFER = 1 << 20  # bytes; a clip of some seconds passes in one piece
_START_SECONDS = 60.0
_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class DecodingStream:
    """One stream: pieces of a WebM file in, samples out."""

    def __init__(self, child: Decoder) -> None:
        self._child = child

    async def write(self, piece: bytes) -> None:
        """Give the next piece of the file."""
        await self._child.send(wire.DATA, None, piece)

    async def end(self) -> None:
        """Mark the end of the pieces."""
        await self._child.send(wire.END)

    async def read(self) -> np.ndarray | None:
        """Return the samples decoded next, float32 [samples]; None at the end.

        Raises
        ------
        AudioError
            If the stream cannot be decoded, or its decoder has died.
        """
        try:
            frame = await self._child.receive()
        except (ConnectionError, EOFError):
            raise AudioError("the stream: its decoder broke; begin a new session") from None
        if frame.kind == wire.ERROR:
            raise AudioError(frame.head["message"].replace("the file", "the stream", 1))
        if frame.kind == wire.END:
            return None
        return np.frombuffer(frame.body, dtype=np.float32)


class Decoder:
    """A decoder process, and the socket to it.

    Attributes
    ----------
    pid : int
    jobs : int
        Pieces of work that it was given.
    filtered : bool
        Whether the kernel refuses what decoding does not need.
    """

    def __init__(self, process: subprocess.Popen[bytes], channel: socket.socket) -> None:
        self._process = process
        self._channel = channel
        self.pid = process.pid
        self.jobs = 0
        self.filtered = False

    @classmethod
    async def start(cls, memory: int, seconds: float) -> Decoder:
        """Start a process and wait until it is ready."""
        ours, theirs = socket.socketpair()
        with theirs:
            for end in (ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER)
            ours.setblocking(False)
            words = (str(theirs.fileno()), str(memory), str(seconds))
            process = subprocess.Popen(
                python_command("affekt.server.decoding.child", *words),
                pass_fds=[theirs.fileno()],
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the server, which ends its children itself
            )
        child = cls(process, ours)
        try:
            ready = await asyncio.wait_for(child.receive(), _START_SECONDS)
            child.filtered = ready.head["filtered"]
        except (asyncio.TimeoutError, ConnectionError, EOFError):
            child.kill()
            raise RuntimeError("a decoder process does not start; its message is above") from None
        except BaseException:
            child.kill()
            raise
        return child

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    @property
    def killed(self) -> bool:
        """Whether it has ended because somebody wanted it to."""
        return self._process.poll() == -signal.SIGKILL

    async def ask(
        self, kind: bytes, head: dict[str, Any], content: bytes | bytearray
    ) -> wire.Frame:
        """Have a piece of work done; return its answer."""
        self.jobs += 1
        await self.send(kind, head, content)
        return await self.receive()

    async def send(
        self, kind: bytes, head: dict[str, Any] | None = None, body: bytes | bytearray = b""
    ) -> None:
        """Send a frame."""
        loop = asyncio.get_running_loop()
        start = wire.pack(kind, head, len(body))
        if len(body) <= wire.PIECE:
            await loop.sock_sendall(
                self._channel, start + body
            )  # at once: it wakes the reader once
        else:
            await loop.sock_sendall(self._channel, start)
            await loop.sock_sendall(self._channel, body)  # without a copy

    async def receive(self) -> wire.Frame:
        """Wait for a frame."""
        kind, head_size, body_size = wire.HEADER.unpack(await self._exactly(wire.HEADER.size))
        head = await self._exactly(head_size)
        return wire.Frame(kind, wire.parse_head(head), await self._exactly(body_size))

    async def _exactly(self, size: int) -> bytearray:
        loop = asyncio.get_running_loop()
        content = bytearray(size)
        view = memoryview(content)
        while view:
            count = await loop.sock_recv_into(self._channel, view)
            if count == 0:
                raise EOFError
            view = view[count:]
        return content

    def kill(self) -> None:
        """End it at once."""
        self._channel.close()
        self._process.kill()
        self._process.wait()


def _environment() -> dict[str, str]:
    """What a decoder process gets to know: where programs and libraries are, and no secret."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return {**kept, **dict.fromkeys(_ONE_THREAD, "1")}
