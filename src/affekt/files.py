"""Writing files whole or not at all, and text that is safe to display."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from affekt.errors import DataError


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside ``path``; move it there when the block ends well.

    A reader sees the old file or the whole new one, never a part; an error leaves the old file.
    Folders on the way are made. What is no file but a device or a pipe (``/dev/stdout``) is written
    as it is: nothing may take its place.
    """
    target = Path(path)
    if target.exists() and not target.is_file():
        if not (target.is_fifo() or target.is_char_device()):
            raise DataError(f"{path}: it is no file that can be written: name another one")
        yield target
        return
    target = Path(os.path.realpath(path))  # a link stays what it is
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_parts(target)
    partial = target.with_name(f".{target.name}.{os.getpid()}.part{target.suffix}")
    try:
        yield partial
        partial.replace(target)
    except OSError as error:
        if str(error.filename) == str(partial):  # nobody knows that name
            error.filename = os.fspath(path)
        raise
    finally:
        with suppress(OSError):  # it is not there; or the folder is for reading alone
            partial.unlink()


def _remove_parts(target: Path) -> None:
    """Remove what processes that were killed have left of a file."""
    before, after = f".{target.name}.", f".part{target.suffix}"
    try:
        found = [name for name in os.listdir(target.parent) if name.startswith(before)]
    except OSError:
        return
    for name in found:
        process = name.removeprefix(before).removesuffix(after)
        if name.endswith(after) and process.isdecimal() and not _is_running(int(process)):
            target.with_name(name).unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    if os.name != "posix" or process == os.getpid():  # elsewhere, asking would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


_PLAIN_LIST = re.compile(r"\[\n\s*([^][{}]*?)\n\s*\]")


def json_text(facts: Mapping[str, Any]) -> str:
    """JSON for people and programs: indented, but with each list of plain values on one line."""

    def line(found: re.Match[str]) -> str:
        return "[" + re.sub(r",\n\s*", ", ", found[1]) + "]"

    return _PLAIN_LIST.sub(line, json.dumps(facts, indent=1, ensure_ascii=False)) + "\n"


# Control characters, line separators, and what turns the direction of writing round.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_FORMULA = ("=", "+", "-", "@")


def visible(text: str) -> str:
    r"""Return text with control characters escaped, as ``\x1b``, so that no terminal obeys them."""
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def table_cell(text: str, *, is_path: bool = False) -> str:
    """Return a text field of CSV or TSV that no spreadsheet takes for a formula.

    A path gets ``./`` in front, by which programs find the same file; other text gets an
    apostrophe, which spreadsheets do not show. (``-`` alone is stdin.)
    """
    text = visible(text)
    if not text.startswith(_FORMULA) or text == "-":
        return text
    return f"./{text}" if is_path else f"'{text}"
