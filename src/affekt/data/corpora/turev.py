"""TurEV-DB: single Turkish words.

Canpolat et al., "Turkish Emotion Voice Database (TurEV-DB)", SLTU and CCURL 2020. Six speakers.
Files are named ``1157_kz_deve``: speaker, emotion, word.
"""

from __future__ import annotations

import re
from pathlib import Path

from affekt.data.corpora.base import Corpus, audio_files, one_per_name, read_names
from affekt.data.corpora.compact import is_compact, read_compact
from affekt.data.manifest import Clip

EMOTIONS = {
    "kz": "angry",  # kızgın
    "sk": "calm",  # sakin
    "mt": "happy",  # mutlu
    "hl": "sad",
}

_NAME = re.compile(r"(\d{4})_(kz|sk|mt|hl)_(.+)")


def read(folder: Path) -> list[Clip]:
    """Read all clips, in the makers' or the compact layout.

    Raises
    ------
    DataError
        If a recording is not named as above.
    """
    if is_compact(folder):
        return read_compact(folder, "turev")
    files = one_per_name(audio_files(folder), "turev")
    return read_names("turev", files, _NAME, _clip, "1157_kz_deve")


def _clip(file: Path, match: re.Match[str]) -> Clip:
    speaker, emotion, _ = match.groups()
    return Clip(
        file=file,
        emotion=EMOTIONS[emotion],
        speaker=speaker,
        language="tr",
        corpus="turev",
    )


TUREV = Corpus(
    name="turev",
    title="TurEV-DB (single Turkish words)",
    language="tr",
    emotions=tuple(sorted(EMOTIONS.values())),
    speakers=6,
    clips=1735,
    licence="CC-BY-NC-ND-4.0",
    non_commercial=True,
    homepage="https://github.com/Xeonen/TurEV-DB",
    downloads=(),
    read=read,
)
