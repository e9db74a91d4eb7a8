"""Start Python in another process, which never takes code from the working directory.

Whoever unpacks somebody else's files and works among them must not run what lies there.
``python -m`` and ``python -c`` put the working directory first in ``sys.path``; Python 3.11 can be
told not to (``-P``), 3.10 only by ``-I``, which leaves out all that the environment says, too. So
children get ``-I`` and the search path of their parent, less the working directory.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_BEGIN = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from importlib import import_module; import_module(sys.argv[2]).main(*sys.argv[3:])"
)


def python_command(module: str, *arguments: str) -> list[str]:
    """Return the command that calls ``main`` of a module with words.

    Parameters
    ----------
    module : str
        Absolute, such as ``"affekt.server.decoding.child"``.
    *arguments : str
        Given to ``main``, each as a str.
    """
    return [sys.executable, "-I", "-B", "-c", _BEGIN, json.dumps(search_path()), module, *arguments]


def search_path() -> list[str]:
    """Return ``sys.path`` without the working directory, and with affekt's own folder."""
    own = str(Path(__file__).resolve().parents[1])
    with suppress(OSError):  # the working directory may have been removed
        here = os.path.realpath(os.getcwd())
        kept = [path for path in sys.path if os.path.isabs(path) and os.path.realpath(path) != here]
        return kept if own in kept else [*kept, own]
    return [path for path in sys.path if os.path.isabs(path)]


@contextmanager
def elsewhere() -> Iterator[None]:
    """Stand in the standard library's folder while `multiprocessing` starts a process.

    Its children begin as ``python -c`` where their parent stands; before any work they go to the
    working directory by themselves. Relative paths mean something else meanwhile, for all threads.
    """
    try:
        before = os.open(".", os.O_RDONLY)
    except OSError:  # it was removed, so nothing lies there
        yield
        return
    try:
        os.chdir(Path(os.__file__).parent)
        yield
    finally:
        os.fchdir(before)
        os.close(before)
