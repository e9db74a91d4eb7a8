"""What a paper says of runs and benchmarks: tables with baselines, and a paragraph of methods."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from affekt.errors import DataError
from affekt.evaluation.protocols import PROTOCOLS
from affekt.evaluation.report import TITLES
from affekt.evaluation.results import Result, read_results
from affekt.formats.comparison import Table, latex, latex_table, markdown_table

SHOWN = ("uar", "wa", "macro_f1", "ece")


@dataclass(frozen=True)
class Row:
    """One system on one set of clips; scores and intervals are fractions from 0 to 1.

    `values` and `ci95` are by the names of `affekt.evaluation.metrics.SCORES`; `counts` are the
    clips of each class, the true one.
    """

    clips: str
    system: str
    values: Mapping[str, float]
    ci95: Mapping[str, Sequence[float] | None]
    counts: tuple[int, ...]
    methods: str


def read_rows(folder: Path) -> list[Row]:
    """Read what `affekt train` and `affekt benchmark` have left in a folder.

    Parameters
    ----------
    folder : Path
        A run, a folder of runs, or a folder of results by protocol.

    Raises
    ------
    DataError
        If there is nothing, or a file is damaged.
    """
    runs = [folder, *sorted(path for path in folder.glob("*") if path.is_dir())]
    try:
        rows = [row for run in runs if (run / "test").is_dir() for row in _rows_of_run(run)]
    except (ValueError, KeyError, OSError) as error:
        raise DataError(f"{folder}: a run in it is damaged or not finished: {error}") from None
    rows += map(_row_of_result, read_results(folder))
    if not rows:
        raise DataError(
            f"{folder} holds no finished run with figures, and no results of affekt benchmark: "
            "train with a test split, or name another folder"
        )
    return rows


def _rows_of_run(run: Path) -> Iterator[Row]:
    config = json.loads((run / "model" / "config.json").read_text(encoding="utf-8"))
    recipe = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
    for file in sorted(run.glob("test/*/metrics.json")):
        found = json.loads(file.read_text(encoding="utf-8"))
        yield Row(
            clips=f"{file.parent.name}, held-out speakers",
            system=run.name,
            values={name: found[name] for name in SHOWN},
            ci95=found.get("ci95", {}),
            counts=tuple(map(sum, found["confusion"])),
            methods=_methods_of_run(run.name, config, recipe),
        )


def _methods_of_run(name: str, config: Mapping[str, Any], recipe: Mapping[str, Any]) -> str:
    speakers = {side: len(names) for side, names in config.get("speakers", {}).items()}
    data = " and ".join(
        f"{one['corpus']} ({one['clips']} clips, {one['speakers']} speakers)"
        for one in config["training_data"]
    )
    training, model = recipe["training"], recipe["model"]
    how = ""
    if not recipe.get("linear"):  # a linear head has no epochs
        how = (
            f", for {training['epochs']} epochs of batches of {training['batch_size']} with a "
            f"learning rate of {training['learning_rate']:g}"
        )
    return (
        f"{name}: a model of the architecture {config['architecture']['name']} "
        f"({config['parameters']:,} parameters; input: {model['frontend']['kind']} at "
        f"{config['sample_rate'] / 1000:g} kHz) was trained on {data}{how}, seed {config['seed']}. "
        f"Settings were chosen on {speakers.get('validation', 0)} other speakers, and the figures "
        f"are of {speakers.get('test', 0)} more: no speaker is on two sides."
    )


def _row_of_result(result: Result) -> Row:
    scores = {name: getattr(result, name) for name in SHOWN}
    protocol = PROTOCOLS[result.protocol]
    more = f", with further data ({', '.join(result.extra_data)})" if result.extra_data else ""
    shared = (
        "speakers are on both sides" if protocol.speakers_shared else "no speaker is on two sides"
    )
    return Row(
        clips=result.protocol,
        system=result.recipe,
        values={name: score.mean for name, score in scores.items()},
        ci95={name: score.ci95 for name, score in scores.items()},
        counts=tuple(sum(line) // len(result.seeds) for line in result.confusion),
        methods=(
            f"{result.recipe}: {result.parameters:,} parameters, trained{more} and measured under "
            f"{result.protocol} ({protocol.description}; {shared}), "
            f"{len(result.seeds)} seed{'s' if len(result.seeds) > 1 else ''}, "
            f"commit {result.commit[:12]}."
        ),
    )


def tables(rows: Sequence[Row]) -> list[Table]:
    """Return a table for each set of clips: what the largest class gives, then the systems."""
    found = []
    for clips in dict.fromkeys(row.clips for row in rows):
        own = [row for row in rows if row.clips == clips]
        lines = [_baselines(own[0].counts), *map(_cells, own)]
        head = ("system", *(f"{TITLES[name]}, %" for name in SHOWN))
        found.append(Table(f"{clips}: {sum(own[0].counts)} clips", head, lines))
    return found


def _baselines(counts: Sequence[int]) -> tuple[str, ...]:
    """Return what naming the largest class always gives; its UAR is that of chance."""
    known = [count for count in counts if count]
    share = max(known, default=0) / max(1, sum(known))
    values = (1 / max(1, len(known)), share, 2 * share / (1 + share) / max(1, len(known)))
    return ("always the largest class", *(f"{100 * value:.1f}" for value in values), "")


def _cells(row: Row) -> tuple[str, ...]:
    cells = [row.system]
    for name in SHOWN:
        interval = row.ci95.get(name)
        between = (
            "" if interval is None else f" ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})"
        )
        cells.append(f"{100 * row.values[name]:.1f}{between}")
    return tuple(cells)


def methods(rows: Sequence[Row], version: str) -> str:
    """Return the paragraph that says how the figures came about."""
    return " ".join(
        [
            *dict.fromkeys(row.methods for row in rows),
            "UAR is the mean of the recalls of the classes, WA the share of right answers, ECE the "
            "expected calibration error in 15 bins. Intervals are 95 % percentile bootstraps over "
            f"speakers. Trained and measured with affekt {version}.",
        ]
    )


def as_markdown(rows: Sequence[Row], version: str) -> str:
    """Return tables and methods in Markdown."""
    return "\n\n".join([*map(markdown_table, tables(rows)), methods(rows, version)]) + "\n"


def as_latex(rows: Sequence[Row], version: str) -> str:
    """Return tables and methods in LaTeX."""
    return "\n\n".join([*map(latex_table, tables(rows)), latex(methods(rows, version))]) + "\n"


WRITERS: Mapping[str, Callable[[Sequence[Row], str], str]] = {".md": as_markdown, ".tex": as_latex}
"""Endings of files, and what writes them."""
