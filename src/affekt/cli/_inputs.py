"""From the words on a command line to the recordings they mean."""

from __future__ import annotations

import glob
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from affekt.errors import AudioError

AUDIO_SUFFIXES = frozenset(
    ".3g2 .3gp .aac .ac3 .aif .aifc .aiff .amr .ape .asf .au .avi .caf .eac3 .f4v .flac".split()
    + ".flv .m4a .m4b .m4v .mka .mkv .mov .mp2 .mp3 .mp4 .mpc .mpeg .mpg .mts .nist .oga".split()
    + ".ogg .ogv .opus .snd .sph .spx .tta .voc .w64 .wav .wave .weba .webm .wma .wmv .wv".split()
)
"""Files taken from a folder; a file named outright may have any name."""

_PASSED_OVER = ("__MACOSX",)

FollowOption = Annotated[
    bool,
    typer.Option(
        "--follow/--no-follow", help="With --recursive, whether links to folders are followed."
    ),
]


def stdin_bytes() -> BinaryIO:
    """Return the standard input as a binary file.

    Raises
    ------
    AudioError
        If it was closed before this program began.
    """
    if sys.stdin is None:
        raise AudioError("stdin: it is closed; pipe a recording in")
    return sys.stdin.buffer


def expand(words: Sequence[str], *, recursive: bool = False, follow: bool = True) -> list[str]:
    """Return the recordings that the words of a command line mean, in order.

    Parameters
    ----------
    words : sequence of str
        Files, ``-`` for stdin, patterns that the shell left alone (``*.wav`` on Windows), and,
        with ``recursive``, folders, which stand for the recordings in them in natural order.
    recursive : bool
        Whether folders are taken. What is hidden in them is not, nor what macOS puts into archives
        (``__MACOSX``, ``._name.wav``).
    follow : bool
        Whether links to folders are followed; each folder is taken once.

    Returns
    -------
    list of str
        A word that stands for no recording is kept, so that it gets its own error later while
        the others are done.
    """
    files: list[str] = []
    for word in words:
        path = Path(word)
        found: list[str] = []
        if recursive and path.is_dir():
            found = list(_recordings(path, follow))
        elif glob.has_magic(word) and not path.exists():
            found = glob.glob(word, recursive=True)
        files += sorted(found, key=natural) or [word]
    return files


def folder_error(source: str, error: str, recursive: bool) -> str:
    """Return the error of a source; where it is a folder, the one that says what to do."""
    if not error or not Path(source).is_dir():
        return error
    if recursive:
        return f"{source}: this folder holds no recordings; name one that does"
    return f"{source}: is a folder: add --recursive, or name its files ({source}/*.wav)"


def _recordings(folder: Path, follow: bool) -> Iterator[str]:
    seen: set[tuple[int, int]] = set()
    for place, folders, names in os.walk(folder, followlinks=follow):
        status = os.stat(place)
        if (status.st_dev, status.st_ino) in seen:  # a link to a folder above, or to one beside
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(n for n in folders if not n.startswith(".") and n not in _PASSED_OVER)
        for name in names:
            file = Path(place, name)
            if name.startswith(".") or file.suffix.lower() not in AUDIO_SUFFIXES:
                continue
            if file.is_file():
                yield str(file)


def natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts names as people do: ``take2`` before ``take10``."""
    parts = re.split(r"(\d+)", name.lower())
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]
