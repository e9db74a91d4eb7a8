"""SAVEE: Surrey Audio-Visual Expressed Emotion, audio only.

Haq and Jackson, "Multimodal emotion recognition", in: Machine Audition, 2010. Four men say 15
English sentences in each of seven emotions, neutral twice as many. Files lie in
``AudioData/DC/a01.wav``: speaker, the emotion's initial, number. Copies in one folder are named
``DC_a01.wav``.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from affekt.data.corpora.base import Corpus, audio_files, read_names
from affekt.data.corpora.compact import is_compact, read_compact
from affekt.data.manifest import Clip
from affekt.errors import DataError

EMOTIONS = {
    "a": "angry",
    "d": "disgust",
    "f": "fearful",
    "h": "happy",
    "n": "neutral",
    "sa": "sad",
    "su": "surprised",
}
SPEAKERS = ("DC", "JE", "JK", "KL")

_NAME = re.compile(r"(?:(DC|JE|JK|KL)_)?(a|d|f|h|n|sa|su)(\d\d)")


def read(folder: Path) -> list[Clip]:
    """Read all clips, in the official or the compact layout.

    Raises
    ------
    DataError
        If a recording is not named as above, or lies in no speaker's folder.
    """
    if is_compact(folder):
        return [replace(clip, language="en") for clip in read_compact(folder, "savee")]
    inner = folder / "AudioData"
    files = audio_files(inner if inner.is_dir() else folder)
    return read_names("savee", files, _NAME, _clip, "DC/a01 or DC_a01")


def _clip(file: Path, match: re.Match[str]) -> Clip:
    speaker = match[1] or file.parent.name
    if speaker not in SPEAKERS:
        raise DataError(
            f"savee: {file} is in no folder of a speaker: expected {', '.join(SPEAKERS)}"
        )
    return Clip(
        file=file,
        emotion=EMOTIONS[match[2]],
        speaker=speaker,
        gender="male",
        language="en",
        corpus="savee",
    )


SAVEE = Corpus(
    name="savee",
    title="SAVEE (Surrey Audio-Visual Expressed Emotion)",
    language="en",
    emotions=tuple(sorted(EMOTIONS.values())),
    speakers=4,
    clips=480,
    licence="research only, by registration",
    non_commercial=True,
    homepage="http://kahlan.eps.surrey.ac.uk/savee/",
    downloads=(),
    read=read,
)
