"""Formats, corpora, encoders and augmentations by name, those of other packages among them.

A package adds its own by an entry point of one of the groups ``affekt.formats``,
``affekt.corpora``, ``affekt.encoders`` and ``affekt.augmentations``:

    [project.entry-points."affekt.corpora"]
    my-corpus = "my_package.my_corpus:MY_CORPUS"
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import TypeVar

from affekt.errors import AffektError

T = TypeVar("T")

log = logging.getLogger("affekt")


class Registry(Mapping[str, T]):
    """Things of one kind by name.

    Parameters
    ----------
    group : str
        Of the entry points by which other packages add theirs. They are loaded when they are
        called, and searched when a name is not one of affekt's own.
    kind : type
        What each has to be.
    own : mapping of str
        Those of affekt.
    """

    def __init__(self, group: str, kind: type, own: Mapping[str, T] | None = None) -> None:
        self.group = group
        self.kind = kind
        self._known = dict(own or {})

    @property
    def own(self) -> Mapping[str, T]:
        """Those that need no other package."""
        return MappingProxyType(self._known)

    def add(self, name: str, value: T) -> None:
        """Add one; a name that is taken is replaced."""
        self._known[name] = value

    def remove(self, name: str) -> None:
        """Remove one that was added."""
        del self._known[name]

    def __getitem__(self, name: str) -> T:
        """Return the one of that name.

        Raises
        ------
        KeyError
            If there is none.
        AffektError
            If it is of another package and cannot be loaded, or is something else.
        """
        if name not in self._known:
            loaded = self._load(self._entry_points[name])
            self._known.setdefault(name, loaded)  # loading it may have added it
        return self._known[name]

    def __contains__(self, name: object) -> bool:
        return name in self._known or name in self._entry_points

    def __iter__(self) -> Iterator[str]:
        yield from dict.fromkeys([*self._known, *self._entry_points])

    def __len__(self) -> int:
        return len({*self._known, *self._entry_points})

    @cached_property
    def _entry_points(self) -> dict[str, EntryPoint]:
        found = {}
        for point in entry_points(group=self.group):
            if point.name in self._known:
                log.warning("%s: %r is a name of affekt's own", _origin(point), point.name)
            else:
                found[point.name] = point
        return found

    def _load(self, point: EntryPoint) -> T:
        where = f"{point.name!r} of {_origin(point)}, an entry point of the group {self.group},"
        try:
            loaded = point.load()
        except (ImportError, AttributeError) as error:
            raise AffektError(f"{where} cannot be loaded: {error}") from error
        known = self._known.get(point.name, loaded)
        of_kind = isinstance(known, self.kind)
        if not of_kind and not (isinstance(known, type) and issubclass(known, self.kind)):
            raise AffektError(f"{where} must be a {self.kind.__name__}, got {known!r}")
        result: T = known
        return result


def _origin(point: EntryPoint) -> str:
    return f"the package {point.dist.name}" if point.dist else "a package"
