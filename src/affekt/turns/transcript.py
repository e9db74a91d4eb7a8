"""Transcripts: the spans of their sentences, and the same file with an emotion at each.

    .srt    a line ``[angry 81%]`` above the words
    .vtt    the same, of the class of the emotion, and the speakers of ``<v NAME>``
    .json   what whisper, faster-whisper and whisperX write: a key ``emotion`` in each segment

Nothing else is changed: words, times, settings and comments stay as they were.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from affekt.errors import ConfigError, DataError
from affekt.results import Segment
from affekt.turns.speakers import parsed_json, read_text, turn_at
from affekt.turns.turn import Turn

SUFFIXES = (".srt", ".vtt", ".json")
_TIME = r"((?:\d+:)?\d{1,2}:\d{2}[.,]\d{1,3})"
_TIMES = re.compile(rf"^\s*{_TIME}\s+-->\s+{_TIME}(\s.*)?$")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]+)>")
_MARK = re.compile(r"^(?:<c\.\w+>)?\[[\w ]+ \d+%\](?:</c>)?$")
"""The line of an emotion, which an earlier run wrote."""
_TAGS = re.compile(r"<[^>]*>|\{\\[^}]*\}")


@dataclass(frozen=True)
class Transcript:
    """A transcript whose sentences get emotions.

    Attributes
    ----------
    path : Path
    turns : tuple of Turn
        The span of each subtitle or segment, in the order of the file, and its speaker where the
        transcript tells one.
    """

    path: Path
    turns: tuple[Turn, ...]
    _text: str
    _places: tuple[int, ...]  # of each turn: the line of its times, or its index in the list

    @property
    def suffix(self) -> str:
        """Name of its format: ``srt``, ``vtt`` or ``json``."""
        return self.path.suffix.lower()[1:]

    def sentences(self) -> list[str]:
        """Return the words of each subtitle or segment, without tags; those without times, too."""
        if self.suffix == "json":
            items = _items(parsed_json(self._text, self.path), self.path)
            return [str(item.get("text") or "") for item in items]
        lines = [line.rstrip("\r") for line in self._text.split("\n")]
        found = []
        for place in self._places:
            spoken = takewhile(str.strip, lines[place + 1 :])
            words = " ".join(line for line in spoken if not _MARK.match(line))
            found.append(" ".join(_TAGS.sub("", words).split()))
        return found

    def lines(self, segments: Mapping[int, Segment]) -> Iterator[str]:
        """Yield the lines of the file, with an emotion at each sentence that has one.

        Parameters
        ----------
        segments : mapping of int to Segment
            By index of the turn.
        """
        answers = {self._places[index]: one for index, one in segments.items()}
        if self.suffix == "json":
            yield from self._json_lines(answers)
        else:
            yield from self._cue_lines(answers)

    def _cue_lines(self, answers: Mapping[int, Segment]) -> Iterator[str]:
        timed = set(self._places)
        lines = self._text.split("\n")
        for number, line in enumerate(lines[:-1] if lines[-1] == "" else lines):
            if number - 1 in timed and _MARK.match(line.rstrip("\r")):
                continue  # of an earlier run
            yield line
            if number in answers:
                end = "\r" if line.endswith("\r") else ""
                yield f"{self._mark(answers[number])}{end}"

    def _mark(self, segment: Segment) -> str:
        words = f"[{segment.label} {segment.confidence:.0%}]"
        if self.suffix == "srt":
            return words
        name = re.sub(r"\W", "_", segment.label)
        return f"<c.{name}>{words}</c>"

    def _json_lines(self, answers: Mapping[int, Segment]) -> Iterator[str]:
        content = parsed_json(self._text, self.path)
        for index, item in enumerate(_items(content, self.path)):
            item.pop("emotion", None)
            if index in answers:
                told = answers[index].to_dict()
                item["emotion"] = {
                    name: value
                    for name, value in told.items()
                    if name not in ("start", "end", "speaker")
                }
        yield json.dumps(content, ensure_ascii=False, indent=2)


def read_transcript(path: str | Path) -> Transcript:
    """Read a transcript.

    Raises
    ------
    DataError
        If it cannot be read, or holds no times.
    ConfigError
        If its name ends in something else than a known format.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ConfigError(f"{path}: a transcript ends in {', '.join(SUFFIXES)}")
    text = read_text(path)
    found = list(_from_json(text, path) if suffix == ".json" else _from_cues(text, path))
    if not found:
        raise DataError(f"{path}: it holds no sentences with times")
    return Transcript(path, tuple(turn for _, turn in found), text, tuple(at for at, _ in found))


def with_speakers(sentences: Sequence[Turn], turns: Sequence[Turn]) -> list[Turn]:
    """Return sentences with the speaker of the turns that they overlap most with."""
    found = []
    for one in sentences:
        seconds: dict[str, float] = {}
        for turn in turns:
            shared = min(one.end, turn.end) - max(one.start, turn.start)
            if shared > 0:
                seconds[turn.speaker] = seconds.get(turn.speaker, 0.0) + shared
        who = max(seconds, key=lambda name: seconds[name]) if seconds else one.speaker
        found.append(Turn(one.start, one.end, who))
    return found


def _from_cues(text: str, path: Path) -> Iterator[tuple[int, Turn]]:
    lines = [line.rstrip("\r") for line in text.split("\n")]
    for number, line in enumerate(lines):
        if "-->" not in line or line.startswith("NOTE"):
            continue
        match = _TIMES.match(line)
        before = lines[number - 1].strip() if number else ""
        if match is None and before and not before.isdigit():
            continue  # an arrow among the words
        if match is None:
            raise DataError(
                f"{path}, line {number + 1}: {line.strip()[:60]!r} are no times of a subtitle, "
                "such as 00:00:01,500 --> 00:00:04,000"
            )
        start, end = (_seconds(match.group(at)) for at in (1, 2))
        voice = ""
        for following in lines[number + 1 :]:
            if not following.strip():
                break
            if spoken := _VOICE.search(following):
                voice = spoken.group(1).strip()
                break
        yield number, _closed(start, end, voice, f"{path}, line {number + 1}")


def _seconds(clock: str) -> float:
    *larger, last = clock.replace(",", ".").split(":")
    seconds = 0
    for part in larger:
        seconds = 60 * (seconds + int(part))
    return seconds + float(last)


def _from_json(text: str, path: Path) -> Iterator[tuple[int, Turn]]:
    for index, item in enumerate(_items(parsed_json(text, path), path)):
        start, end = item.get("start"), item.get("end")
        if start is None or end is None:
            continue  # whisperX leaves out the times of what it could not align
        place = f"{path}, segments[{index}]"
        yield index, _closed(start, end, item.get("speaker"), place)


def _items(content: Any, path: Path) -> list[dict[str, Any]]:
    items = content.get("segments") if isinstance(content, dict) else content
    if not isinstance(items, list) or not all(isinstance(one, dict) for one in items):
        raise DataError(
            f"{path}: it is no transcript of whisper, faster-whisper or whisperX: expected a list "
            "segments, with start, end and text"
        )
    return items


def _closed(start: Any, end: Any, speaker: Any, place: str) -> Turn:
    turn = turn_at(start, end, speaker, place)
    if math.isinf(turn.end):
        raise DataError(f"{place}: a sentence ends at a time in seconds")
    return turn
