"""From the words on a command line to the recordings they mean."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from pathlib import Path

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
        Whether folders are taken.

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
            inside = (entry for entry in path.rglob("*") if entry.is_file())
            found = [str(file) for file in inside if file.suffix.lower() in AUDIO_SUFFIXES]
        elif glob.has_magic(word) and not path.exists():
            found = glob.glob(word, recursive=True)
        files += sorted(found, key=natural) or [word]
    return files


def natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts names as people do: ``take2`` before ``take10``."""
    parts = re.split(r"(\d+)", name.lower())
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]
