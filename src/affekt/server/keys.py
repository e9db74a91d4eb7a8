"""Who may ask, and how often: API keys by their hashes, and a rate for each."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

from affekt.errors import ConfigError

VARIABLE = "AFFEKT_API_KEYS"
ANONYMOUS = "anonymous"

_LINE = re.compile(r"(?P<name>[\w.@-]{1,64}):(?P<digest>[0-9a-f]{64})", re.ASCII)
_MAX_BUCKETS = 10_000


def new_key(name: str) -> tuple[str, str]:
    """Make a key: the secret for its owner, and the line that the server is given.

    Raises
    ------
    ConfigError
        If the name is more than letters, digits and ``. _ @ -``.
    """
    key = f"affekt-{secrets.token_urlsafe(32)}"
    line = f"{name}:{digest(key)}"
    if _LINE.fullmatch(line) is None:
        raise ConfigError(f"the name {name!r} of a key: use up to 64 letters, digits and . _ @ -")
    return key, line


def digest(key: str) -> str:
    """Return the SHA-256 of a key: they are random and long, so that nothing slower is needed."""
    return hashlib.sha256(key.encode()).hexdigest()


def read_keys(file: Path | None) -> tuple[str, ...]:
    """Return the lines of a key file and of ``$AFFEKT_API_KEYS`` (there parted by commas).

    Raises
    ------
    ConfigError
        If the file cannot be read, or a line is not ``NAME:SHA256``. The line is not repeated:
        it might be the key itself.
    """
    lines = [line.strip() for line in os.environ.get(VARIABLE, "").split(",") if line.strip()]
    sources = [f"${VARIABLE}, entry {number}" for number in range(1, len(lines) + 1)]
    if file is not None:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise ConfigError(f"cannot read the keys in {file}: {reason}") from None
        for number, line in enumerate(text.splitlines(), start=1):
            if (line := line.strip()) and not line.startswith("#"):
                lines.append(line)
                sources.append(f"{file}, line {number}")
    for line, source in zip(lines, sources, strict=True):
        if _LINE.fullmatch(line) is None:
            raise ConfigError(
                f"{source}: expected NAME:SHA256 of a key; make one with `affekt serve --new-key`"
            )
    return tuple(lines)


class KeyRing:
    """The keys that a server accepts.

    Parameters
    ----------
    lines : sequence of str
        ``NAME:SHA256``; without any, everybody is anonymous.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self._digests = [(line.partition(":")[0], line.partition(":")[2]) for line in lines]

    def __bool__(self) -> bool:
        return bool(self._digests)

    def owner(self, key: str | None) -> str | None:
        """Return the name of a key, or None for a wrong one.

        Every digest is compared, each in constant time, so that the time taken tells nothing.
        """
        if not self._digests:
            return ANONYMOUS
        given, found = digest(key or ""), None
        for name, known in self._digests:
            if hmac.compare_digest(given, known):
                found = name
        return found


class RateLimiter:
    """Token buckets: so many requests per second for each caller, with short bursts.

    Parameters
    ----------
    rate : float or None
        Requests per second; None for no limit.
    burst_seconds : float
        As many requests as in this time may come at once.
    clock : callable
        Seconds, rising.
    """

    def __init__(
        self,
        rate: float | None,
        *,
        burst_seconds: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = rate
        self._burst_seconds = burst_seconds
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, caller: str) -> float:
        """Count a request; return 0, or the seconds after which it would be allowed."""
        if self._rate is None:
            return 0.0
        now, burst = self._clock(), max(1.0, self._burst_seconds * self._rate)
        tokens, then = self._buckets.pop(caller, (burst, now))
        tokens = min(burst, tokens + (now - then) * self._rate)
        allowed = tokens >= 1
        self._buckets[caller] = (tokens - allowed, now)
        while len(self._buckets) > _MAX_BUCKETS:  # strangers' addresses must not fill the memory
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - tokens) / self._rate
