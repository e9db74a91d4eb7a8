"""What every corpus reader shares: the facts about a corpus, and finding its files."""

from __future__ import annotations

import csv
import logging
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from affekt.data.manifest import Clip
from affekt.errors import DataError

log = logging.getLogger("affekt.data")

AUDIO_EXTENSIONS: frozenset[str] = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".mp4"}
    | {".aif", ".aiff", ".aifc", ".webm", ".wma", ".au", ".caf"}
)
"""Extensions, in lower case, by which a file counts as a recording."""


@dataclass(frozen=True)
class Download:
    """One file of a corpus at its official home.

    Attributes
    ----------
    url : str
        Where it lies.
    path : str
        Where it goes, relative to the corpus's folder; for an archive, the archive's own name.
    checksum : str
        ``"md5:<hex>"`` or ``"sha256:<hex>"`` as the publisher states it; ``""`` if none does.
    archive : bool
        Whether it is a zip or tar file to unpack in the corpus's folder.
    """

    url: str
    path: str
    checksum: str = ""
    archive: bool = False


@dataclass(frozen=True)
class Corpus:
    """A public corpus: what it is, where it comes from, and how it is read.

    Attributes
    ----------
    name, title : str
        The short name used everywhere, and the full one.
    language : str
        ISO 639-1 code, several with commas; ``""`` for sounds without words.
    emotions : tuple of str
        The canonical labels that occur, in alphabetical order.
    speakers, clips : int
        How many there are when the corpus is complete.
    licence : str
        An SPDX identifier or, where there is none, plain words.
    non_commercial : bool
        Whether the licence forbids commercial use.
    homepage : str
        Where the corpus is described.
    downloads : tuple of Download
        The files to fetch; empty where they need a request, or a download by hand.
    read : Callable[[Path], list[Clip]]
        Reads the corpus from its own folder.
    listing : Callable[[Path], list[Download]], optional
        Further files to fetch, known only once ``downloads`` have arrived in the folder.
    unsettled : tuple of str
        Labels whose meaning is uncertain, left out of training and measurement.
    """

    name: str
    title: str
    language: str
    emotions: tuple[str, ...]
    speakers: int
    clips: int
    licence: str
    non_commercial: bool
    homepage: str
    downloads: tuple[Download, ...]
    read: Callable[[Path], list[Clip]]
    listing: Callable[[Path], list[Download]] | None = None
    unsettled: tuple[str, ...] = ()

    @property
    def commercial_use(self) -> str:
        """Whether the licence allows it: ``"yes"``, ``"no"``, or ``"unclear"``.

        Unclear is every licence in plain words: ask its authors.
        """
        if self.non_commercial:
            return "no"
        return "unclear" if " " in self.licence else "yes"


def audio_files(folder: Path) -> list[Path]:
    """Return all recordings below a folder, sorted, without hidden files and folders."""
    found: list[Path] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        where = Path(parent)
        files = (where / name for name in names if not name.startswith("."))
        found.extend(file for file in files if file.suffix.lower() in AUDIO_EXTENSIONS)
    return sorted(found)


def one_per_name(files: Iterable[Path], corpus: str) -> list[Path]:
    """Keep one file of those with the same name, for corpora whose names are unique.

    The one nearest to the corpus's folder wins. Copies happen: some mirrors pack a whole corpus
    twice, and a conversion may leave both formats side by side.
    """
    kept: dict[str, Path] = {}
    copies = 0
    for file in sorted(files, key=lambda file: (len(file.parts), str(file))):
        copies += file.stem in kept
        kept.setdefault(file.stem, file)
    if copies:
        log.warning("%s: left out %d files that repeat the name of another", corpus, copies)
    return sorted(kept.values(), key=lambda file: file.stem)


def refuse_misnamed(corpus: str, folder: Path, misnamed: Sequence[str], pattern: str) -> None:
    """Raise if there are recordings without a label in their name.

    Raises
    ------
    DataError
        If ``misnamed`` (file names, each with its reason or alone) is not empty.
    """
    if misnamed:
        shown = ", ".join(misnamed[:5]) + (", ..." if len(misnamed) > 5 else "")
        raise DataError(
            f"{corpus}: {len(misnamed)} recordings in {folder} are not named {pattern}: {shown}; "
            f"rename them or move them elsewhere"
        )


def read_names(
    corpus: str,
    files: Iterable[Path],
    name: re.Pattern[str],
    clip: Callable[[Path, re.Match[str]], Clip | None],
    shown: str,
) -> list[Clip]:
    """Read recordings whose names tell everything.

    Parameters
    ----------
    corpus : str
    files : iterable of Path
        The recordings, in the order that the clips get.
    name : re.Pattern
        Of a file's name without its extension, composed (NFC).
    clip : Callable
        The clip of a file and the match of its name; None for one that is no part of the corpus.
    shown : str
        How recordings are named, for the error.

    Raises
    ------
    DataError
        If a recording is not named so.
    """
    clips, misnamed, folder = [], [], Path()
    for file in files:
        match = name.fullmatch(unicodedata.normalize("NFC", file.stem))
        folder = file.parent
        if match is None:
            misnamed.append(file.name)
        elif (found := clip(file, match)) is not None:
            clips.append(found)
    refuse_misnamed(corpus, folder, misnamed, shown)
    return clips


def table_in(folder: Path, corpus: str, *names: str) -> Path:
    """Return the table of a corpus, which lies somewhere in a folder under one of these names.

    Raises
    ------
    DataError
        If there is none.
    """
    for name in names:
        if found := sorted(folder.rglob(name)):
            return found[0]
    raise DataError(f"{corpus}: there is no {names[0]} in {folder}")


def read_text(path: Path) -> str:
    """Return a text of a corpus; what is no UTF-8 in it becomes U+FFFD.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error


def read_table(path: Path, *columns: str) -> Iterator[list[str]]:
    """Yield the given columns of one of a corpus's tables.

    Raises
    ------
    DataError
        If it cannot be read, or lacks one of them.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            missing = [column for column in columns if column not in (rows.fieldnames or ())]
            if missing:
                raise DataError(f"{path} lacks the column {', '.join(missing)}")
            for row in rows:
                yield [(row[column] or "").strip() for column in columns]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read {path}: {error}") from error


def rated(word: str, low: float, high: float, where: str) -> float | None:
    """Bring a mean rating to -1 for ``low`` and 1 for ``high``; None of an empty one or a NaN.

    Raises
    ------
    DataError
        Naming ``where``, if it is no number, or not between the two.
    """
    if word.strip().lower() in ("", "nan"):
        return None
    try:
        value = float(word)
    except ValueError:
        raise DataError(f"{where}: the rating {word!r} is not a number") from None
    if not min(low, high) <= value <= max(low, high):
        raise DataError(f"{where}: the rating {word} is not from {low:g} to {high:g}")
    return (value - low) / (high - low) * 2 - 1
