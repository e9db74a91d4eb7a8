"""A real HTTP server on this machine, with ranges, faults on request, and a memory."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


class FileServer(ThreadingHTTPServer):
    """Serve a folder. Attributes say which faults to show; `asked` remembers the requests."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.asked: list[tuple[str, str | None]] = []
        """Path and Range header of every request, in order."""
        self.break_after: list[int] = []
        """Bytes after which the next answers close the connection."""
        self.refusals: list[tuple[int, dict[str, str]]] = []
        """Status and headers of the next answers, before files are served again."""
        self.ranges = True
        self.headers: dict[str, str] = {}
        """What files are sent with, such as their ETag; If-Range is compared with that."""
        self.content_range: str | None = None
        """What partial answers claim to be."""
        self.on_block: Callable[[int], None] = lambda sent: None

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet about clients that were killed."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append((self.path, wanted))
        if self.server.refusals:
            status, headers = self.server.refusals.pop(0)
            self._begin(status, {"Content-Length": "0", **headers})
            return
        path = self.server.folder / self.path.lstrip("/")
        if not path.is_file():
            self._begin(404, {"Content-Length": "0"})
            return
        content = path.read_bytes()
        condition = self.headers.get("If-Range")
        if condition and condition not in self.server.headers.values():
            wanted = None  # the file has changed
        first = int(re.findall(r"bytes=(\d+)-", wanted)[0]) if wanted and self.server.ranges else 0
        if first >= len(content) > 0:
            headers = {"Content-Range": f"bytes */{len(content)}", "Content-Length": "0"}
            self._begin(416, headers)
            return
        headers = {"Content-Length": str(len(content) - first), **self.server.headers}
        if wanted and self.server.ranges:
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        if self.server.content_range is not None:
            headers["Content-Range"] = self.server.content_range
        self._begin(206 if "Content-Range" in headers else 200, headers)
        self._send(content[first:])

    def _begin(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, body: bytes) -> None:
        limit = self.server.break_after.pop(0) if self.server.break_after else len(body)
        for start in range(0, min(limit, len(body)), 4096):
            self.server.on_block(start)
            self.wfile.write(body[start : min(start + 4096, limit)])
            self.wfile.flush()
        if limit < len(body):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FileServer]:
    """A server of the folder ``served`` below the test's own."""
    folder = tmp_path / "served"
    folder.mkdir()
    with FileServer(folder) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()
