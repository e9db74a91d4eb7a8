"""Tables as Parquet: predictions with the columns of CSV, and features; both with their types."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from affekt.errors import MissingExtraError
from affekt.formats.rows import columns, row
from affekt.results import Outcome

if TYPE_CHECKING:
    from affekt.features.batch import FeatureRows

ROWS_PER_GROUP = 4096
"""Rows that are written at once."""


def require_pyarrow(extra: str = "tables") -> tuple[Any, Any]:
    """Return pyarrow and its Parquet module.

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed; it names the extra.
    """
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        raise MissingExtraError(extra, "pyarrow") from None


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
    kinds = columns(labels)

    def groups() -> Iterator[dict[str, Sequence[Any]]]:
        rest = iter(outcomes)
        while group := [row(outcome) for outcome in islice(rest, ROWS_PER_GROUP)]:
            yield {name: [one.get(name) for one in group] for name in kinds}

    _write_groups(kinds, groups(), path)


def write_features(rows: Iterable[FeatureRows], names: Sequence[str], path: Path) -> None:
    """Write rows of features; NaN is null, as are the columns of a bad file.

    Parameters
    ----------
    rows : iterable of FeatureRows
    names : sequence of str
        Columns beside ``file`` and ``error``.
    path : Path

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    """
    from affekt.features.batch import row_values

    kinds = {"file": str, **dict.fromkeys(names, float), "error": str}

    def table(group: Sequence[FeatureRows]) -> dict[str, Sequence[Any]]:
        blocks = [row_values(one, len(names)) for one in group]
        pairs = list(zip(group, blocks, strict=True))
        return {
            "file": [one.file for one, block in pairs for _ in block],
            **dict(zip(names, np.concatenate(blocks).T, strict=True)),
            "error": [one.error or None for one, block in pairs for _ in block],
        }

    def groups() -> Iterator[dict[str, Sequence[Any]]]:
        group: list[FeatureRows] = []
        waiting = 0
        for one in rows:
            group.append(one)
            waiting += max(1, len(one.values))
            if waiting >= ROWS_PER_GROUP:
                yield table(group)
                group, waiting = [], 0
        if group:
            yield table(group)

    _write_groups(kinds, groups(), path)


def _write_groups(
    kinds: Mapping[str, type], groups: Iterable[Mapping[str, Sequence[Any]]], path: Path
) -> None:
    """Write columns of text and of numbers, group by group; None and NaN are null."""
    arrow, parquet = require_pyarrow()
    types = {str: arrow.string(), float: arrow.float64()}
    schema = arrow.schema([(name, types[kind]) for name, kind in kinds.items()])
    with parquet.ParquetWriter(path, schema) as writer:
        for group in groups:
            arrays = [
                arrow.array(
                    map(_utf8, group[name]) if kind is str else group[name],
                    types[kind],
                    from_pandas=True,
                )
                for name, kind in kinds.items()
            ]
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))


def _utf8(text: str | None) -> str | None:
    """Return text that Parquet can hold: the name of a file may be any bytes."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode("utf-8")
