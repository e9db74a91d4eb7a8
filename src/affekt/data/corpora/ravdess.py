"""RAVDESS: the Ryerson Audio-Visual Database of Emotional Speech and Song, speech, audio only.

Livingstone and Russo, "The Ryerson Audio-Visual Database of Emotional Speech and Song", PLoS ONE
13(5), 2018. 24 actors say two sentences, twice, in eight emotions and two intensities (neutral
has one). Files lie in ``Actor_NN/`` and are named ``03-01-EE-II-SS-RR-AA``: modality, channel,
emotion, intensity, statement, repetition, actor.
"""

from __future__ import annotations

import re
from pathlib import Path

from affekt.data.corpora.base import Corpus, Download, audio_files, one_per_name, refuse_misnamed
from affekt.data.manifest import Clip

EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fearful",
    "07": "disgust",
    "08": "surprised",
}
INTENSITIES = {"01": "normal", "02": "strong"}

_NAME = re.compile(r"(0[123])-(0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-(0[1-9]|1\d|2[0-4])")
_FOLDER = re.compile(r"actor_(\d\d)", re.IGNORECASE)


def read(folder: Path) -> list[Clip]:
    """Read all spoken, audio-only clips below a folder.

    The same archive's relatives, songs (channel 02) and films (modality 01 and 02), may lie
    beside them and are passed over.

    Raises
    ------
    DataError
        If a recording is not named as above, or lies in another actor's folder.
    """
    clips, misnamed = [], []
    for file in one_per_name(audio_files(folder), "ravdess"):
        match = _NAME.fullmatch(file.stem)
        home = _FOLDER.fullmatch(file.parent.name)
        if match is None or (home is not None and home[1] != match[7]):
            misnamed.append(f"{file.parent.name}/{file.name}")
            continue
        modality, channel, emotion, intensity, _, _, actor = match.groups()
        if (modality, channel) != ("03", "01"):
            continue
        clips.append(
            Clip(
                file=file,
                emotion=EMOTIONS[emotion],
                speaker=actor,
                gender="male" if int(actor) % 2 else "female",
                language="en",
                corpus="ravdess",
                intensity=INTENSITIES[intensity],
            )
        )
    refuse_misnamed("ravdess", folder, misnamed, "Actor_AA/03-01-EE-II-SS-RR-AA")
    return clips


RAVDESS = Corpus(
    name="ravdess",
    title="RAVDESS speech (Ryerson Audio-Visual Database of Emotional Speech and Song)",
    language="en",
    emotions=tuple(sorted(EMOTIONS.values())),
    speakers=24,
    clips=1440,
    licence="CC-BY-NC-SA-4.0",
    non_commercial=True,
    homepage="https://zenodo.org/records/1188976",
    downloads=(
        Download(
            url="https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip",
            path="Audio_Speech_Actors_01-24.zip",
            checksum="md5:bc696df654c87fed845eb13823edef8a",
            archive=True,
        ),
    ),
    read=read,
)
