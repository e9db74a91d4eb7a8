"""The public corpora that affekt can read, one file each, and the registry of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType

from affekt.data.corpora.base import AUDIO_EXTENSIONS, Corpus, Download, audio_files, log
from affekt.data.corpora.cremad import CREMAD
from affekt.data.corpora.emodb import EMODB
from affekt.data.corpora.folder import read_folder
from affekt.data.corpora.ravdess import RAVDESS
from affekt.data.manifest import Clip
from affekt.data.root import data_root
from affekt.errors import DataError

CORPORA: Mapping[str, Corpus] = MappingProxyType(
    {corpus.name: corpus for corpus in (RAVDESS, EMODB, CREMAD)}
)
"""Short name to corpus."""

__all__ = [
    "AUDIO_EXTENSIONS",
    "CORPORA",
    "Corpus",
    "Download",
    "audio_files",
    "load_corpus",
    "read_folder",
]


def load_corpus(name: str, root: str | os.PathLike[str] | None = None) -> list[Clip]:
    """Read a corpus from its folder below the data root.

    A corpus that lacks some of its clips is read with a warning in the log.

    Parameters
    ----------
    name : str
        A key of :data:`CORPORA`.
    root : path, optional
        See :func:`affekt.data.data_root`.

    Returns
    -------
    list of Clip
        In the order of their file names.

    Raises
    ------
    DataError
        If the name is unknown, the corpus is not there, or its files are not as they should be.
    """
    if name not in CORPORA:
        raise DataError(f"unknown corpus {name!r}: expected one of {', '.join(sorted(CORPORA))}")
    corpus, folder = CORPORA[name], data_root(root) / name
    if not folder.is_dir():
        raise DataError(
            f"corpus {name} is not in {folder.parent}: get it with 'affekt data get {name}', "
            f"or say where it is with --data or AFFEKT_DATA"
        )
    clips = corpus.read(folder)
    if not clips:
        raise DataError(f"{folder} holds no clips of {name}: get it with 'affekt data get {name}'")
    if len(clips) < corpus.clips:
        log.warning("%s: only %d of %d clips are in %s", name, len(clips), corpus.clips, folder)
    return clips
