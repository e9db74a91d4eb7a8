"""From the words on a command line to the recordings they mean."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from affekt.errors import AudioError

AUDIO_SUFFIXES = frozenset(
    ".aac .aif .aiff .amr .au .caf .flac .m4a .mka .mp3 .mp4".split()
    + ".oga .ogg .opus .wav .webm .wma".split()
)
"""Files taken from a folder; a file named outright may have any name."""


def expand(words: Sequence[str], *, recursive: bool = False) -> list[str]:
    """Return the recordings that the words of a command line mean, in order.

    Parameters
    ----------
    words : sequence of str
        Files, ``-`` for stdin, patterns that the shell left alone (``*.wav`` on Windows), and,
        with ``recursive``, folders, which stand for the recordings in them in natural order.
    recursive : bool
        Whether folders are taken; without it a folder is passed on, and fails as a recording.

    Raises
    ------
    AudioError
        If a folder or a pattern holds no recording.
    """
    files: list[str] = []
    for word in words:
        path = Path(word)
        if recursive and path.is_dir():
            files += _in_folder(path)
        elif not path.exists() and glob.has_magic(word):
            files += _matching(word)
        else:
            files.append(word)
    return files


def natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts names as people do: ``take2`` before ``take10``."""
    parts = re.split(r"(\d+)", name.lower())
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]


def _in_folder(folder: Path) -> list[str]:
    found = [
        str(p) for p in folder.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES and p.is_file()
    ]
    return _sorted(found, f"{folder}: no recordings in this folder")


def _matching(pattern: str) -> list[str]:
    return _sorted(glob.glob(pattern, recursive=True), f"{pattern}: no file matches this pattern")


def _sorted(found: Iterable[str], otherwise: str) -> list[str]:
    files = sorted(found, key=natural)
    if not files:
        raise AudioError(otherwise)
    return files
