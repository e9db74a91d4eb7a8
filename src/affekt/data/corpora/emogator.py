"""EmoGator: vocal bursts without words, recorded over the web.

Buhl, "EmoGator: A New Open Source Vocal Burst Dataset with Baseline Machine Learning
Classification Methodologies", arXiv 2301.00508. Files lie in ``data/mp3/`` and are named
``000002-03-1``: speaker, one of 30 categories, take. Eight of the categories are emotions that
affekt has; the clips of the others are left out.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from affekt.data.corpora.base import Corpus, audio_files, one_per_name, read_names
from affekt.data.corpora.compact import is_compact, read_compact
from affekt.data.manifest import Clip

EMOTIONS = {
    "03": "angry",
    "10": "disgust",
    "13": "happy",  # elation
    "15": "fearful",
    "18": "neutral",
    "24": "sad",
    "27": "surprised",  # negative
    "28": "surprised",  # positive
}

_NAME = re.compile(r"(\d{6})-(0[1-9]|[12]\d|30)-(\d)")


def read(folder: Path) -> list[Clip]:
    """Read the clips of the known emotions, in the official or the compact layout.

    Raises
    ------
    DataError
        If a recording is not named as above.
    """
    if is_compact(folder):
        return [replace(clip, language="") for clip in read_compact(folder, "emogator")]
    files = one_per_name(audio_files(folder), "emogator")
    return read_names("emogator", files, _NAME, _clip, "000002-03-1")


def _clip(file: Path, match: re.Match[str]) -> Clip | None:
    speaker, category, _ = match.groups()
    if category not in EMOTIONS:
        return None
    return Clip(file=file, emotion=EMOTIONS[category], speaker=speaker, corpus="emogator")


EMOGATOR = Corpus(
    name="emogator",
    title="EmoGator (vocal bursts without words)",
    language="",
    emotions=tuple(sorted(set(EMOTIONS.values()))),
    speakers=357,
    clips=8568,
    licence="Apache-2.0",
    non_commercial=False,
    homepage="https://github.com/fredbuhl/EmoGator",
    downloads=(),
    read=read,
)
