"""The JSON file of a figure: its scores, and everything needed to obtain it again.

A result lies at ``FOLDER/<protocol>/<recipe>.json``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from affekt.errors import DataError
from affekt.evaluation.metrics import SCORES
from affekt.evaluation.protocols import PROTOCOLS, get_protocol
from affekt.evaluation.summary import Predictions, Score, Summary, summarise
from affekt.files import atomic_path

__all__ = [
    "Predictions",
    "Result",
    "Score",
    "Summary",
    "read_result",
    "read_results",
    "result_path",
    "summarise",
    "write_result",
]


@dataclass(frozen=True, kw_only=True)
class Result(Summary):
    """A figure and everything needed to obtain it again.

    Attributes
    ----------
    protocol, recipe : str
        Names; together they name the file.
    seeds : tuple of int
        Seeds of training.
    parameters, bytes : int
        Of the model: trained numbers, and size of the exported file.
    extra_data : tuple of str
        Other corpora that training used.
    adapted : bool
        True if a test speaker's other clips were looked at, e.g. to normalise.
    ensemble : bool
        True if several models answered together.
    settings : mapping of str to Any
        Every key of the recipe with its effective value; empty in results of earlier versions.
    setting : str
        Which of the protocol's settings the scores are of, where it has several.
    per_setting : mapping
        The scores of every setting: of ``NAME-adapted`` by way of drawing and number of clips, of
        ``kshot`` by fold, source and number of clips.
    mean_of_folds : bool
        True if the scores are means over folds, not of all predictions together.
    worst_fold : str
        The fold with the lowest UAR.
    limited_uar : Score, optional
        UAR with the answers limited to the classes that a fold has, where scores are means over
        folds.
    commit : str
        Of the code, see `affekt.evaluation.provenance`.
    data_sha256 : str
        Fingerprint of the clips, see `affekt.evaluation.provenance`.
    versions : mapping of str to str
        Of the software.
    wall_seconds : float
        Time that training and scoring took, all folds and seeds together.
    """

    protocol: str
    recipe: str
    seeds: tuple[int, ...]
    parameters: int
    bytes: int
    commit: str
    data_sha256: str
    versions: Mapping[str, str]
    wall_seconds: float
    extra_data: tuple[str, ...] = ()
    adapted: bool = False
    ensemble: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    setting: str = ""
    per_setting: Mapping[str, Any] = field(default_factory=dict)
    mean_of_folds: bool = False
    worst_fold: str = ""
    limited_uar: Score | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return what the JSON file holds, the most telling fields first."""
        values = asdict(self)
        first = ("protocol", "recipe", "seeds", *SCORES)
        return {**{name: values.pop(name) for name in first}, **values}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Result:
        """Build a result from what a JSON file holds; keys of later versions are ignored.

        Raises
        ------
        DataError
            That names the first field that is missing or impossible.
        """
        known = {one.name: one for one in fields(cls)}
        missing = sorted(SCHEMA.keys() - values.keys())
        if missing:
            raise DataError(f"the field {missing[0]!r} is missing")
        taken = {name: value for name, value in values.items() if name in known}
        for name, expected in SCHEMA.items():
            wrong_bool = isinstance(taken[name], bool) and expected is not bool
            if not isinstance(taken[name], expected) or wrong_bool:
                raise DataError(f"the field {name!r} cannot be {taken[name]!r}")
        for name in ("parameters", "bytes", "wall_seconds"):
            if not 0 <= taken[name] < math.inf:
                raise DataError(f"the field {name!r} cannot be {taken[name]!r}")
        if not taken["seeds"] or not all(type(seed) is int for seed in taken["seeds"]):
            raise DataError(f"the field 'seeds' must be a list of integers, not {taken['seeds']!r}")
        for name in SCORES:
            taken[name] = _read_score(name, taken[name])
        taken["per_fold"] = {
            fold: _read_score(f"per_fold of {fold}", score)
            for fold, score in taken["per_fold"].items()
        }
        if taken.get("limited_uar") is not None:
            taken["limited_uar"] = _read_score("limited_uar", taken["limited_uar"])
        for name in ("seeds", "labels", "extra_data"):
            taken[name] = tuple(taken[name])
        taken["confusion"] = _read_confusion(taken["confusion"], len(taken["labels"]))
        return cls(**taken)


SCHEMA: Mapping[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("protocol", "recipe", "commit", "data_sha256"), str),
    **dict.fromkeys((*SCORES, "per_fold", "versions"), dict),
    **dict.fromkeys(("seeds", "labels", "confusion", "extra_data"), list),
    **dict.fromkeys(("parameters", "bytes"), int),
    **dict.fromkeys(("adapted", "ensemble"), bool),
    "wall_seconds": (int, float),
}
"""The fields that every result file has, and the JSON type of each."""


def result_path(protocol: str, recipe: str, folder: Path) -> Path:
    """Return the path of a result, or raise ConfigError for an unknown protocol."""
    return folder / get_protocol(protocol).name / f"{recipe}.json"


def write_result(result: Result, folder: Path) -> Path:
    """Write a result to its place below `folder`, whole or not at all, and return the path."""
    path = result_path(result.protocol, result.recipe, folder)
    text = json.dumps(result.to_dict(), indent=2) + "\n"
    Result.from_dict(json.loads(text))  # refuse now what could not be read later
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path


def read_result(path: Path) -> Result:
    """Read one result.

    Raises
    ------
    DataError
        If the file is missing, is not JSON, or a field is missing or impossible.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot read the result {path}: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path} is not a result, it is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise DataError(f"{path} is not a result: it holds no JSON object")
    try:
        result = Result.from_dict(values)
    except DataError as error:
        raise DataError(f"{path} is not a result: {error}") from error
    if (result.protocol, result.recipe) != (path.parent.name, path.stem):
        raise DataError(
            f"{path} holds the result of {result.protocol}/{result.recipe}: move it to "
            f"{result.protocol}/{result.recipe}.json"
        )
    return result


def read_results(folder: Path) -> list[Result]:
    """Read the results of all protocols below `folder`, ordered by protocol, then recipe."""
    return [
        read_result(path) for name in PROTOCOLS for path in sorted((folder / name).glob("*.json"))
    ]


def _read_score(name: str, values: Any) -> Score:
    """Build a score from what a JSON file holds, or raise DataError that names the field."""
    if not isinstance(values, dict) or not {"mean", "sd", "ci95"} <= values.keys():
        raise DataError(f"the field {name!r} must have 'mean', 'sd' and 'ci95'")
    ci95 = values["ci95"]
    pair = [] if ci95 is None else ci95
    if not isinstance(pair, list) or len(pair) not in (0, 2):
        raise DataError(f"the field {name!r} has an interval that is no pair: {ci95!r}")
    for number in (values["mean"], values["sd"], *pair):
        if not _is_fraction(number):
            raise DataError(f"the field {name!r} holds {number!r}: fractions go from 0 to 1")
    return Score(values["mean"], values["sd"], (pair[0], pair[1]) if pair else None)


def _read_confusion(rows: list[Any], n_classes: int) -> tuple[tuple[int, ...], ...]:
    counts = [count for row in rows if isinstance(row, list) for count in row]
    square = len(rows) == n_classes and len(counts) == n_classes**2
    if not square or not all(type(count) is int and count >= 0 for count in counts):
        raise DataError(f"the field 'confusion' must be {n_classes} rows of {n_classes} counts")
    return tuple(map(tuple, rows))


def _is_fraction(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and 0 <= value <= 1
