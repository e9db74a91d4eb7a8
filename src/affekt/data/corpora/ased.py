"""ASED: Amharic Speech Emotion Dataset, version 1.

Retta et al., "A New Amharic Speech Emotion Dataset and Classification Benchmark", ACM TALLIP
22(1), 2023. 65 volunteers speak seven Amharic sentences; 01 to 05 belong to one emotion each, 06
and 07 are common to all. Files are named ``a5-06-01-01-03``: emotion, sentence, repetition,
gender, speaker.

Speakers 23 and 25 share recordings, and so do 39 and 45. Each pair counts as one speaker, so that
no split comes between them. What is labelled sad is the loudest and highest of all classes, what
is labelled fearful is quiet: perhaps a way of acting, perhaps two folders swapped. Training and
protocols leave both out (`UNSETTLED`).
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from affekt.data.corpora.base import Corpus, audio_files, one_per_name, read_names
from affekt.data.corpora.compact import is_compact, read_compact
from affekt.data.manifest import Clip

EMOTIONS = {"n1": "neutral", "f2": "fearful", "h3": "happy", "s4": "sad", "a5": "angry"}
UNSETTLED = ("fearful", "sad")
"""Labels that training leaves out unless a recipe names them."""
GENDERS = {"01": "female", "02": "male"}

_ONE = {"23": "23-25", "25": "23-25", "39": "39-45", "45": "39-45"}
_NAME = re.compile(r"(n1|f2|h3|s4|a5)-(0[1-7])-(0[12])-(0[12])-(0[1-9]|[1-5]\d|6[0-5])")


def read(folder: Path) -> list[Clip]:
    """Read all clips, in the official or the compact layout.

    Raises
    ------
    DataError
        If a recording is not named as above.
    """
    if is_compact(folder):
        clips = read_compact(folder, "ased")
        return [replace(c, speaker=_ONE.get(c.speaker, c.speaker)) for c in clips]
    files = one_per_name(audio_files(folder), "ased")
    return read_names("ased", files, _NAME, _clip, "a5-06-01-01-03")


def _clip(file: Path, match: re.Match[str]) -> Clip:
    emotion, _, _, gender, speaker = match.groups()
    return Clip(
        file=file,
        emotion=EMOTIONS[emotion],
        speaker=_ONE.get(speaker, speaker),
        gender=GENDERS[gender],
        language="am",
        corpus="ased",
    )


ASED = Corpus(
    name="ased",
    title="ASED (Amharic Speech Emotion Dataset)",
    language="am",
    emotions=tuple(sorted(EMOTIONS.values())),
    speakers=63,
    clips=2474,
    licence="none stated: freely available for download",
    non_commercial=True,
    homepage="https://github.com/Ethio2021/ASED_V1",
    downloads=(),
    read=read,
    unsettled=UNSETTLED,
)
