"""BanglaSER Extended: disgust and fear in Bangla, beside those of the original BanglaSER.

Files are named ``03-01-06-01-04-01-35``: modality, kind of statement, emotion, intensity,
statement, repetition, speaker (odd numbers are men). Each of the two emotions has a sentence of
its own, so the corpus helps among others and never alone.
"""

from __future__ import annotations

import re
from pathlib import Path

from affekt.data.corpora.base import Corpus, audio_files, one_per_name, read_names
from affekt.data.corpora.compact import is_compact, read_compact
from affekt.data.manifest import Clip

EMOTIONS = {"06": "disgust", "07": "fearful"}
INTENSITIES = {"01": "mild", "02": "normal", "03": "strong"}

_NAME = re.compile(r"03-0[01]-(0[67])-(0[1-3])-(\d\d)-(\d\d)-(\d\d)")


def read(folder: Path) -> list[Clip]:
    """Read all clips, in the makers' or the compact layout.

    Raises
    ------
    DataError
        If a recording is not named as above.
    """
    if is_compact(folder):
        return read_compact(folder, "banglaser_ext")
    files = one_per_name(audio_files(folder), "banglaser_ext")
    return read_names("banglaser_ext", files, _NAME, _clip, "03-01-06-01-04-01-35")


def _clip(file: Path, match: re.Match[str]) -> Clip:
    emotion, intensity, _, _, speaker = match.groups()
    return Clip(
        file=file,
        emotion=EMOTIONS[emotion],
        speaker=speaker,
        gender="male" if int(speaker) % 2 else "female",
        language="bn",
        corpus="banglaser_ext",
        intensity=INTENSITIES[intensity],
    )


BANGLASER_EXT = Corpus(
    name="banglaser_ext",
    title="BanglaSER Extended (disgust and fear)",
    language="bn",
    emotions=tuple(sorted(EMOTIONS.values())),
    speakers=15,
    clips=261,
    licence="none stated",
    non_commercial=True,
    homepage="https://github.com/Mahbub96/BanglaSER_Extended",
    downloads=(),
    read=read,
)
