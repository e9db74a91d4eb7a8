"""EmoTale: acted Danish and English speech.

Hjuler et al., "EmoTale: An Enacted Speech-emotion Dataset in Danish", ASRU 2025. 18 speakers say
five sentences in five emotions in Danish, most of them in English, too. Files are named
``DK_001_A_1``: language, speaker, the emotion's initial, sentence. Speakers 008, 009 and 014 are
children.
"""

from __future__ import annotations

import re
from pathlib import Path

from affekt.data.corpora.base import Corpus, audio_files, one_per_name, read_names
from affekt.data.corpora.compact import is_compact, read_compact
from affekt.data.manifest import Clip

EMOTIONS = {"A": "angry", "B": "boredom", "H": "happy", "N": "neutral", "S": "sad"}
LANGUAGES = {"DK": "da", "EN": "en"}

_NAME = re.compile(r"(DK|EN)_(\d{3})_([ABHNS])_(\d)")


def read(folder: Path) -> list[Clip]:
    """Read all clips, in the official or the compact layout.

    Raises
    ------
    DataError
        If a recording is not named as above.
    """
    if is_compact(folder):
        return read_compact(folder, "emotale")
    files = one_per_name(audio_files(folder), "emotale")
    return read_names("emotale", files, _NAME, _clip, "DK_001_A_1")


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
