"""One recording from each kind of source that can be read."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

KINDS = ("path", "bytes", "open file", "BytesIO", "pipe")


@contextmanager
def opened(kind: str, content: bytes, path: Path) -> Iterator[Any]:
    """Give the content of a file as a source of a kind; ``path`` holds it by then."""
    if kind == "path":
        yield path
    elif kind == "bytes":
        yield content
    elif kind == "BytesIO":
        yield io.BytesIO(content)
    elif kind == "open file":
        with path.open("rb") as file:
            yield file
    else:
        with piped(content) as pipe:
            yield pipe


@contextmanager
def piped(content: bytes) -> Iterator[Any]:
    """Give a pipe that another thread writes into."""
    read_end, write_end = os.pipe()

    def feed() -> None:
        try:
            with os.fdopen(write_end, "wb") as pipe:
                pipe.write(content)
        except BrokenPipeError:  # nobody reads the rest
            pass

    writer = threading.Thread(target=feed)
    writer.start()
    with os.fdopen(read_end, "rb") as pipe:
        yield pipe
    writer.join()
