"""EmoUERJ: acted Brazilian Portuguese.

Bastos Germano et al., "emoUERJ: an emotional speech database in Portuguese", Zenodo, 2021. Eight
actors chose among ten sentences, in four emotions. Files are named ``w04a11``: gender and number of
the actor, emotion, number of the recording.
"""

from __future__ import annotations

import re
from pathlib import Path

from affekt.data.corpora.base import Corpus, Download, audio_files, one_per_name, read_names
from affekt.data.manifest import Clip

EMOTIONS = {"a": "angry", "h": "happy", "n": "neutral", "s": "sad"}
GENDERS = {"m": "male", "w": "female"}

_NAME = re.compile(r"([mw])(0[1-4])([ahns])(\d\d)")


def read(folder: Path) -> list[Clip]:
    """Read all clips below a folder.

    Raises
    ------
    DataError
        If a recording is not named as above.
    """
    files = one_per_name(audio_files(folder), "emouerj")
    return read_names("emouerj", files, _NAME, _clip, "w04a11")


def _clip(file: Path, match: re.Match[str]) -> Clip:
    gender, number, emotion, _ = match.groups()
    return Clip(
        file=file,
        emotion=EMOTIONS[emotion],
        speaker=f"{gender}{number}",
        gender=GENDERS[gender],
        language="pt",
        corpus="emouerj",
    )


EMOUERJ = Corpus(
    name="emouerj",
    title="EmoUERJ (acted Brazilian Portuguese)",
    language="pt",
    emotions=tuple(sorted(EMOTIONS.values())),
    speakers=8,
    clips=377,
    licence="CC-BY-4.0",
    non_commercial=False,
    homepage="https://zenodo.org/records/5427549",
    downloads=(
        Download(
            url="https://zenodo.org/records/5427549/files/emoUERJ.zip",
            path="emoUERJ.zip",
            archive=True,
        ),
    ),
    read=read,
)
