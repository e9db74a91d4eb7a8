"""One JSON file for each figure, and the table of the documentation made from them.

A result lies at ``benchmarks/results/<protocol>/<recipe>.json``. The table between the markers
of ``docs/results.md`` is written from these files, never by hand::

    python -m affekt.evaluation.results            # write the table
    python -m affekt.evaluation.results --check    # exit 1 if the table is out of step
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from affekt.errors import AffektError, DataError
from affekt.evaluation.metrics import SCORES
from affekt.evaluation.protocols import PROTOCOLS, get_protocol
from affekt.evaluation.provenance import commit, data_fingerprint, software_versions
from affekt.evaluation.summary import Predictions, Score, Summary, summarise
from affekt.files import atomic_path

__all__ = [
    "Predictions",
    "Result",
    "Score",
    "Summary",
    "commit",
    "data_fingerprint",
    "read_result",
    "read_results",
    "result_path",
    "results_table",
    "software_versions",
    "summarise",
    "update_docs",
    "write_result",
]

RESULTS = Path("benchmarks/results")
DOCS = Path("docs/results.md")
TABLE_BEGIN = "<!-- results:begin -->"
TABLE_END = "<!-- results:end -->"


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


def result_path(protocol: str, recipe: str, folder: Path = RESULTS) -> Path:
    """Return where a result lies, or raise ConfigError for an unknown protocol."""
    return folder / get_protocol(protocol).name / f"{recipe}.json"


def write_result(result: Result, folder: Path = RESULTS) -> Path:
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


def read_results(folder: Path = RESULTS) -> list[Result]:
    """Read the results of all protocols below `folder`, ordered by protocol, then recipe."""
    return [
        read_result(path) for name in PROTOCOLS for path in sorted((folder / name).glob("*.json"))
    ]


def results_table(results: Iterable[Result]) -> str:
    """Return a Markdown table of results in percent, one row each, in the given order."""
    columns = (
        *("protocol", "recipe", "seeds", "UAR", "WA", "weighted F1", "macro F1", "ECE"),
        *("parameters", "bytes", "extra data"),
    )
    lines = ["| " + " | ".join(columns) + " |", "|---|---|" + "---:|" * 8 + "---|"]
    for result in results:
        marks = [mark for mark in ("adapted", "ensemble") if getattr(result, mark)]
        recipe = result.recipe + (f" ({', '.join(marks)})" if marks else "")
        n_seeds = len(result.seeds)
        cells = [result.protocol, recipe, str(n_seeds), _percent(result.uar, n_seeds, ci=True)]
        cells += [_percent(getattr(result, name), n_seeds) for name in SCORES[1:]]
        cells += [f"{result.parameters:,}", f"{result.bytes:,}"]
        cells.append(", ".join(result.extra_data) or "none")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def update_docs(path: Path, results: Iterable[Result], *, check: bool = False) -> bool:
    """Write the table of `results` between the markers of a page.

    Parameters
    ----------
    path : Path
        The page; everything outside of the markers stays.
    results : iterable of Result
        The rows.
    check : bool
        Only look; leave the page as it is.

    Returns
    -------
    bool
        True if the page was out of step.

    Raises
    ------
    DataError
        If the page is missing or does not have each marker once.
    """
    try:
        page = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot read the page {path}: {error.strerror}") from error
    head, begin, rest = page.partition(TABLE_BEGIN)
    _, end, tail = rest.partition(TABLE_END)
    if not (begin and end) or TABLE_BEGIN in tail or TABLE_END in tail:
        raise DataError(f"{path} must have the lines {TABLE_BEGIN} and {TABLE_END} once each")
    updated = f"{head}{begin}\n{results_table(results)}\n{end}{tail}"
    if updated != page and not check:
        with atomic_path(path) as partial:
            partial.write_text(updated, encoding="utf-8")
    return updated != page


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the table of the documentation, or check it; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m affekt.evaluation.results",
        description="Write the table of results from the JSON files.",
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the JSON files")
    parser.add_argument("--docs", type=Path, default=DOCS, help="page with the markers")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if stale")
    options = parser.parse_args(arguments)
    try:
        results = read_results(options.results)
        stale = update_docs(options.docs, results, check=options.check)
    except AffektError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    if options.check and stale:
        sys.stderr.write(f"error: {options.docs} is out of step with {options.results}\n")
        return 1
    state = "written" if stale else "up to date"
    sys.stderr.write(f"{options.docs}: {state}, {len(results)} results\n")
    return 0


def _percent(score: Score, n_seeds: int, *, ci: bool = False) -> str:
    text = f"{100 * score.mean:.1f}"
    if n_seeds > 1:
        text += f" ± {100 * score.sd:.1f}"
    if ci and score.ci95 is not None:
        low, high = score.ci95
        text += f" [{100 * low:.1f}, {100 * high:.1f}]"
    return text


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


if __name__ == "__main__":
    sys.exit(main())
