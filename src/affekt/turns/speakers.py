"""Who speaks when, read from what diarisation and annotation tools write.

.rttm   NIST's format of diarisation
.json   whisperX, pyannote (``diarization``), lists of turns, Label Studio's exports
.jsonl  what ``affekt timeline --format json`` writes
.csv    ``file``, ``start``, ``end`` and ``speaker``, as audformat writes segments; without
        times, who speaks in all of each file
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from mimetypes import guess_type
from pathlib import Path, PurePath
from typing import Any
from unicodedata import normalize

from affekt.data.manifest import read_rows
from affekt.errors import ConfigError, DataError
from affekt.turns.turn import Turn

_UPLOADED = re.compile(r"^[0-9a-f]{8}-")
"""What Label Studio puts before the name of an uploaded file."""
_DURATION = re.compile(r"^(?:(-?\d+) days? )?(-?\d+):(\d\d):(\d\d(?:\.\d+)?)$")
_NAMES_SHOWN = 5
Named = Iterator[tuple[str, Turn]]
"""Turns, each with the name of its recording; empty where the file does not tell it."""


@dataclass(frozen=True)
class Speakers:
    """The turns of recordings, as a file tells them.

    Attributes
    ----------
    path : Path
        The file.
    turns : mapping of str to list of Turn
        By recording, as the file names it; under an empty name where it names none.
    voices : mapping of str to str
        Who speaks in all of a recording, by its absolute path: of a CSV without times.
    """

    path: Path
    turns: Mapping[str, list[Turn]] = field(default_factory=dict)
    voices: Mapping[str, str] = field(default_factory=dict)

    def recording_of(self, name: str) -> Path:
        """Return where a recording lies: its path from here, or beside this file.

        Raises
        ------
        DataError
            If it lies at neither place, or several files there are called so.
        """
        folder = self.path.parent
        for place in (folder / name, Path(name)):
            if name and place.is_file():
                return place
        around = (folder / name).parent
        beside = sorted(around.iterdir()) if around.is_dir() else []
        same = [
            one
            for one in beside
            if one != self.path and _same_name(name, str(one)) and _is_sound(one)
        ]
        if len(same) != 1:
            raise DataError(
                f"{self.path}: {len(same) or 'no'} recordings are called {name or 'nothing'} "
                f"in {around}: write their paths, from the folder of this file"
            )
        return same[0]

    @property
    def timed(self) -> bool:
        """Whether turns are told, not only who speaks in a recording."""
        return not self.voices

    def speaker_of(self, file: str) -> str:
        """Return who speaks in all of a recording; empty where unknown."""
        return self.voices.get(_full(Path(file)), "")

    def turns_of(self, file: str, *, alone: bool) -> list[Turn]:
        """Return the turns of a recording.

        Parameters
        ----------
        file : str
            The recording; its name counts, or its whole path where several share a name.
        alone : bool
            Whether it is the only one that is asked about: a file of turns that tells of a single
            recording is of this one then, whatever it is called there.

        Raises
        ------
        ConfigError
            If the file does not tell of which recording its turns are, or not clearly.
        DataError
            If it tells of other recordings alone.
        """
        if not self.turns:
            return []
        if alone and len(self.turns) == 1:
            return next(iter(self.turns.values()))
        if "" in self.turns:
            raise ConfigError(
                f"{self.path}: it does not tell of which recording its turns are: give one "
                "recording, or turns that name theirs (RTTM, or a CSV with a column file)"
            )
        folder = self.path.parent
        whole = [name for name in self.turns if _same_path(name, file, folder)]
        same = whole or [name for name in self.turns if _same_name(name, file)]
        if len(same) > 1:
            raise ConfigError(
                f"{self.path}: {len(same)} recordings are called like {file}: "
                f"{_listed(same)}: write whole paths there"
            )
        if same:
            return self.turns[same[0]]
        if alone:
            raise DataError(
                f"{self.path}: it tells of {_listed(self.turns)}, not of {file}: rename the "
                "recording as it is called there"
            )
        return []


def read_speakers(path: str | Path, *, truth: bool = False) -> Speakers:
    """Read a file of turns; its name and content tell the format.

    Parameters
    ----------
    path : str or Path
    truth : bool
        Whether it tells emotions: then a CSV needs no column ``speaker``.

    Raises
    ------
    DataError
        If it cannot be read, is of another format, or holds impossible times; the message names
        the place.
    """
    path = Path(path)
    text = read_text(path)
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return _from_csv(text, path, truth)
    if suffix in (".json", ".jsonl"):
        found = _from_json(parsed_json(text, path), path)
    elif suffix in (".rttm", ".txt", ""):
        found = _from_rttm(text, path)
    else:
        raise DataError(
            f"{path}: {suffix} is the ending of no file of turns: give .rttm, .json or .csv"
        )
    return Speakers(path, _grouped(found))


def _grouped(found: Named) -> dict[str, list[Turn]]:
    groups: dict[str, list[Turn]] = {}
    for name, turn in found:
        groups.setdefault(name, []).append(turn)
    return groups


def read_text(path: Path) -> str:
    """Return the text of a file in UTF-8, without its mark; line ends stay as they are."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path}: it is no text in UTF-8: save it as UTF-8") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None


def parsed_json(text: str, path: Path) -> Any:
    """Return JSON, or the list of a file with one object a line."""
    try:
        if path.suffix.lower() == ".jsonl":
            return [json.loads(line) for line in text.split("\n") if line.strip()]
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: it is no JSON: {error}") from None


# --- RTTM ---


def _from_rttm(text: str, path: Path) -> Named:
    # Blanks and line ends of other kinds may be part of a name.
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        words = re.findall(r"[^ \t]+", line)
        if not words or words[0].startswith(";;") or words[0] in _OTHER_OBJECTS:
            continue
        if words[0] != "SPEAKER" or len(words) < 8:
            raise DataError(
                f"{path}, line {number}: expected SPEAKER and at least seven further fields, as "
                f"RTTM has, got {line.strip()[:60]!r}"
            )
        try:
            start, duration = float(words[3]), float(words[4])
        except ValueError:
            raise DataError(
                f"{path}, line {number}: {words[3]} and {words[4]} are no start and duration in "
                "seconds"
            ) from None
        speaker, emotion = ("" if words[i] == "<NA>" else words[i] for i in (7, 6))
        place = f"{path}, line {number}"
        yield words[1], turn_at(start, start + duration, speaker, place, emotion)


_OTHER_OBJECTS = frozenset(
    "SPKR-INFO NON-SPEECH NOSCORE NO_RT_METADATA SEGMENT LEXEME NON-LEX FILLER EDIT IP SU CB A/P "
    "LANGUAGE".split()
)
"""Types of RTTM that are no turns."""


# --- JSON ---


def _from_json(content: Any, path: Path) -> Named:
    if isinstance(content, Mapping) and isinstance(content.get("output"), Mapping):
        content = content["output"]  # what pyannote's service answers
    if isinstance(content, Mapping):
        for name in ("diarization", "segments", "turns"):
            if isinstance(content.get(name), list):
                yield from _from_list(content[name], f"{path}, {name}")
                return
    if isinstance(content, list):
        if any(isinstance(one, Mapping) and _is_task(one) for one in content):
            yield from _from_tasks(content, path)
        else:
            yield from _from_list(content, str(path))
        return
    raise DataError(
        f"{path}: no turns are found: expected the keys diarization (pyannote) or segments "
        "(whisperX), a list of turns, or an export of Label Studio"
    )


def _from_list(items: Sequence[Any], where: str) -> Named:
    for index, item in enumerate(items):
        place = f"{where}[{index}]"
        if not isinstance(item, Mapping):
            raise DataError(f"{place}: expected a turn with start, end and speaker")
        if "start" not in item and "file" in item:
            continue  # the line of a recording
        speaker = item.get("speaker", item.get("label") if "scores" not in item else None)
        file = item.get("file")
        name = file if isinstance(file, str) else ""
        emotion = item.get("emotion", item.get("label") if "scores" in item else None)
        emotion = emotion.get("label") if isinstance(emotion, Mapping) else emotion
        yield name, turn_at(item.get("start"), item.get("end"), speaker, place, emotion)


def _is_task(item: Mapping[str, Any]) -> bool:
    return "annotations" in item or "predictions" in item or isinstance(item.get("label"), list)


def _from_tasks(tasks: Sequence[Any], path: Path) -> Named:
    """Yield the turns of an export of Label Studio, whole (JSON) or short (JSON-MIN)."""
    for index, task in enumerate(tasks):
        place = f"{path}, task {index}"
        if not isinstance(task, Mapping):
            raise DataError(f"{place}: expected a task of Label Studio")
        if isinstance(task.get("label"), list):
            for one in task["label"]:
                yield _audio(task), _region_turn(one, {}, place)
            continue
        data = task.get("data")
        name = _audio(data if isinstance(data, Mapping) else {})
        regions = [one for one in _results(task) if "labels" in _value(one)]
        told = [one for one in regions if "speaker" in str(one.get("from_name", "")).lower()]
        for one in told or regions:
            value = _value(one)
            if one.get("from_name") == "emotion":  # as affekt writes them
                value = {**value, "labels": []}
            yield name, _region_turn(value, one.get("meta"), place)


def _results(task: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the regions that a person marked, else those of the first prediction."""
    drawn = [
        one
        for one in task.get("annotations") or []
        if isinstance(one, Mapping) and not one.get("was_cancelled")
    ]
    for answer in (drawn or task.get("predictions") or [])[:1]:
        yield from (one for one in answer.get("result") or [] if isinstance(one, Mapping))


def _value(region: Mapping[str, Any]) -> Mapping[str, Any]:
    value = region.get("value")
    return value if isinstance(value, Mapping) else {}


def _region_turn(value: Any, meta: Any, place: str) -> Turn:
    if not isinstance(value, Mapping):
        raise DataError(f"{place}: expected a region with start, end and labels")
    names = value.get("labels")
    first = names[0] if isinstance(names, list) and names else ""
    own = meta.get("speaker") if isinstance(meta, Mapping) else None
    return turn_at(value.get("start"), value.get("end"), own or first, place)


def _audio(data: Mapping[str, Any]) -> str:
    """Return the name of the recording of a task."""
    values = [data.get("audio"), *data.values()]
    text: str = next((one for one in values if isinstance(one, str) and one), "")
    name = text.partition("?d=")[2] or text  # files that lie on the server's own disk
    return str(PurePath(name).with_name(_UPLOADED.sub("", PurePath(name).name))) if name else ""


# --- CSV ---


def _from_csv(text: str, path: Path, truth: bool) -> Speakers:
    rows = read_rows(text, path)
    _, header = next(rows, (0, []))
    if truth and not {"file", "start", "emotion"} <= set(header):
        raise DataError(f"{path}: expected a CSV with the columns file, start, end and emotion")
    if not truth and not {"file", "speaker"} <= set(header):
        raise DataError(
            f"{path}: expected a CSV with the columns file and speaker, and start and end where "
            "it tells of turns"
        )
    whole = "start" not in header
    found: list[tuple[str, Turn]] = []
    voices: dict[str, str] = {}
    for number, row in rows:
        values = dict.fromkeys(header, "") | dict(zip(header, row, strict=False))
        if whole:
            voices[_full(path.parent / values["file"])] = values["speaker"]
            continue
        place = f"{path}, row {number}"
        start = _seconds(values["start"], 0.0, place)
        end = _seconds(values.get("end", ""), math.inf, place)
        emotion = values.get("emotion") or values.get("label")
        found.append((values["file"], turn_at(start, end, values.get("speaker"), place, emotion)))
    return Speakers(path, {} if whole else _grouped(iter(found)), voices)


def _seconds(text: str, missing: float, place: str) -> float:
    """Return a time in seconds: a number, or as pandas writes one (``0 days 00:00:01.5``)."""
    text = text.strip()
    if text in ("", "NaT", "nan"):
        return missing
    if match := _DURATION.match(text):
        days, hours, minutes, seconds = match.groups(default="0")
        return 86400 * int(days) + 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    try:
        return float(text)
    except ValueError:
        raise DataError(
            f"{place}: {text!r} is no time: write seconds, or 0 days 00:00:01.5"
        ) from None


# --- what they share ---


def turn_at(start: Any, end: Any, speaker: Any, place: str, emotion: Any = None) -> Turn:
    """Return a turn of values from a file; an error names the place."""
    for value in (start, end):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise DataError(f"{place}: a turn has a start and an end in seconds, got {value!r}")
    if isinstance(speaker, (list, tuple)):
        speaker = speaker[0] if speaker else ""
    words = ("" if one is None else str(one).strip() for one in (speaker, emotion))
    try:
        return Turn(float(start), float(end), *words)
    except (DataError, OverflowError) as error:
        raise DataError(f"{place}: {error}") from None


def _same_path(name: str, file: str, folder: Path) -> bool:
    """Return whether a path, from a folder or from here, is that of a recording."""
    wanted = {_plain(_full(Path(file))), _plain(_full(Path(file).with_suffix("")))}
    return bool(wanted & {_plain(_full(folder / name)), _plain(_full(Path(name)))})


def _same_name(name: str, file: str) -> bool:
    """Return whether a recording is called so, whatever its folder; the ending may differ."""
    called, own = PurePath(name), PurePath(file)
    kind = guess_type(called.name)[0] or ""
    stem = called.stem if kind.startswith(("audio/", "video/")) else called.name
    return _plain(called.name) == _plain(own.name) or _plain(stem) == _plain(own.stem)


def _is_sound(path: Path) -> bool:
    return (guess_type(path.name)[0] or "").startswith(("audio/", "video/"))


def _plain(name: str) -> str:
    return re.sub(r"\s", "_", normalize("NFC", name))  # RTTM holds no blanks


def _full(path: Path) -> str:
    return str(path.expanduser().resolve())


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return f"{', '.join(names[:_NAMES_SHOWN])}{more}"
