"""Generated blocks of a page: what stands between two marker lines is written by a script.

<!-- begin: NAME -->
...
<!-- end: NAME -->
"""

from __future__ import annotations

from pathlib import Path

from affekt.errors import DataError
from affekt.files import atomic_path


def markers(name: str) -> tuple[str, str]:
    """Return the lines before and after the block of that name."""
    return f"<!-- begin: {name} -->", f"<!-- end: {name} -->"


def read_block(page: Path, name: str) -> str:
    """Return the text of a block.

    Raises
    ------
    DataError
        If the page is missing, or does not have both markers once.
    """
    return _parts(page, name)[1].strip()


def write_block(page: Path, name: str, text: str) -> bool:
    """Replace the text of a block; return whether that changed the page.

    Raises
    ------
    DataError
        As `read_block`.
    """
    begin, end = markers(name)
    before, old, after = _parts(page, name)
    new = f"\n\n{text}\n\n"
    if new != old:
        write_text(page, f"{before}{begin}{new}{end}{after}")
    return new != old


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _parts(page: Path, name: str) -> tuple[str, str, str]:
    """Return what stands before, between and after the markers."""
    try:
        text = page.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot read the page {page}: {error.strerror}") from error
    begin, end = markers(name)
    before, _, rest = text.partition(begin)
    block, _, after = rest.partition(end)
    if (text.count(begin), text.count(end)) != (1, 1) or end in before:
        raise DataError(f"{page} must have the lines {begin} and {end} once each")
    return before, block, after
