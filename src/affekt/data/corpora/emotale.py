"""EmoTale: acted Danish and English speech.

Hjuler et al., "EmoTale: An Enacted Speech-emotion Dataset in Danish", ASRU 2025. 18 speakers say
five sentences in five emotions in Danish, most of them in English, too. Files are named
``DK_001_A_1``: language, speaker, the emotion's initial, sentence. Speakers 008, 009 and 014 are
children. Arousal, valence and dominance are the means of up to three annotators, who rated from 1
to 5: ``annotations.csv`` beside the recordings.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from affekt.data.corpora.base import Corpus, audio_files, one_per_name, rated, read_names
from affekt.data.corpora.compact import is_compact, read_compact
from affekt.data.manifest import Clip, read_rows
from affekt.errors import DataError

EMOTIONS = {"A": "angry", "B": "boredom", "H": "happy", "N": "neutral", "S": "sad"}
LANGUAGES = {"DK": "da", "EN": "en"}

RATINGS = (1.0, 5.0)
"""Lowest and highest rating."""
ANNOTATIONS = "annotations.csv"

_DIMENSIONS = {"A": "arousal", "V": "valence", "D": "dominance"}
_NAME = re.compile(r"(DK|EN)_(\d{3})_([ABHNS])_(\d)")


def read(folder: Path) -> list[Clip]:
    """Read all clips, in the official or the compact layout.

    Raises
    ------
    DataError
        If a recording is not named as above, or a rating is not one from 1 to 5.
    """
    if is_compact(folder):
        return read_compact(folder, "emotale", ratings=RATINGS)
    files = one_per_name(audio_files(folder), "emotale")
    clips = read_names("emotale", files, _NAME, _clip, "DK_001_A_1")
    ratings = _ratings(folder / ANNOTATIONS)
    return [replace(clip, **ratings.get(clip.file.stem, {})) for clip in clips]


def _ratings(table: Path) -> Mapping[str, dict[str, Any]]:
    """Return the mean ratings from -1 to 1 by the name of a clip; none where the table is not."""
    if not table.is_file():
        return {}
    rows = read_rows(table.read_text(encoding="utf-8-sig"), table)
    header = next(rows, (0, []))[1]
    places = {
        name: [place for place, column in enumerate(header) if re.fullmatch(rf"a\d_{key}", column)]
        for key, name in _DIMENSIONS.items()
    }
    if header[:1] != ["file"] or not all(places.values()):
        raise DataError(f"{table}: expected the columns file, a1_A, a1_V, a1_D, and so on")
    found: dict[str, dict[str, Any]] = {}
    for line, row in rows:
        if len(row) != len(header):
            raise DataError(f"{table}, row {line}: {len(row)} fields, not {len(header)}")
        where = f"{table}, row {line}"
        means = {}
        for name, columns in places.items():
            values = [rated(row[place], *RATINGS, where) for place in columns]
            if known := [value for value in values if value is not None]:
                means[name] = statistics.fmean(known)
        found[Path(row[0]).stem] = means
    return found


def _clip(file: Path, match: re.Match[str]) -> Clip:
    language, speaker, emotion, _ = match.groups()
    return Clip(
        file=file,
        emotion=EMOTIONS[emotion],
        speaker=speaker,
        language=LANGUAGES[language],
        corpus="emotale",
    )


EMOTALE = Corpus(
    name="emotale",
    title="EmoTale (acted Danish and English)",
    language="da, en",
    emotions=tuple(sorted(EMOTIONS.values())),
    speakers=18,
    clips=800,
    licence="none: under copyright, citation asked for",
    non_commercial=True,
    homepage="https://github.com/snehadas/EmoTale",
    downloads=(),
    read=read,
)
