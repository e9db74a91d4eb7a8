"""Thorsten-Voice Dataset 2021.06, emotional: one German speaker.

Müller and Kreutz, Zenodo, 2021. 300 sentences in eight ways of speaking. Files lie in a folder for
each way and are named by a hash. Four of the ways are emotions of affekt; amused, drunk,
sleepy and whispered clips are passed over.
"""

from __future__ import annotations

from pathlib import Path

from affekt.data.corpora.base import Corpus, Download, audio_files
from affekt.data.manifest import Clip
from affekt.errors import DataError

EMOTIONS = {
    "angry": "angry",
    "disgusted": "disgust",
    "neutral": "neutral",
    "surprised": "surprised",
}
OTHERS = ("amused", "drunk", "sleepy", "whisper")


def read(folder: Path) -> list[Clip]:
    """Read the clips of the known emotions below a folder.

    Raises
    ------
    DataError
        If a recording lies in no folder of a way of speaking.
    """
    clips = []
    for file in audio_files(folder):
        way = file.parent.name
        if way in EMOTIONS:
            clips.append(
                Clip(
                    file=file,
                    emotion=EMOTIONS[way],
                    speaker="thorsten",
                    gender="male",
                    language="de",
                    corpus="thorsten_emotional",
                )
            )
        elif way not in OTHERS:
            raise DataError(
                f"thorsten_emotional: {file} is in none of the folders "
                f"{', '.join(sorted((*EMOTIONS, *OTHERS)))}"
            )
    return clips


THORSTEN_EMOTIONAL = Corpus(
    name="thorsten_emotional",
    title="Thorsten-Voice Dataset 2021.06, emotional (one German speaker)",
    language="de",
    emotions=tuple(sorted(EMOTIONS.values())),
    speakers=1,
    clips=1200,
    licence="CC0-1.0",
    non_commercial=False,
    homepage="https://zenodo.org/records/5525023",
    downloads=(
        Download(
            url="https://zenodo.org/records/5525023/files/thorsten-emotional_v02.tgz",
            path="thorsten-emotional_v02.tgz",
            checksum="md5:f19585f3759c6d026757c46024a37aa4",
            archive=True,
        ),
    ),
    read=read,
)
