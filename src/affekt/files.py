"""Writing files whole or not at all."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside ``path``; move it there when the block ends well.

    A reader sees the old file or the whole new one, never a part; an error leaves the old file.
    Folders on the way are made. What is no file but a device or a pipe (``/dev/stdout``) is written
    as it is: nothing may take its place.
    """
    target = Path(path)
    if target.exists() and not target.is_file():
        yield target
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.part{target.suffix}")
    try:
        yield partial
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


_PLAIN_LIST = re.compile(r"\[\n\s*([^][{}]*?)\n\s*\]")


def json_text(facts: Mapping[str, Any]) -> str:
    """JSON for people and programs: indented, but with each list of plain values on one line."""

    def line(found: re.Match[str]) -> str:
        return "[" + re.sub(r",\n\s*", ", ", found[1]) + "]"

    return _PLAIN_LIST.sub(line, json.dumps(facts, indent=1, ensure_ascii=False)) + "\n"
