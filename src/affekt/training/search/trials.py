"""What a search has tried: as rows, as CSV, and as a picture of its history."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from affekt.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DONE, GIVEN_UP, FAILED = "done", "given up", "failed"


@dataclass(frozen=True)
class Trial:
    """One set of values, tried.

    Attributes
    ----------
    number : int
        Counted from 1.
    state : str
        ``"done"``, ``"given up"`` (hopeless after some epochs) or ``"failed"``.
    validation_uar : float or None
        Pooled over the folds. Of a trial that was given up, the mean of the best so far over the
        folds that had begun; None of a failed one.
    seconds : float
        Wall time; 0 where the values had been tried before.
    values : mapping of str to Any
        By dotted key.
    note : str
        Why it failed, or which trial had the same values.
    """

    number: int
    state: str
    validation_uar: float | None
    seconds: float
    values: Mapping[str, Any]
    note: str = ""


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """The best of those that are done, the first of equals; None if there is none."""
    done = [trial for trial in trials if trial.state == DONE]
    return max(done, key=lambda trial: trial.validation_uar or 0.0, default=None)


def row_of(trial: Trial) -> dict[str, Any]:
    """A trial as one row of a table, lists as their text."""
    return {
        "trial": trial.number,
        "state": trial.state,
        "validation_uar": trial.validation_uar,
        "seconds": trial.seconds,
        **{key: _plain(value) for key, value in trial.values.items()},
        "note": trial.note,
    }


def write_trials(trials: Sequence[Trial], path: Path) -> None:
    """Write one line per trial as CSV."""
    rows = [row_of(trial) for trial in trials]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with atomic_path(path) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def draw_trials(trials: Sequence[Trial], path: Path) -> None:
    """Draw the validation UAR of each trial, and the best so far."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    _dots(axes, trials, DONE, "o", "#0072b2", "trial")
    _dots(axes, trials, GIVEN_UP, "x", "#999999", "given up, best until then")
    done = [trial for trial in trials if trial.state == DONE]
    best = np.maximum.accumulate([100 * (trial.validation_uar or 0.0) for trial in done])
    axes.step(
        [trial.number for trial in done], best, where="post", color="#d55e00", label="best so far"
    )
    axes.set(xlabel="trial", ylabel="validation UAR in %")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    with atomic_path(path) as partial:
        figure.savefig(partial, dpi=150)


def _dots(
    axes: Axes, trials: Sequence[Trial], state: str, marker: str, color: str, label: str
) -> None:
    own = [trial for trial in trials if trial.state == state]
    if own:
        heights = [100 * (trial.validation_uar or 0.0) for trial in own]
        numbers = [trial.number for trial in own]
        axes.plot(numbers, heights, marker, color=color, label=label)


def _plain(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, (list, tuple, Mapping)) else value
