"""BAVED: Basic Arabic Vocal Emotions Dataset, seven words in three levels of expression.

Files are named ``12-m-21-0-2-106``: speaker, gender, age, word, level, number. The labels are
levels, not emotions: ``low`` (tired or down), ``neutral``, ``high`` (strongly positive or
negative). Speakers 46 and 53 are one person.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from affekt.data.corpora.base import Corpus, audio_files, one_per_name, read_names
from affekt.data.corpora.compact import is_compact, read_compact
from affekt.data.manifest import Clip

LEVELS = ("low", "neutral", "high")
GENDERS = {"f": "female", "m": "male"}

_ONE = {"53": "46"}
_NAME = re.compile(r"(\d+)-([fm])-(\d+)-([0-6])-([0-2])-(\d+)")


def read(folder: Path) -> list[Clip]:
    """Read all clips, in the makers' or the compact layout.

    Raises
    ------
    DataError
        If a recording is not named as above.
    """
    if is_compact(folder):
        clips = read_compact(folder, "baved")
        return [replace(c, speaker=_ONE.get(c.speaker, c.speaker), intensity="") for c in clips]
    files = one_per_name(audio_files(folder), "baved")
    return read_names("baved", files, _NAME, _clip, "12-m-21-0-2-106")


def _clip(file: Path, match: re.Match[str]) -> Clip:
    speaker, gender, _, _, level, _ = match.groups()
    return Clip(
        file=file,
        emotion=LEVELS[int(level)],
        speaker=_ONE.get(speaker, speaker),
        gender=GENDERS[gender],
        language="ar",
        corpus="baved",
    )


BAVED = Corpus(
    name="baved",
    title="BAVED (Basic Arabic Vocal Emotions Dataset)",
    language="ar",
    emotions=tuple(sorted(LEVELS)),
    speakers=60,
    clips=1935,
    licence="none stated",
    non_commercial=True,
    homepage="https://github.com/40uf411/Basic-Arabic-Vocal-Emotions-Dataset",
    downloads=(),
    read=read,
)
