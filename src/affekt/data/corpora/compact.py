"""The compact layout: ``audio/`` and ``labels.csv``, the same for every corpus.

::

    savee/
      labels.csv                    file,corpus,speaker,emotion,gender,language,intensity,...
      audio/DC/a01.ogg

``labels.csv`` is a manifest whose ``speaker`` may begin with the corpus's name (``savee-DC``).
It lists every recording of the folder: a copy of a part of a corpus is complete by its own list.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from affekt.data.corpora.base import audio_files
from affekt.data.manifest import Clip, read_manifest
from affekt.errors import DataError

LABELS = "labels.csv"


def is_compact(folder: Path) -> bool:
    """Whether a corpus lies in this layout."""
    return (folder / LABELS).is_file()


def read_compact(
    folder: Path, corpus: str, *, ratings: tuple[float, float] = (-1.0, 1.0)
) -> list[Clip]:
    """Read the clips of a corpus in the compact layout, in the order of their file names.

    Parameters
    ----------
    folder : Path
    corpus : str
    ratings : (float, float)
        Of the corpus, see :func:`affekt.data.read_manifest`.

    Raises
    ------
    DataError
        If the table cannot be read, is of another corpus, has a row without its label, speaker
        or recording, or a recording has no row.
    """
    table = folder / LABELS
    clips = read_manifest(table, ratings=ratings)
    others = sorted({clip.corpus for clip in clips} - {corpus})
    if others:
        raise DataError(
            f"{table} lists clips of {', '.join(map(repr, others))}: the folder must be named "
            f"after its corpus, and every row must say {corpus!r}"
        )
    nameless = [clip.file.name for clip in clips if not clip.speaker]
    if nameless:
        raise DataError(
            f"{table}: {len(nameless)} clips have no speaker, the first is {nameless[0]}: write "
            f"'unknown' where it is not known"
        )
    unlisted = sorted(set(audio_files(folder)) - {clip.file for clip in clips})
    if unlisted:
        raise DataError(
            f"{table} has no label for {len(unlisted)} recordings, the first is "
            f"{unlisted[0].relative_to(folder)}: add their rows, or move them elsewhere"
        )
    return sorted(
        (replace(clip, speaker=clip.speaker.removeprefix(f"{corpus}-")) for clip in clips),
        key=lambda clip: clip.file,
    )
