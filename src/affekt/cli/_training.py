"""Display of a run on a terminal: a bar with loss, validation UAR and the time left."""

from __future__ import annotations

import math
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from affekt.cli._common import SECONDS_BETWEEN_LINES, line_is_due, log, watched
from affekt.recipe_files import recipe_names

if TYPE_CHECKING:
    from affekt.training import Recipe

SECONDS_TO_ESTIMATE = 10.0
"""Seconds of reading, and of steps, after which a log says how long the rest will take."""

QUICK = {"epochs": 10, "clips_per_epoch": 512}
"""What ``--quick`` makes of ``[training]``: enough to see that all of it works."""

RECIPE_HELP = f"Name or TOML file of a recipe. By name: {', '.join(recipe_names())}."

SetOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a key of the recipe, e.g. training.epochs=5 or model.options.channels=96; "
        "the value is TOML. May be given several times.",
    ),
]

QuickOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--quick",
        help="To see that everything works: {epochs} epochs of {clips_per_epoch} clips. The "
        "figures will be worse than the recipe's.".format(**QUICK),
    ),
]


def read_recipe(recipe: str, changes: Sequence[str] | None, device: str = "") -> Recipe:
    """Read the recipe of a command line, with its changes and device."""
    from affekt.training import load_recipe
    from affekt.training.recipe.file import read_changes
    from affekt.training.recipe.schema import on_device

    loaded = load_recipe(recipe, read_changes(changes or ()))
    return on_device(loaded, device) if device else loaded


def name_of_changed(recipe: Recipe, changes: Sequence[str] | None) -> str:
    """Name of a recipe with its changes, so that its results do not replace the recipe's own."""
    from affekt.training.recipe.file import read_changes

    made = read_changes(changes or ())
    if not made or "name" in made:
        return recipe.name
    words = (recipe.name, *(f"{key}-{value}" for key, value in made.items()))
    return re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(words))[:120].strip("-")


if TYPE_CHECKING:
    from affekt.training.network.loop import Epoch


class _RunView:
    """Reports a run on stderr: a live bar for people, one line per epoch for logs."""

    def __init__(self, bar: Any | None, quiet_epochs: bool = False) -> None:
        self._bar = bar
        self._task: Any = None
        self._steps = 0
        self._uar = "-"
        self._quiet_epochs = quiet_epochs
        self._first = self._begun = math.nan  # step and second from which the pace is measured
        self.title = "training"
        self._reported = -math.inf  # seconds
        self._reading_since = 0.0

    def started(self, first_step: int, steps: int, history: Sequence[Epoch]) -> None:
        """Show where the run begins."""
        self._steps = steps
        self._first = math.nan
        self._uar = _percent(history[-1].validation_uar) if history else "-"
        if first_step:
            log(f"continuing at step {first_step} of {steps}")
        if self._bar:
            self._bar.update(self._task_of("training"), completed=first_step, total=steps, facts="")

    def step(self, step: int, loss: float) -> None:
        """Move the bar."""
        if self._bar:
            facts = f"loss {loss:.3f}  UAR {self._uar}"
            self._bar.update(self._task, completed=step, facts=facts)
        elif not self._quiet_epochs:
            self._estimate(step)

    def _estimate(self, step: int) -> None:
        """Say once how long the steps will take; the first one, which warms up, does not count."""
        now = time.monotonic()
        if math.isnan(self._first):
            self._first, self._begun = step, now
        elif step > self._first and self._begun + SECONDS_TO_ESTIMATE <= now:
            each = (now - self._begun) / (step - self._first)
            left = duration(each * (self._steps - step))
            log(f"about {left} left: {self._steps - step} steps of {each:.2g} s each")
            self._begun = math.inf

    def epoch(self, row: Epoch) -> None:
        """Remember the validation UAR; without a bar, print a line."""
        self._uar = _percent(row.validation_uar)
        if not self._bar and not self._quiet_epochs:
            log(
                f"epoch {row.epoch:3d}  step {row.step}/{self._steps}  loss {row.loss:.4f}  "
                f"validation loss {row.validation_loss:.4f}  UAR {self._uar}  {row.seconds:.0f} s"
            )

    def reading(self, what: str, done: int, total: int) -> None:
        """Show how far the reading of the audio is."""
        if self._bar:
            task = self._task_of(what)
            self._bar.update(task, completed=done, total=total, facts="", description=what)
            return
        if done <= 1:
            self._reading_since = time.monotonic()
        if not self._quiet_epochs and line_is_due(self._reported):
            now = time.monotonic()
            left = (now - self._reading_since) / max(1, done - 1) * (total - done)
            soon = f", about {duration(left)} left" if 1 < done < total else ""
            log(f"{what}: {done} of {total}{soon}")
            # The first line knows no pace yet; the one that does is not to wait as long as others.
            early = SECONDS_BETWEEN_LINES - SECONDS_TO_ESTIMATE if done <= 1 else 0.0
            self._reported = now - early

    def _task_of(self, what: str) -> Any:
        title = self.title if what == "training" else what
        if self._task is None:
            self._task = self._bar.add_task(title, total=None, facts="")  # type: ignore[union-attr]
        else:
            self._bar.update(self._task, description=title)  # type: ignore[union-attr]
        return self._task


@contextmanager
def run_view(quiet_epochs: bool = False) -> Iterator[_RunView]:
    """A view on a run, with a bar if a person watches stderr."""
    if not watched(sys.stderr):
        yield _RunView(None, quiet_epochs)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[facts]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        yield _RunView(bar)


def duration(seconds: float) -> str:
    """Return a length of time as people say it: ``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _percent(fraction: float) -> str:
    return "-" if fraction != fraction else f"{100 * fraction:.1f} %"
