"""The links of an Ogg file: recordings that follow each other, as Icecast and `cat` make them.

libsndfile decodes Vorbis and Opus to the sample, but stops behind the first link. Page headers
tell where the next one begins (RFC 3533, section 6).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO

_PAGE = b"OggS"
_HEADER_SIZE = 27  # bytes, before one more for each segment
_FIRST_PAGE = 2  # flag
_SEARCHED = 1 << 16  # bytes at once, where no page begins


@dataclass
class Link:
    """A part of an Ogg file that is a file by itself.

    Attributes
    ----------
    start, end : int
        Bytes.
    tracks : int
        More than one in a video.
    """

    start: int
    end: int
    tracks: int = 1


def find_links(file: IO[bytes]) -> list[Link]:
    """Return the links of a seekable Ogg file, in order."""
    links: list[Link] = []
    place, was_first = 0, False
    while True:
        file.seek(place)
        head = file.read(_HEADER_SIZE + 255)
        if len(head) < _HEADER_SIZE:
            break
        if head[:4] != _PAGE:
            found = _next_page(file, place)
            if found is None:
                break
            place = found
            continue
        is_first = bool(head[5] & _FIRST_PAGE)
        if is_first and was_first:
            links[-1].tracks += 1
        elif is_first:
            if links:
                links[-1].end = place
            links.append(Link(place, place))
        was_first = is_first
        segments = head[26]
        place += _HEADER_SIZE + segments + sum(head[_HEADER_SIZE : _HEADER_SIZE + segments])
    if links:
        links[-1].end = file.seek(0, 2)
    return links


def _next_page(file: IO[bytes], place: int) -> int | None:
    """Return where the next page begins behind damage."""
    place += 1
    while True:
        file.seek(place)
        content = file.read(_SEARCHED)
        if (found := content.find(_PAGE)) >= 0:
            return place + found
        if len(content) < len(_PAGE):
            return None
        place += len(content) - len(_PAGE) + 1
