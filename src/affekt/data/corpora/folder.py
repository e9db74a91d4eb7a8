"""A folder with one sub-folder per emotion: the simplest way to label recordings.

::

    recordings/
      happy/            anna_01.wav, anna_02.wav          speaker unknown
      sadness/bert/     1.wav, 2.wav                      speaker "bert"

A sub-folder may have any name: the common words for an emotion are understood, see
:func:`affekt.labels.canonical`. The speaker of a recording is the name of the folder between the
emotion and the file, if there is one.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path

from affekt.data.corpora.base import audio_files
from affekt.data.manifest import Clip
from affekt.errors import DataError
from affekt.labels import canonical, check_labels


def read_folder(folder: Path) -> list[Clip]:
    """Read recordings sorted into ``emotion/`` or ``emotion/speaker/``.

    Raises
    ------
    DataError
        If a recording lies beside the sub-folders or deeper than a speaker's folder, there are
        none at all, or the names of two sub-folders differ only in case or accents.
    """
    clips = []
    misplaced: list[str] = []
    for file in audio_files(folder):
        inside = file.relative_to(folder).parts
        if len(inside) == 1 or len(inside) > 3:
            misplaced.append(str(Path(*inside)))
        else:
            emotion = canonical(inside[0])
            speaker = unicodedata.normalize("NFC", inside[1]) if len(inside) == 3 else ""
            clips.append(Clip(file=file, emotion=emotion, speaker=speaker))
    if misplaced:
        raise DataError(
            f"{folder}: {len(misplaced)} recordings are neither in emotion/ nor in "
            f"emotion/speaker/: the first is {misplaced[0]}"
        )
    if not clips:
        raise DataError(f"{folder} holds no recordings in sub-folders named after emotions")
    check_labels([*dict.fromkeys(clip.emotion for clip in clips)], str(folder))
    return clips
