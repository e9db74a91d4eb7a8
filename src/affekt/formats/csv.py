"""Results as CSV: a header, then one row per recording or per segment, errors among them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from affekt.files import table_cell
from affekt.formats.rows import columns, row, segment_rows
from affekt.results import Outcome, Track

COMMA = ","


def lines(
    outcomes: Iterable[Outcome], labels: Sequence[str], delimiter: str = COMMA
) -> Iterator[str]:
    """Yield the header, then one row for each recording; what does not apply is empty."""
    yield from _table(map(row, outcomes), list(columns(labels)), delimiter)


def track_lines(
    tracks: Iterable[Track], labels: Sequence[str], delimiter: str = COMMA
) -> Iterator[str]:
    """Yield the header, then one row for each segment; a recording without any has one, too.

    The measures are those of the recording, but the ``ood_score`` is that of the segment, where it
    has one.
    """
    rows = (one for track in tracks for one in segment_rows(track))
    yield from _table(rows, list(columns(labels, segments=True)), delimiter)


def _table(
    rows: Iterable[Mapping[str, Any]], names: Sequence[str], delimiter: str
) -> Iterator[str]:
    yield _line(names, delimiter)
    for one in rows:
        yield _line([_cell(name, one.get(name)) for name in names], delimiter)


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):  # an error begins with the name of its file
        return table_cell(value, is_path=name in ("file", "error"))
    return f"{value:.6f}" if isinstance(value, float) else str(value)


def _line(cells: Sequence[str], delimiter: str) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="").writerow(cells)
    return text.getvalue()
