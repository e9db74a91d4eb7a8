"""Where the corpora lie."""

from __future__ import annotations

import os
from pathlib import Path


def data_root(root: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder that holds one folder per corpus; it need not exist yet.

    Parameters
    ----------
    root : path, optional
        The folder itself (the command line's ``--data``). Without it, the environment variable
        ``AFFEKT_DATA``, and without that, ``data`` in the user's cache folder.
    """
    chosen = root if root is not None else os.environ.get("AFFEKT_DATA")
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("affekt")) / "data"


def corpora_root(root: str | os.PathLike[str] | None = None) -> Path:
    """Return the second folder that is searched for corpora; it need not exist.

    The environment variable ``AFFEKT_CORPORA`` names it; without that, it is ``corpora`` beside
    the data root.
    """
    chosen = os.environ.get("AFFEKT_CORPORA")
    return Path(chosen).expanduser() if chosen else data_root(root).parent / "corpora"


def corpus_folder(name: str, root: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of a corpus: in the data root, else in the second folder.

    Where neither has it, the place in the data root, to which a download goes.
    """
    first, second = data_root(root) / name, corpora_root(root) / name
    return second if second.is_dir() and not first.is_dir() else first
