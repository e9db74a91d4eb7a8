"""A real server in a process of its own, on loopback, and sounds to send to it."""

from __future__ import annotations

import io
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from patience import PATIENCE


class Server:
    """``affekt serve`` on a free port, with its log kept."""

    def __init__(
        self,
        *options: str,
        variables: dict[str, str] | None = None,
        command: Sequence[str] = (sys.executable, "-m", "affekt"),
        cwd: Path | None = None,
    ) -> None:
        self.process = subprocess.Popen(
            [*command, "serve", "--port=0", "--log-format=json", *options],
            cwd=cwd,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **(variables or {})},
        )
        self.lines: list[str] = []
        self._events: queue.Queue[dict[str, Any]] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = self.event("listening")["address"]

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            try:
                self._events.put(json.loads(line))
            except ValueError:
                self._events.put({"event": "noise", "text": line})
        self._events.put({"event": "ended"})

    def event(self, name: str, seconds: float = PATIENCE, **wanted: Any) -> dict[str, Any]:
        """Wait for an event of the log whose fields are these; those before it are passed over."""
        deadline = time.monotonic() + seconds
        while True:
            event = self._events.get(timeout=max(0.01, deadline - time.monotonic()))
            if event["event"] == name and wanted.items() <= event.items():
                return event
            if event["event"] == "ended":
                raise AssertionError(f"the server has ended: {''.join(self.lines[-20:])}")

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def ws_url(self) -> str:
        return self.url.replace("http", "ws") + "/v1/stream"

    def memory(self) -> int:
        """Resident bytes of the server process, without its decoders."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")

    def children(self) -> list[int]:
        """Process ids of the decoders."""
        tasks = Path(f"/proc/{self.process.pid}/task")
        return [int(p) for task in tasks.iterdir() for p in (task / "children").read_text().split()]

    def stop(self, number: int = signal.SIGTERM, seconds: float = PATIENCE) -> int:
        """Send a signal; return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(seconds)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()


def noise(seconds: float, *, level: float = 0.1, seed: int = 0) -> np.ndarray:
    """Return noise as float32 samples at 16 kHz."""
    generator = np.random.default_rng(seed)
    return generator.normal(0, level, round(16000 * seconds)).astype(np.float32).clip(-1, 1)


def wav_bytes(samples: np.ndarray, rate: int = 16000) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


def pcm_bytes(samples: np.ndarray) -> bytes:
    return (samples * 32767).astype("<i2").tobytes()
