"""A folder with one sub-folder per emotion: the simplest way to label recordings.

::

    recordings/
      happy/            anna_01.wav, anna_02.wav          speaker unknown
      sadness/bert/     1.wav, 2.wav                      speaker "bert"

The sub-folders may use any synonym of :mod:`affekt.labels`. The speaker of a recording is
the name of the folder between the emotion and the file, if there is one.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path

from affekt.data.corpora.base import audio_files
from affekt.data.manifest import Clip
from affekt.errors import DataError
from affekt.labels import EMOTIONS, SYNONYMS


def read_folder(folder: Path) -> list[Clip]:
    """Read recordings sorted into ``emotion/`` or ``emotion/speaker/``.

    Raises
    ------
    DataError
        If a sub-folder that holds recordings is not named after an emotion, a recording lies
        beside the sub-folders or deeper than a speaker's folder, or there are none at all.
    """
    clips = []
    unknown: set[str] = set()
    misplaced: list[str] = []
    for file in audio_files(folder):
        inside = file.relative_to(folder).parts
        emotion = SYNONYMS.get(inside[0].strip().lower())
        if len(inside) == 1 or len(inside) > 3:
            misplaced.append(str(Path(*inside)))
        elif emotion is None:
            unknown.add(inside[0])
        else:
            speaker = unicodedata.normalize("NFC", inside[1]) if len(inside) == 3 else ""
            clips.append(Clip(file=file, emotion=emotion, speaker=speaker))
    if unknown:
        raise DataError(
            f"{folder}: no emotion is called {', '.join(sorted(unknown))}: name the sub-folders "
            f"after {', '.join(EMOTIONS)}"
        )
    if misplaced:
        raise DataError(
            f"{folder}: {len(misplaced)} recordings are neither in emotion/ nor in "
            f"emotion/speaker/: the first is {misplaced[0]}"
        )
    if not clips:
        raise DataError(f"{folder} holds no recordings in sub-folders named after emotions")
    return clips
