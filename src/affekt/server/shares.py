"""What callers may take of what all share: a part each, and turns.

A caller is a key or, where there are no keys, an address.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from ipaddress import IPv6Address, ip_address
from typing import TypeVar

T = TypeVar("T")


class Shares:
    """How much of one limit each caller holds.

    A caller may take more while it holds less than three times what is free. Alone, it gets three
    quarters; whoever comes later still finds a part, however many come.

    Parameters
    ----------
    limit : int
        What all callers may hold together.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: Counter[str] = Counter()
        self.used = 0

    def take(self, caller: str, amount: int = 1) -> bool:
        """Take an amount, unless the caller or all together would hold too much."""
        free = self._limit - self.used
        if amount > free or self._held[caller] >= 3 * free:
            return False
        self._held[caller] += amount
        self.used += amount
        return True

    def give(self, caller: str, amount: int = 1) -> None:
        """Give back an amount that was taken."""
        self.used -= amount
        self._held[caller] -= amount
        if self._held[caller] <= 0:  # strangers' addresses must not fill the memory
            del self._held[caller]


class Turns:
    """So many pieces of work at once, begun in turn between callers.

    Whose work runs least is next. One more runs than `slots` where its caller has none running,
    so that nobody waits for the work of a single other one.

    Parameters
    ----------
    slots : int
        Pieces of work at once.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._running: Counter[str] = Counter()
        self.running = 0

    def may_begin(self, caller: str) -> bool:
        """Return whether work of a caller may begin now."""
        return self.running < self._slots + (self._running[caller] == 0)

    def begin(self, caller: str) -> None:
        """Count work that begins."""
        self._running[caller] += 1
        self.running += 1

    def end(self, caller: str) -> None:
        """Count work that has ended."""
        self.running -= 1
        self._running[caller] -= 1
        if self._running[caller] <= 0:
            del self._running[caller]

    def next(self, waiting: Iterable[T], caller_of: Callable[[T], str]) -> T | None:
        """Return what should begin next of what waits, oldest first; None where nothing may."""
        if self.running > self._slots:
            return None
        allowed = (work for work in waiting if self.may_begin(caller_of(work)))
        return min(allowed, key=lambda work: self._running[caller_of(work)], default=None)


def shared_address(address: str) -> str:
    """Return an address as one caller: of IPv6, the network of 64 bits that one customer gets."""
    try:
        known = ip_address(address)
    except ValueError:
        return address
    if known.version == 4:
        return address
    if known.ipv4_mapped is not None:
        return str(known.ipv4_mapped)
    return str(IPv6Address(int(known) >> 64 << 64))
