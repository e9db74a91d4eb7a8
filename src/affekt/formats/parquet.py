"""Predictions as Parquet: the columns of CSV, with their types."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

from affekt.errors import MissingExtraError
from affekt.formats import Outcome
from affekt.formats.text import INPUT_COLUMNS, input_fields, joined

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
    numbers = ["confidence", "intensity", "duration", *labels, *INPUT_COLUMNS]
    fields = [
        *((name, arrow.string()) for name in ("file", "label")),
        *((name, arrow.float64()) for name in numbers),
        *((name, arrow.string()) for name in ("warnings", "error")),
    ]
    rest = iter(outcomes)
    with parquet.ParquetWriter(path, arrow.schema(fields)) as writer:
        while group := list(islice(rest, ROWS_PER_GROUP)):
            rows = [_fields(outcome) for outcome in group]
            writer.write_table(arrow.Table.from_pylist(rows, schema=arrow.schema(fields)))


def _fields(outcome: Outcome) -> dict[str, object]:
    # Parquet holds UTF-8, the name of a file any bytes.
    file = outcome.file.encode("utf-8", "backslashreplace").decode("utf-8")
    answer = outcome.prediction
    if answer is None:
        return {"file": file, "error": outcome.error}
    return {
        "file": file,
        "label": answer.label,
        "confidence": answer.confidence,
        "intensity": answer.intensity,
        "duration": answer.duration,
        **answer.scores,
        **input_fields(answer),
        "warnings": joined(answer.warnings),
    }
