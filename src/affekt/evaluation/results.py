"""One JSON file for each figure, and what the documentation shows of them.

A result lies at ``benchmarks/results/<protocol>/<recipe>.json``. What stands between the markers
of ``docs/results.md``, and the picture there, is made from these files, from the figures of others
in ``benchmarks/anchors.toml`` and from ``benchmarks/results/latency.json``, never by hand::

    python -m affekt.evaluation.results            # write tables and picture
    python -m affekt.evaluation.results --check    # exit 1 if one of them is out of step
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from affekt.errors import AffektError, DataError
from affekt.evaluation.anchors import ANCHORS, Anchor, read_anchors
from affekt.evaluation.metrics import SCORES
from affekt.evaluation.protocols import PROTOCOLS, get_protocol
from affekt.evaluation.provenance import commit, data_fingerprint, software_versions
from affekt.evaluation.size_picture import PICTURE, draw_uar_by_size, picture_in_words
from affekt.evaluation.summary import Predictions, Score, Summary, summarise
from affekt.evaluation.tables import LATENCY, Latency, protocol_tables, read_latency
from affekt.files import atomic_path

__all__ = [
    "Predictions",
    "Result",
    "Score",
    "Summary",
    "commit",
    "data_fingerprint",
    "protocol_tables",
    "read_result",
    "read_results",
    "result_path",
    "software_versions",
    "summarise",
    "update_docs",
    "update_picture",
    "write_result",
]

RESULTS = Path("benchmarks/results")
DOCS = Path("docs/results.md")
TABLE_BEGIN = "<!-- results:begin -->"
TABLE_END = "<!-- results:end -->"
PICTURE_BEGIN = "<!-- picture:begin -->"
PICTURE_END = "<!-- picture:end -->"


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


def update_docs(
    path: Path,
    results: Sequence[Result],
    anchors: Sequence[Anchor] = (),
    latency: Latency | None = None,
    *,
    check: bool = False,
) -> bool:
    """Write the tables, and the words for the picture, between the markers of a page.

    Parameters
    ----------
    path : Path
        The page; everything outside of the markers stays.
    results : sequence of Result
        Ours.
    anchors : sequence of Anchor
        The figures of others.
    latency : Latency, optional
        How long each takes.
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
    words = picture_in_words(results, anchors)
    image = f"![UAR against size. {words}](images/{PICTURE.name})"
    updated = page
    for begin, end, text in (
        (TABLE_BEGIN, TABLE_END, protocol_tables(results, anchors, latency)),
        (PICTURE_BEGIN, PICTURE_END, image),
    ):
        updated = _between(path, updated, begin, end, text)
    if updated != page and not check:
        with atomic_path(path) as partial:
            partial.write_text(updated, encoding="utf-8")
    return updated != page


def _between(path: Path, page: str, begin: str, end: str, text: str) -> str:
    head, found_begin, rest = page.partition(begin)
    _, found_end, tail = rest.partition(end)
    if not (found_begin and found_end) or begin in tail or end in tail:
        raise DataError(f"{path} must have the lines {begin} and {end} once each")
    return f"{head}{begin}\n{text}\n{end}{tail}"


def update_picture(
    path: Path, results: Sequence[Result], anchors: Sequence[Anchor], *, check: bool = False
) -> bool:
    """Draw UAR against size; return True if the picture was missing or out of step."""
    drawn = draw_uar_by_size(results, anchors)
    stale = not path.is_file() or path.read_text(encoding="utf-8") != drawn
    if stale and not check:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as partial:
            partial.write_text(drawn, encoding="utf-8")
    return stale


def main(arguments: Sequence[str] | None = None) -> int:
    """Write what the documentation shows of the results, or check it; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m affekt.evaluation.results",
        description="Write tables and picture of results from the JSON files.",
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the JSON files")
    parser.add_argument("--anchors", type=Path, default=ANCHORS, help="figures of others, as TOML")
    parser.add_argument("--latency", type=Path, default=LATENCY, help="of each system, as JSON")
    parser.add_argument("--docs", type=Path, default=DOCS, help="page with the markers")
    parser.add_argument("--picture", type=Path, default=PICTURE, help="UAR against size, as SVG")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if stale")
    options = parser.parse_args(arguments)
    try:
        results, anchors = read_results(options.results), read_anchors(options.anchors)
        latency, check = read_latency(options.latency), options.check
        stale = {
            options.docs: update_docs(options.docs, results, anchors, latency, check=check),
            options.picture: update_picture(options.picture, results, anchors, check=check),
        }
    except AffektError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    for path, was_stale in stale.items():
        if options.check and was_stale:
            sys.stderr.write(f"error: {path} is out of step with {options.results}\n")
            return 1
        state = "written" if was_stale else "up to date"
        sys.stderr.write(f"{path}: {state}, {len(results)} results, {len(anchors)} anchors\n")
    return 0


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
