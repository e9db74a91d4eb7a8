"""What a module is called in a picture of its network."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Caption:
    """A title, and lines of details.

    A module that has one as its attribute ``caption`` is one box of the picture, with all that
    lies within it; see :mod:`affekt.models.anatomy`.
    """

    title: str
    details: tuple[str, ...] = ()
