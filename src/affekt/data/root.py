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
