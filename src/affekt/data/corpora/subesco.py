"""SUBESCO: SUST Bangla Emotional Speech Corpus.

Sultana et al., "SUST Bangla Emotional Speech Corpus (SUBESCO)", PLoS ONE 16(4), 2021. 20
professional actors say ten sentences in seven emotions, five times. Files are named
``F_02_MONIKA_S_1_NEUTRAL_5``: gender, number and name of the speaker, sentence, emotion, take.
"""

from __future__ import annotations

import re
from pathlib import Path

from affekt.data.corpora.base import Corpus, Download, audio_files, one_per_name, read_names
from affekt.data.manifest import Clip

EMOTIONS = {
    "ANGRY": "angry",
    "DISGUST": "disgust",
    "FEAR": "fearful",
    "HAPPY": "happy",
    "NEUTRAL": "neutral",
    "SAD": "sad",
    "SURPRISE": "surprised",
}
GENDERS = {"F": "female", "M": "male"}

_NAME = re.compile(rf"([FM])_(\d\d)_([^_]+)_S_(\d+)_({'|'.join(EMOTIONS)})_(\d)")


def read(folder: Path) -> list[Clip]:
    """Read all clips below a folder.

    Raises
    ------
    DataError
        If a recording is not named as above.
    """
    files = one_per_name(audio_files(folder), "subesco")
    return read_names("subesco", files, _NAME, _clip, "F_02_MONIKA_S_1_NEUTRAL_5")


def _clip(file: Path, match: re.Match[str]) -> Clip:
    gender, number, _, _, emotion, _ = match.groups()
    return Clip(
        file=file,
        emotion=EMOTIONS[emotion],
        speaker=f"{gender}{number}",  # men and women are numbered apart
        gender=GENDERS[gender],
        language="bn",
        corpus="subesco",
    )


SUBESCO = Corpus(
    name="subesco",
    title="SUBESCO (SUST Bangla Emotional Speech Corpus)",
    language="bn",
    emotions=tuple(sorted(EMOTIONS.values())),
    speakers=20,
    clips=7000,
    licence="CC-BY-4.0",
    non_commercial=False,
    homepage="https://zenodo.org/records/4526477",
    downloads=(
        Download(
            url="https://zenodo.org/records/4526477/files/SUBESCO.zip",
            path="SUBESCO.zip",
            archive=True,
        ),
    ),
    read=read,
)
