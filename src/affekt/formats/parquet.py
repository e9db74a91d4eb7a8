"""Predictions as Parquet: the columns of CSV, with their types."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

from affekt.errors import MissingExtraError
from affekt.formats.rows import columns, row
from affekt.results import Outcome

ROWS_PER_GROUP = 4096
"""Rows that are written at once."""


def require_pyarrow() -> tuple[Any, Any]:
    """Return pyarrow and its Parquet module, or raise :class:`MissingExtraError`."""
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        raise MissingExtraError("tables", "pyarrow") from None


def write(outcomes: Iterable[Outcome], labels: Sequence[str], path: Path) -> None:
    """Write a row for each recording; what does not apply is null.

    Parameters
    ----------
    outcomes : iterable of Outcome
    labels : sequence of str
        The emotions of the model: a column each.
    path : Path

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    """
    arrow, parquet = require_pyarrow()
    types = {str: arrow.string(), float: arrow.float64()}
    schema = arrow.schema([(name, types[kind]) for name, kind in columns(labels).items()])
    rest = iter(outcomes)
    with parquet.ParquetWriter(path, schema) as writer:
        while group := list(islice(rest, ROWS_PER_GROUP)):
            rows = [{**row(outcome), "file": _utf8(outcome.file)} for outcome in group]
            writer.write_table(arrow.Table.from_pylist(rows, schema=schema))


def _utf8(name: str) -> str:
    """Return a name that Parquet can hold: the name of a file may be any bytes."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
