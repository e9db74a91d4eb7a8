"""How `predict` and `timeline` write their answers: which format, where, and whether it can."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, TextIO

import typer

from affekt.errors import ConfigError, DataError
from affekt.files import atomic_path
from affekt.formats.registry import FORMATS, OutputFormat, holding_several, text_lines
from affekt.results import Outcome, Track

STDIN = "-"


TABLE = "table"
"""The format for people; the others are those of `affekt.formats.registry`."""


def _parsed(name: str) -> str:
    """Return the name of a format, of another package's too, or refuse it."""
    if name != TABLE and name not in FORMATS:
        raise typer.BadParameter(f"{name!r} is not one of {', '.join((TABLE, *FORMATS))}")
    return name


def _completed(begin: str) -> list[str]:
    return [name for name in (TABLE, *FORMATS) if name.startswith(begin)]


ResultFormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        "-f",
        parser=_parsed,
        metavar=f"[{'|'.join((TABLE, *FORMATS.own))}]",
        autocompletion=_completed,
        help="For people (table), or for machines (json: one object a line); default: what the "
        "name of --out says, else table.",
        show_default=False,
    ),
]

WarningsOption = Annotated[
    bool,
    typer.Option(
        "--warnings",
        help="Tell warnings and quality in srt, vtt and audacity, too, where viewers show them.",
    ),
]

_SHARED_SUFFIXES = {".json": "json", ".txt": TABLE}
"""Endings of several formats, and the one that they mean."""

_TEXT_SUFFIXES = ("", ".txt", ".log")


def _suffixes(forms: Mapping[str, OutputFormat]) -> dict[str, str]:
    """Return the endings of file names that mean a format."""
    own = {form.suffix.lower(): name for name, form in forms.items()}
    return {**own, **_SHARED_SUFFIXES}


def chosen_format(style: str | None, out: Path | None, *, also: Sequence[str] = ()) -> str:
    """Return the format: the given one, else that of the output's name.

    Raises
    ------
    ConfigError
        If the name ends in something else than a format, text (``.txt``) or one of ``also``.
    """
    if style is not None:
        return style
    suffix = "" if out is None else out.suffix.lower()
    if suffix in (*_TEXT_SUFFIXES, *also) or out is None or not _is_file_name(out):
        return TABLE
    known = _suffixes(FORMATS.own)
    if suffix not in known:
        known = _suffixes(FORMATS)
    if suffix not in known:
        names = ", ".join(dict.fromkeys((*known, *also)))
        raise ConfigError(
            f"{out}: {suffix} is the ending of no format: end in {names}, or say --format"
        )
    return known[suffix]


def _is_file_name(out: Path) -> bool:
    """Return whether a path is a file or a new file, not a device, a pipe or a folder."""
    return out.is_file() or not out.exists()


def keep_recordings(sources: Sequence[str], *places: Path | None) -> None:
    """Refuse an output that is one of the recordings.

    Raises
    ------
    ConfigError
    """
    for place in places:
        for source in sources:
            if place is not None and source != STDIN and _same(place, Path(source)):
                raise ConfigError(f"{place} is one of the recordings: write to another file")


def check_places(
    sources: Sequence[str], style: str, out: Path | None, *pictures: Path | None
) -> None:
    """Refuse, before the work, what could not be written after it.

    Raises
    ------
    ConfigError
        If an output is one of the recordings, or a folder, or the format cannot hold the
        recordings.
    """
    keep_recordings(sources, out, *pictures)
    for place in (out, *pictures):
        if place is None or str(place) == STDIN:
            continue
        if place is not out and not place.parent.is_dir():
            raise ConfigError(f"{place}: there is no folder {place.parent}: make it first")
        if place.is_dir() and (place is not out or not _one_each(style)):
            raise ConfigError(f"{place} is a folder: name a file to write")
    if len(sources) > 1 and _one_each(style) and not writes_each(style, out):
        raise ConfigError(
            f"{style} holds one recording a file, and here are {len(sources)}: name a "
            f"folder for them (--out folder/), or choose {', '.join(holding_several())}"
        )


def writes_each(style: str, out: Path | None) -> bool:
    """Return whether an output is a folder with a file for each recording."""
    if out is None or str(out) == STDIN or not _one_each(style):
        return False
    return out.is_dir() or out.suffix == ""


def write_results(
    results: Iterable[Track | Outcome],
    labels: Sequence[str],
    style: str,
    out: Path | None,
    *,
    warnings: bool = False,
) -> None:
    """Write results to stdout as they come, to a file whole or not at all, or to a folder.

    Parameters
    ----------
    results : iterable of Track or Outcome
    labels : sequence of str
        The emotions of the model.
    style : str
        Any but ``table``.
    out : Path, optional
        Stdout when None or ``-``.
    warnings : bool
        See `text_lines`.
    """
    if out is not None and writes_each(style, out):
        _write_each(results, labels, style, out, warnings=warnings)
        return
    write_lines(text_lines(style, results, labels, warnings=warnings), out)


def write_lines(lines: Iterator[str], out: Path | None) -> None:
    """Write lines to stdout as they come, or to a file whole or not at all.

    Raises
    ------
    DataError
        If the file cannot be written, as on a full disk; the lines before are kept beside it.
    """
    if out is None or str(out) == STDIN:
        for line in lines:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
        return
    with atomic_path(out) as partial, partial.open("wb", buffering=0) as stream:
        written = 0
        for line in lines:
            content = f"{line}\n".encode("utf-8", "backslashreplace")
            try:
                while content:
                    content = content[stream.write(content) :]
            except OSError as error:
                reason = error.strerror or str(error)
                raise DataError(f"{out}: {reason}: {_kept(out, partial, written)}") from None
            written = stream.tell() if stream.seekable() else 0


def _kept(out: Path, partial: Path, size: int) -> str:
    """Keep the whole lines of a file that could not be finished, and report where they are."""
    if size == 0 or partial == out:
        return "nothing was kept; write to another disk"
    os.truncate(partial, size)
    kept = out.with_name(f"{out.name}.part")
    partial.replace(kept)
    return f"what was written before is kept in {kept}"


def _write_each(
    results: Iterable[Track | Outcome],
    labels: Sequence[str],
    style: str,
    folder: Path,
    *,
    warnings: bool,
) -> None:
    """Write each recording to a file of its own, named after it; two of a name are numbered."""
    suffix = FORMATS[style].suffix
    taken: set[str] = set()
    for result in results:
        if isinstance(result, Outcome) and result.error:
            continue  # it is written to stderr, and in the exit status
        stem = "stdin" if result.file == STDIN else Path(result.file).stem
        name, number = stem, 2
        while name.lower() in taken:
            name, number = f"{stem}-{number}", number + 1
        taken.add(name.lower())
        lines = text_lines(style, [result], labels, warnings=warnings)
        write_lines(lines, folder / f"{name}{suffix}")


def _one_each(style: str) -> bool:
    return style != TABLE and not FORMATS[style].several


def _same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):  # one of them does not exist
        return False


def shows_blocks(stream: TextIO) -> bool:
    """Return whether a stream can show the block characters of bars."""
    try:
        "█▏".encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
