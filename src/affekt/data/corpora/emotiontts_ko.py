"""Emotion-TTS open database: the public part of its emotional Korean speech.

Files are named ``ema00001``: neutral (em) or emotional (ne) texts, speaker, number. The emotion is
in the number: 1 to 100 neutral, 101 to 200 happy, 201 to 300 sad, 301 to 400 angry. The makers'
README has the last two the other way round, as the texts show. Whether the speakers of
``ema`` and ``nea`` are one person is not said.
"""

from __future__ import annotations

import re
from pathlib import Path

from affekt.data.corpora.base import Corpus, audio_files, one_per_name, read_names
from affekt.data.corpora.compact import is_compact, read_compact
from affekt.data.manifest import Clip

EMOTIONS = ("neutral", "happy", "sad", "angry")
"""By the number's hundreds."""
MEN = frozenset("fghklmno")
WOMEN = frozenset("abcde")

_NAME = re.compile(r"((?:em|ne)([a-z]))(00[0-3]\d\d|00400)")


def read(folder: Path) -> list[Clip]:
    """Read all clips, in the makers' or the compact layout.

    Raises
    ------
    DataError
        If a recording is not named as above.
    """
    if is_compact(folder):
        return read_compact(folder, "emotiontts_ko")
    files = one_per_name(audio_files(folder), "emotiontts_ko")
    return read_names("emotiontts_ko", files, _NAME, _clip, "ema00001")


def _clip(file: Path, match: re.Match[str]) -> Clip:
    speaker, letter, number = match.groups()
    return Clip(
        file=file,
        emotion=EMOTIONS[max(0, int(number) - 1) // 100],
        speaker=speaker,
        gender="male" if letter in MEN else "female" if letter in WOMEN else "",
        language="ko",
        corpus="emotiontts_ko",
    )


EMOTIONTTS_KO = Corpus(
    name="emotiontts_ko",
    title="Emotion-TTS open database, emotional part (Korean)",
    language="ko",
    emotions=tuple(sorted(EMOTIONS)),
    speakers=15,
    clips=300,
    licence="CC-BY-NC-SA-4.0",
    non_commercial=True,
    homepage="https://github.com/emotiontts/emotiontts_open_db",
    downloads=(),
    read=read,
)
