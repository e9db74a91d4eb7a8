"""Open labelled recordings, whatever form they come in."""

from __future__ import annotations

import os
from pathlib import Path

from affekt.data.corpora import CORPORA, load_corpus, read_folder
from affekt.data.manifest import Clip, read_manifest
from affekt.errors import DataError


def open_data(
    source: str | os.PathLike[str], root: str | os.PathLike[str] | None = None
) -> list[Clip]:
    """Return the clips of a corpus, a CSV manifest, or a folder with one sub-folder per emotion.

    Parameters
    ----------
    source : str or path
        The name of a corpus (``"ravdess"``), a manifest (``"clips.csv"``) or a folder. A name
        wins over a folder that is called the same; write ``./ravdess`` for the folder.
    root : path, optional
        Where corpora lie, see :func:`affekt.data.data_root`.

    Raises
    ------
    DataError
        If there is no such source, or it cannot be read.
    """
    if isinstance(source, str) and source in CORPORA:
        return load_corpus(source, root)
    path = Path(source).expanduser()
    if path.is_dir():
        return read_folder(path)
    if path.is_file():
        return read_manifest(path)
    raise DataError(
        f"{os.fspath(source)!r} is neither a corpus ({', '.join(sorted(CORPORA))}), "
        f"nor a manifest, nor a folder"
    )
