"""MESD: Mexican Emotional Speech Database, single words.

Duville et al., "Mexican Emotional Speech Database Based on Semantic, Frequency, Familiarity,
Concreteness, and Cultural Shaping of Affective Prosody", Data 6(12), 2021. Files are named
``Anger_F_A_abajo``: emotion, voice (F woman, M man, C child), list of words, word. Copies with
reduced noise have a level before the word (``Anger_F_A_2_abajo``) and are passed over. Three
women, two men and six children speak; the names do not say who, so speakers are unknown.
"""

from __future__ import annotations

import re
from pathlib import Path

from affekt.data.corpora.base import Corpus, Download, audio_files, one_per_name, read_names
from affekt.data.manifest import Clip

EMOTIONS = {
    "Anger": "angry",
    "Disgust": "disgust",
    "Fear": "fearful",
    "Happiness": "happy",
    "Neutral": "neutral",
    "Sadness": "sad",
}
GENDERS = {"C": "", "F": "female", "M": "male"}

_NAME = re.compile(rf"({'|'.join(EMOTIONS)})_([CFM])_([AB])_(?:(\d+)_)?(.+)")


def read(folder: Path) -> list[Clip]:
    """Read all clips below a folder.

    Raises
    ------
    DataError
        If a recording is not named as above.
    """
    files = one_per_name(audio_files(folder), "mesd")
    return read_names("mesd", files, _NAME, _clip, "Anger_F_A_abajo")


def _clip(file: Path, match: re.Match[str]) -> Clip | None:
    emotion, voice, _, level, _ = match.groups()
    if level is not None:
        return None
    return Clip(
        file=file,
        emotion=EMOTIONS[emotion],
        gender=GENDERS[voice],
        language="es",
        corpus="mesd",
    )


MESD = Corpus(
    name="mesd",
    title="MESD (Mexican Emotional Speech Database, single words)",
    language="es",
    emotions=tuple(sorted(EMOTIONS.values())),
    speakers=11,
    clips=864,
    licence="CC-BY-4.0",
    non_commercial=False,
    homepage="https://data.mendeley.com/datasets/cy34mh68j9/5",
    downloads=(
        Download(
            url="https://prod-dcd-datasets-cache-zipfiles.s3.eu-west-1.amazonaws.com/"
            "cy34mh68j9-5.zip",
            path="cy34mh68j9-5.zip",
            archive=True,
        ),
    ),
    read=read,
)
