"""JL-Corpus: acted New Zealand English.

James, Tian and Watson, "An Open Source Emotional Speech Corpus for Human Robot Interaction
Applications", Interspeech 2018. Two women and two men, five primary and five secondary emotions.
Files are named ``female1_angry_10a_1``: speaker, emotion, sentence, repetition. Four of the
primary emotions are known to affekt; the clips of excitement and of the secondary emotions
(anxious, apologetic, ...) are passed over.
"""

from __future__ import annotations

import re
from pathlib import Path

from affekt.data.corpora.base import Corpus, Download, audio_files, one_per_name, read_names
from affekt.data.manifest import Clip

EMOTIONS = ("angry", "happy", "neutral", "sad")

_NAME = re.compile(r"((female|male)[12])_([a-z]+)_(\d+[a-z]?)_(\d)")


def read(folder: Path) -> list[Clip]:
    """Read the clips of the known emotions below a folder.

    Raises
    ------
    DataError
        If a recording is not named as above.
    """
    files = one_per_name(audio_files(folder), "jl_corpus")
    return read_names("jl_corpus", files, _NAME, _clip, "female1_angry_10a_1")


def _clip(file: Path, match: re.Match[str]) -> Clip | None:
    speaker, gender, emotion, _, _ = match.groups()
    if emotion not in EMOTIONS:
        return None
    return Clip(
        file=file,
        emotion=emotion,
        speaker=speaker,
        gender=gender,
        language="en",
        corpus="jl_corpus",
    )


JL_CORPUS = Corpus(
    name="jl_corpus",
    title="JL-Corpus (acted New Zealand English)",
    language="en",
    emotions=EMOTIONS,
    speakers=4,
    clips=960,
    licence="CC0-1.0",
    non_commercial=False,
    homepage="https://www.kaggle.com/datasets/tli725/jl-corpus",
    downloads=(
        Download(
            url="https://www.kaggle.com/api/v1/datasets/download/tli725/jl-corpus",
            path="jl-corpus.zip",
            archive=True,
        ),
    ),
    read=read,
)
