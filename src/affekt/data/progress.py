"""How long work reports that it goes on, without knowing who watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeAlias

Progress: TypeAlias = Callable[[str, float | None], AbstractContextManager[Callable[[float], None]]]
"""Called with a description and a total (None: unknown), it opens a context whose value is called
with how much more was done. ``affekt.cli`` hands in one that draws a bar."""


@contextmanager
def no_progress(description: str, total: float | None) -> Iterator[Callable[[float], None]]:
    """Report nothing."""
    yield lambda done: None
