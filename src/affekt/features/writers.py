"""Tables of many files, written row by row: CSV, JSON lines, Parquet."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, TypeAlias

import numpy as np

from affekt.errors import MissingExtraError
from affekt.features.job import Measured
from affekt.features.table import number

Rows: TypeAlias = Iterable[Measured]

ROWS_PER_GROUP = 4096
"""Rows of a Parquet file that are written at once."""


def write_csv(rows: Rows, names: Sequence[str], stream: IO[str]) -> None:
    """Write rows as CSV: ``file``, the columns, ``error``; NaN is an empty field."""
    import csv

    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["file", *names, "error"])
    for one in rows:
        for row in _row_values(one, len(names)):
            writer.writerow([one.file, *map(number, row), one.error])


def write_json(rows: Rows, names: Sequence[str], stream: IO[str]) -> None:
    """Write rows as JSON, one object a line; NaN is null, and a bad file has its error alone."""
    for one in rows:
        if one.error:
            stream.write(json.dumps({"file": one.file, "error": one.error}) + "\n")
        for row in one.values.tolist():
            values = (float(number(value)) if math.isfinite(value) else None for value in row)
            stream.write(json.dumps({"file": one.file, **dict(zip(names, values, strict=True))}))
            stream.write("\n")


def write_parquet(rows: Rows, names: Sequence[str], path: Path) -> None:
    """Write rows as Parquet; NaN is null, as are the columns of a bad file.

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    """
    arrow, parquet = require_pyarrow()
    fields = [("file", arrow.string()), *((name, arrow.float64()) for name in names)]
    schema = arrow.schema([*fields, ("error", arrow.string())])
    with parquet.ParquetWriter(path, schema) as writer:
        group: list[Measured] = []
        waiting = 0
        for one in rows:
            group.append(one)
            waiting += max(1, len(one.values))
            if waiting >= ROWS_PER_GROUP:
                writer.write_table(_arrow_table(arrow, schema, group, len(names)))
                group, waiting = [], 0
        writer.write_table(_arrow_table(arrow, schema, group, len(names)))


def require_pyarrow() -> tuple[Any, Any]:
    """Return pyarrow and its Parquet module, or say how to install them."""
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        raise MissingExtraError("features", "pyarrow") from None


def _arrow_table(arrow: Any, schema: Any, group: Sequence[Measured], columns: int) -> Any:
    blocks = [_row_values(one, columns) for one in group]
    files = [one.file for one, block in zip(group, blocks, strict=True) for _ in block]
    errors = [one.error or None for one, block in zip(group, blocks, strict=True) for _ in block]
    values = np.concatenate(blocks) if blocks else np.zeros((0, columns))
    numbers = [arrow.array(column, arrow.float64(), from_pandas=True) for column in values.T]
    return arrow.Table.from_arrays(
        [arrow.array(files, arrow.string()), *numbers, arrow.array(errors, arrow.string())],
        schema=schema,
    )


def _row_values(one: Measured, columns: int) -> np.ndarray:
    """Return the rows of a file: [rows, columns]; one of NaN if it is bad."""
    return np.full((1, columns), np.nan) if one.error else one.values


TEXT_WRITERS: Mapping[str, Callable[[Rows, Sequence[str], IO[str]], None]] = MappingProxyType(
    {"csv": write_csv, "json": write_json}
)
"""Formats that go to a stream of text."""
