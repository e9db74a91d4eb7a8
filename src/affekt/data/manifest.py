"""The clip, which everything downstream of the corpora speaks of, and the CSV that lists clips.

A manifest is a comma-separated UTF-8 file with one row per clip. Only ``file`` and ``emotion``
are required; the other columns may be left out or left empty where nothing is known::

    file,start,end,speaker,gender,language,corpus,emotion,intensity,split
    anna/hello.wav,,,anna,female,en,,happy,,train
    talk.flac,12.5,15.0,bert,male,en,,neutral,,test

A relative file is relative to the manifest's own folder. Rater votes, recognition rates and rated
strengths have columns of their own, ``vote_<emotion>``, ``recognition`` and ``strength``; so have
the ``age`` of the speaker in years and rated ``valence``, ``arousal`` and ``dominance``,
from -1 to 1. They are written only when a clip has them.
"""

from __future__ import annotations

import csv
import io
import math
import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from affekt.errors import DataError
from affekt.files import atomic_path
from affekt.labels import EMOTIONS, canonical, check_labels
from affekt.results import DIMENSIONS

COLUMNS: tuple[str, ...] = (
    "file",
    "start",
    "end",
    "speaker",
    "gender",
    "language",
    "corpus",
    "emotion",
    "intensity",
    "split",
)
"""The columns of a manifest, in the order in which they are written."""

SPLITS: tuple[str, ...] = ("train", "validation", "test")

_GENDERS = {"": "", "f": "female", "female": "female", "m": "male", "male": "male"}
_SPLITS = {
    "": "",
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}


@dataclass(frozen=True)
class Clip:
    """One labelled stretch of speech.

    Attributes
    ----------
    file : Path
        The recording.
    emotion : str
        Its label: what :func:`affekt.labels.canonical` makes of the word for it.
    speaker : str
        The speaker's name within the corpus, ``""`` where unknown.
    gender : str
        ``"female"``, ``"male"`` or ``""``.
    language : str
        ISO 639-1 code, ``""`` where unknown.
    corpus : str
        The corpus the clip belongs to, ``""`` for recordings of the user's own.
    intensity : str
        How strongly the emotion was played, in the corpus's own words, or ``""``.
    split : str
        ``"train"``, ``"validation"``, ``"test"`` or ``""``.
    start, end : float, optional
        The stretch of the file that counts, in seconds; None is the file's own start or end.
    votes : Mapping[str, float], optional
        Emotion to the fraction of raters that chose it; the fractions sum to 1.
    recognition : float, optional
        Fraction of listeners, from 0 to 1, that chose the label.
    strength : float, optional
        Mean strength, from 0 to 1, by the raters who chose the label.
    age : float, optional
        Of the speaker, in years.
    valence, arousal, dominance : float, optional
        Mean ratings, from -1 to 1: readers of corpora bring other scales to this one.
    """

    file: Path
    emotion: str
    speaker: str = ""
    gender: str = ""
    language: str = ""
    corpus: str = ""
    intensity: str = ""
    split: str = ""
    start: float | None = None
    end: float | None = None
    votes: Mapping[str, float] | None = field(default=None, hash=False)
    recognition: float | None = None
    strength: float | None = None
    age: float | None = None
    valence: float | None = None
    arousal: float | None = None
    dominance: float | None = None

    @property
    def name(self) -> str:
        """The file's name without extension, and the start where the clip has one."""
        return self.file.stem if self.start is None else f"{self.file.stem}@{self.start:g}"

    @property
    def speaker_id(self) -> str:
        """``corpus/speaker``, so that equal names in two corpora stay two people.

        Without a corpus it is the speaker alone, and ``""`` where the speaker is unknown.
        """
        return f"{self.corpus}/{self.speaker}" if self.corpus and self.speaker else self.speaker

    @property
    def agreement(self) -> float | None:
        """The fraction of listeners that chose the label, from `recognition` or else the votes."""
        if self.recognition is not None:
            return self.recognition
        return None if self.votes is None else self.votes.get(self.emotion, 0.0)


def read_manifest(
    path: str | os.PathLike[str], *, ratings: tuple[float, float] = (-1.0, 1.0)
) -> list[Clip]:
    """Read the clips that a CSV manifest lists.

    Parameters
    ----------
    path : path-like
    ratings : (float, float)
        Lowest and highest valence, arousal and dominance in the file; a clip has them from -1 to 1.

    Raises
    ------
    DataError
        If the file cannot be read, is not comma-separated UTF-8, lacks a required column,
        lists nothing, a row names a missing file or an impossible stretch, or two labels differ
        only in case or accents. The message gives the numbers of the rows, counted as lines of
        the file.
    """
    path = Path(path)
    rows = read_rows(_text(path), path)
    header = [_column(name.strip()) for name in next(rows, (0, []))[1]]
    _check_header(path, header)
    clips, lines = [], []
    for line, row in rows:
        where = f"{path}, row {line}"
        if len(row) > len(header):
            raise DataError(f"{where}: more fields than columns; quote fields that hold commas")
        values = dict.fromkeys(header, "")
        values |= {column: value.strip() for column, value in zip(header, row, strict=False)}
        if not any(values.values()):
            continue
        clips.append(_clip(values, path.parent, where, ratings))
        lines.append(line)
    if not clips:
        raise DataError(f"{path}: the manifest lists no clips")
    check_labels([*dict.fromkeys(clip.emotion for clip in clips)], str(path))
    _check_files(path, clips, lines)
    return clips


def read_rows(text: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a CSV, each with the number of its last line; empty ones are left out.

    A line ends at CR or LF alone: other separators may be part of a field.

    Raises
    ------
    DataError
        Naming the row whose quote does not close, or whose field is longer than
        `csv.field_size_limit`.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        first = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            reason = f"{error}; double a quote that is part of a field"
            if "unexpected end" in str(error):
                reason = "a quote opens and does not close; close it, or double it"
            raise DataError(f"{path}, row {first}: {reason}") from None
        if row is None:
            return
        if row:
            yield reader.line_num, row


def write_manifest(clips: Iterable[Clip], path: str | os.PathLike[str]) -> None:
    """Write clips as a CSV manifest, in one step, so that no half manifest is ever seen.

    Files below the manifest's folder are written relative to it, others with their full path.
    """
    path = Path(path)
    clips = list(clips)
    votes = {emotion for clip in clips for emotion in clip.votes or ()}
    voted = [*(e for e in EMOTIONS if e in votes), *sorted(votes.difference(EMOTIONS))]
    columns = [*COLUMNS, *(f"vote_{emotion}" for emotion in voted)]
    for column in ("recognition", "strength", "age", *DIMENSIONS):
        if any(getattr(clip, column) is not None for clip in clips):
            columns.append(column)
    folder = _absolute(path.parent)
    try:
        with atomic_path(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(_row(clip, folder) for clip in clips)
    except OSError as error:
        raise DataError(f"cannot write the manifest {path}: {error.strerror or error}") from error


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")  # read_text would change the line ends
    except FileNotFoundError:
        raise DataError(f"manifest {path} does not exist") from None
    except UnicodeDecodeError:
        raise DataError(f"manifest {path} is not UTF-8 text; save it as 'CSV UTF-8'") from None
    except OSError as error:
        raise DataError(f"cannot read the manifest {path}: {error.strerror or error}") from error


def _column(name: str) -> str:
    """Return the name of a column in lower case; labels keep theirs."""
    lower = name.lower()
    return f"vote_{name[5:]}" if lower.startswith("vote_") else lower


def _check_header(path: Path, header: Sequence[str]) -> None:
    if not any(header):
        raise DataError(f"{path}: the manifest is empty; its first row must name the columns")
    for separator, word in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and separator in header[0]:
            raise DataError(f"{path}: fields are separated by {word}; save it with commas")
    missing = [column for column in ("file", "emotion") if column not in header]
    if missing:
        raise DataError(
            f"{path}: missing column {', '.join(missing)}; the first row has {', '.join(header)}"
        )
    twice = sorted({column for column in header if column and header.count(column) > 1})
    if twice:
        raise DataError(f"{path}: column {', '.join(twice)} occurs more than once")


def _clip(
    values: Mapping[str, str], folder: Path, where: str, ratings: tuple[float, float]
) -> Clip:
    if not values["file"]:
        raise DataError(f"{where}: no file is named")
    if not values["emotion"]:
        raise DataError(f"{where}: {values['file']} has no emotion: fill it in or drop the row")
    try:
        emotion = canonical(values["emotion"])
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    start, end = _seconds(values, "start", where), _seconds(values, "end", where)
    if end is not None and end <= (start or 0.0):
        raise DataError(f"{where}: the end ({end:g} s) is not after the start ({start or 0:g} s)")
    return Clip(
        file=folder / values["file"],
        emotion=emotion,
        speaker=_composed(values.get("speaker", "")),
        gender=_choice(values, "gender", _GENDERS, where),
        language=values.get("language", ""),
        corpus=values.get("corpus", ""),
        intensity=values.get("intensity", ""),
        split=_choice(values, "split", _SPLITS, where),
        start=start,
        end=end,
        votes=_votes(values, where),
        recognition=_fraction(values, "recognition", where),
        strength=_fraction(values, "strength", where),
        age=_number(values, "age", where),
        **{name: _rating(values, name, where, ratings) for name in DIMENSIONS},
    )


def _composed(name: str) -> str:
    """Return a name in one spelling: an accent may be a letter's part or a sign of its own (NFC).

    Otherwise one speaker could be two, and stand on both sides of a split.
    """
    return unicodedata.normalize("NFC", name)


def _choice(values: Mapping[str, str], column: str, known: Mapping[str, str], where: str) -> str:
    value = values.get(column, "")
    if value.lower() not in known:
        expected = ", ".join(sorted(set(known.values()) - {""}))
        raise DataError(f"{where}: unknown {column} {value!r}: expected {expected}, or nothing")
    return known[value.lower()]


def _number(values: Mapping[str, str], column: str, where: str) -> float | None:
    """Return a finite number that is not negative, or None where the field is empty."""
    number = _finite(values, column)
    if number is not None and not number >= 0:
        raise DataError(f"{where}: {column} {values[column]!r} is not a number from 0 up")
    return number


def _finite(values: Mapping[str, str], column: str) -> float | None:
    """Return a number, NaN where it is none or infinite, or None where the field is empty."""
    text = values.get(column, "")
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _rating(
    values: Mapping[str, str], column: str, where: str, ratings: tuple[float, float]
) -> float | None:
    """Return a rating, brought to the range from -1 to 1."""
    number = _finite(values, column)
    low, high = ratings
    if number is None:
        return None
    if not low <= number <= high:
        raise DataError(
            f"{where}: {column} {values[column]!r} is not a rating from {low:g} to {high:g}; "
            "bring ratings on another scale to this one"
        )
    # Ratings in the range already keep their digits through a round trip.
    return number if (low, high) == (-1.0, 1.0) else (number - low) / (high - low) * 2 - 1


def _seconds(values: Mapping[str, str], column: str, where: str) -> float | None:
    return _number(values, column, where)


def _fraction(values: Mapping[str, str], column: str, where: str) -> float | None:
    number = _number(values, column, where)
    if number is not None and number > 1:
        raise DataError(f"{where}: {column} {number:g} is not a fraction from 0 to 1")
    return number


def _votes(values: Mapping[str, str], where: str) -> dict[str, float] | None:
    votes = {}
    for column in values:
        if column.startswith("vote_"):
            try:
                emotion = canonical(column.removeprefix("vote_"))
            except DataError as error:
                raise DataError(f"{where}: column {column}: {error}") from None
            number = _number(values, column, where)
            if number is not None:
                votes[emotion] = number
    total = sum(votes.values())
    if total <= 0:
        return None
    if math.isclose(total, 1.0):
        return votes  # dividing again would change the last digits at every round trip
    return {emotion: vote / total for emotion, vote in votes.items()}


def _check_files(path: Path, clips: Sequence[Clip], lines: Sequence[int]) -> None:
    pairs = zip(lines, clips, strict=True)
    missing = [(n, clip.file) for n, clip in pairs if not clip.file.is_file()]
    if missing:
        rows = ", ".join(str(n) for n, _ in missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise DataError(
            f"{path}: {len(missing)} of {len(clips)} files do not exist (row {rows}): "
            f"the first is {missing[0][1]}"
        )


def _absolute(path: Path) -> Path:
    """Return the path without ``..``, but with its symbolic links as the user named them."""
    return Path(os.path.abspath(path))


def _row(clip: Clip, folder: Path) -> dict[str, str]:
    file = _absolute(clip.file)
    name = file.relative_to(folder) if file.is_relative_to(folder) else file
    row = {
        "file": name.as_posix(),
        "speaker": clip.speaker,
        "gender": clip.gender,
        "language": clip.language,
        "corpus": clip.corpus,
        "emotion": clip.emotion,
        "intensity": clip.intensity,
        "split": clip.split,
    }
    names = ("start", "end", "recognition", "strength", "age", *DIMENSIONS)
    numbers = {name: getattr(clip, name) for name in names}
    numbers.update({f"vote_{emotion}": vote for emotion, vote in (clip.votes or {}).items()})
    row.update({column: repr(float(n)) for column, n in numbers.items() if n is not None})
    return row
