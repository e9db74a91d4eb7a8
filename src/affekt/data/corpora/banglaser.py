"""BanglaSER: acted Bangla speech, recorded with phones and laptops.

Das et al., "BanglaSER: A speech emotion recognition dataset for the Bangla language", Data in
Brief 42, 2022. 34 speakers say three sentences, three times, in five emotions. Files are named
``03-01-EE-II-SS-RR-AA`` as in RAVDESS, with other emotions: 01 happy, 02 sad, 03 angry,
04 surprise, 05 neutral. Odd speakers are men.
"""

from __future__ import annotations

import re
from pathlib import Path

from affekt.data.corpora.base import Corpus, Download, audio_files, one_per_name, read_names
from affekt.data.manifest import Clip

EMOTIONS = {"01": "happy", "02": "sad", "03": "angry", "04": "surprised", "05": "neutral"}
INTENSITIES = {"01": "normal", "02": "strong"}

_NAME = re.compile(r"03-01-(0[1-5])-(0[12])-(0[1-3])-(0[1-3])-(0[1-9]|[12]\d|3[0-4])")


def read(folder: Path) -> list[Clip]:
    """Read all clips below a folder.

    Raises
    ------
    DataError
        If a recording is not named as above.
    """
    files = one_per_name(audio_files(folder), "banglaser")
    return read_names("banglaser", files, _NAME, _clip, "03-01-EE-II-SS-RR-AA")


def _clip(file: Path, match: re.Match[str]) -> Clip:
    emotion, intensity, _, _, speaker = match.groups()
    return Clip(
        file=file,
        emotion=EMOTIONS[emotion],
        speaker=speaker,
        gender="male" if int(speaker) % 2 else "female",
        language="bn",
        corpus="banglaser",
        intensity=INTENSITIES[intensity],
    )


BANGLASER = Corpus(
    name="banglaser",
    title="BanglaSER (acted Bangla, recorded with phones and laptops)",
    language="bn",
    emotions=tuple(sorted(EMOTIONS.values())),
    speakers=34,
    clips=1467,
    licence="CC-BY-4.0",
    non_commercial=False,
    homepage="https://data.mendeley.com/datasets/t9h6p943xy/5",
    downloads=(
        Download(
            url="https://prod-dcd-datasets-cache-zipfiles.s3.eu-west-1.amazonaws.com/"
            "t9h6p943xy-5.zip",
            path="t9h6p943xy-5.zip",
            archive=True,
        ),
    ),
    read=read,
)
