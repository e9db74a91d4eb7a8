"""What the commands share: options, tables, progress, and writing files whole or not at all.

Results go to stdout or to a file; everything else (logs, progress, warnings) to stderr.
rich is imported only where a person watches, because a script should not wait for it.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from affekt.files import atomic_path, table_cell, visible

Row = Mapping[str, Any]
"""One line of a result: column name to a value that JSON can hold."""


class Format(str, Enum):
    """How results are written."""

    table = "table"
    json = "json"
    csv = "csv"


FormatOption = Annotated[
    Format,
    typer.Option("--format", "-f", help="For people, or for machines (json: one object a line)."),
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Write the result to this file instead of stdout."),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="Folder, hub id (org/name), base, live, small or nano; default: base.",
    ),
]
BaselineOption = Annotated[
    Path | None,
    typer.Option("--baseline", help="Of the voice or the room: see affekt baseline build."),
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Where the corpora lie; default: $AFFEKT_DATA, else the cache."),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option("--threads", min=1, help="Threads for the model; default: up to four."),
]

FailIfOption = Annotated[
    list[str] | None,
    typer.Option("--fail-if", help="End with status 1 past a limit: NAME=NUMBER; see below."),
]


def end_if_failed(lines: Sequence[str]) -> None:
    """End with status 1 if there are lines, which go to stderr."""
    for line in lines:
        log(f"failed: {line}")
    if lines:
        raise typer.Exit(1)


def log(message: str) -> None:
    """Write one line to stderr."""
    typer.echo(visible(message), err=True)


def watched(stream: IO[str] | None = None) -> bool:
    """Return whether a stream (stdout by default) is a terminal."""
    stream = stream or sys.stdout
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def colored() -> bool:
    """Return whether stdout shows colours: a terminal does, unless ``NO_COLOR`` is set."""
    return watched() and not os.environ.get("NO_COLOR")


def write_text(text: str, out: Path | None = None) -> None:
    """Write text to a file, whole or not at all, or to stdout when ``out`` is None or ``-``."""
    if out is None or str(out) == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    with atomic_path(out) as partial:
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")


def emit(rows: Iterable[Row], style: Format, out: Path | None = None, title: str = "") -> None:
    """Write rows as a table, as JSON lines or as CSV.

    Parameters
    ----------
    rows : iterable of mapping
        Column name to value; every row has the columns of the first (more are added at the end).
    style : Format
        ``table`` is drawn with rich when stdout is a terminal, else as aligned plain text.
    out : Path, optional
        File to write, whole or not at all; stdout by default.
    title : str
        Printed above a table for people; machines never see it.
    """
    rows = list(rows)
    if style is Format.json:
        write_text("".join(json_line(row) for row in rows), out)
    elif style is Format.csv:
        write_text(csv_text(rows), out)
    elif out is None and watched():
        _rich_table(rows, title)
    else:
        write_text(plain_table(rows), out)


def json_line(row: Row) -> str:
    """Return a row as one line of JSON, with its line end; NaN and infinity become null."""
    return json.dumps(_jsonable(row), ensure_ascii=False, allow_nan=False, default=str) + "\n"


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _jsonable(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def csv_text(rows: Sequence[Row]) -> str:
    """Return rows as CSV with a header line; None becomes an empty field, a list is joined."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=_columns(rows), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _csv_field(name, value) for name, value in row.items()})
    return text.getvalue()


def _csv_field(name: str, value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        value = "; ".join(map(str, value))
    return table_cell(value, is_path=name == "file") if isinstance(value, str) else value


def plain_table(rows: Sequence[Row]) -> str:
    """Return rows as text in aligned columns: words to the left, numbers to the right."""
    columns = _columns(rows)
    cells = [[_cell(row.get(name)) for name in columns] for row in rows]
    widths = [max([len(name), *(len(line[i]) for line in cells)]) for i, name in enumerate(columns)]
    right = [_is_numeric(rows, name) for name in columns]
    lines = [
        "  ".join(
            word.rjust(width) if to_right else word.ljust(width)
            for word, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in [columns, *cells]
    ]
    return "".join(line + "\n" for line in lines)


def _rich_table(rows: Sequence[Row], title: str) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    columns = _columns(rows)
    for name in columns:
        table.add_column(name, justify="right" if _is_numeric(rows, name) else "left")
    for row in rows:
        # Text, not str: file names may hold [brackets], which rich would read as markup.
        table.add_row(*(Text(_cell(row.get(name))) for name in columns))
    Console().print(table)


def _columns(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _is_numeric(rows: Sequence[Row], column: str) -> bool:
    values = [row.get(column) for row in rows if row.get(column) is not None]
    return bool(values) and all(isinstance(value, (int, float)) for value in values)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".") if abs(value) < 1000 else f"{value:.0f}"
    if isinstance(value, (list, tuple)):
        return visible(", ".join(map(str, value)))
    return visible(str(value))


SECONDS_BETWEEN_LINES = 30.0
"""Seconds between lines of progress where no terminal shows a bar."""


def line_is_due(reported: float) -> bool:
    """Return whether progress is to be told in a line; ``reported``: when it was, monotonic."""
    return time.monotonic() - reported >= SECONDS_BETWEEN_LINES and not watched(sys.stderr)


@contextmanager
def progress(
    description: str, total: float | None = None, *, lines: bool = True
) -> Iterator[Callable[[float], None]]:
    """Show a bar on stderr while the block runs, if a person watches; else a line now and then.

    Yields a function: call it with how much more was done.

    Parameters
    ----------
    description : str
    total : float, optional
        How much there is to do.
    lines : bool
        Whether there are lines where nobody watches; those who call may write their own.
    """
    if not watched(sys.stderr):
        yield _Lines(description, total).advance if lines else lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(description, total=total)
        yield lambda done: bar.advance(task, done)


class _Lines:
    """Progress as lines on stderr, for files and logs."""

    def __init__(self, description: str, total: float | None) -> None:
        self._description = description
        self._of = "" if total is None else f" of {total:.0f}"
        self._done = 0.0
        self._reported = time.monotonic()

    def advance(self, more: float) -> None:
        self._done += more
        if line_is_due(self._reported):
            log(f"{self._description}: {self._done:.0f}{self._of}")
            self._reported = time.monotonic()
