"""Features with their names: what `extract` returns."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from affekt.errors import ConfigError
from affekt.files import atomic_path


@dataclass(frozen=True, eq=False)
class Table:
    """Named columns of numbers: one row per clip or per frame.

    ``table["pitch_hz"]`` is a column; ``pandas.DataFrame(dict(table))`` makes a data frame.
    """

    names: tuple[str, ...]
    """Columns; see the column dictionary in docs/features.md."""
    values: np.ndarray
    """[rows, columns], float64; NaN where there is no such value."""

    def __getitem__(self, name: str) -> np.ndarray:
        """Return a column: [rows]."""
        if name not in self.names:
            raise ConfigError(f"there is no column {name!r}: was its set extracted?")
        column: np.ndarray = self.values[:, self.names.index(name)]
        return column

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield each column with its name."""
        return zip(self.names, self.values.T, strict=True)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.values)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the table as CSV, whole or not at all; NaN becomes an empty field."""
        with atomic_path(path) as partial, partial.open("w", encoding="utf-8") as file:
            file.write(",".join(self.names) + "\n")
            for row in self.values.tolist():
                file.write(",".join(map(number, row)) + "\n")


def number(value: float) -> str:
    """Return a number as text that keeps nine digits; NaN becomes empty, 7.0 becomes 7."""
    return "" if value != value else f"{value:.9g}"
