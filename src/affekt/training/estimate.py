"""How long a recipe will train here, measured on a few of its steps."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from affekt.data import Clip
from affekt.training.data.split import choose_split
from affekt.training.network.fit import fit, refuse_without_network
from affekt.training.network.loop import Epoch, Quiet
from affekt.training.recipe.schema import Recipe

MEASURED_STEPS = 4
"""Steps that are trained, and those of the first epoch are left out."""


@dataclass(frozen=True)
class Estimate:
    """What a run is made of, and its pace.

    Attributes
    ----------
    clips, epochs, steps : int
        Clips that are read, and steps of all epochs; no steps where nothing is trained by them.
    seconds_per_clip, seconds_per_step, seconds_per_epoch : float
        To read a clip, for a step, and to score the validation clips after an epoch.
    """

    clips: int
    epochs: int
    steps: int
    seconds_per_clip: float
    seconds_per_step: float
    seconds_per_epoch: float

    @property
    def seconds(self) -> float:
        """All of it."""
        reading = self.clips * self.seconds_per_clip
        return reading + self.steps * self.seconds_per_step + self.epochs * self.seconds_per_epoch


class _Enough(Exception):
    """Ends a run that is only measured."""


class _Clock(Quiet):
    """Times the steps and the epochs of a run, and ends it after a few steps.

    Attributes
    ----------
    begun : float
        When the first step began.
    """

    def __init__(self) -> None:
        self.begun = 0.0
        self.steps: list[float] = []
        self.epochs: list[float] = []
        self._last = 0.0

    def started(self, first_step: int, steps: int, history: Sequence[Epoch]) -> None:
        self.begun = self._last = time.monotonic()

    def step(self, step: int, loss: float) -> None:
        self.steps.append(self._since_last())

    def epoch(self, row: Epoch) -> None:
        self.epochs.append(self._since_last())
        if len(self.steps) >= MEASURED_STEPS:
            raise _Enough

    def _since_last(self) -> float:
        now = time.monotonic()
        passed, self._last = now - self._last, now
        return passed


def estimate(recipe: Recipe, root: Path | None = None) -> Estimate:
    """Measure the pace of a recipe on a few clips and steps.

    Parameters
    ----------
    recipe : Recipe
        With its data; teachers and pre-training are not part of the estimate.
    root : Path, optional
        Where the corpora lie.

    Raises
    ------
    AffektError
        If the data or the recipe cannot be used.
    """
    refuse_without_network(recipe)
    split = choose_split(recipe.data, root)
    training = recipe.training
    size = min(training.batch_size, len(split.train))
    few = _spread(split.train, 2 * size), _spread(split.validation, size)
    short = replace(recipe, distil=None, training=replace(training, clips_per_epoch=0))
    clock, begun = _Clock(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            fit(short, *few, Path(folder), reporter=clock)
            ended = time.monotonic()
        except _Enough:
            ended = clock.begun
    steps = training.epochs * ((training.clips_per_epoch or len(split.train)) // size)
    scored = clock.epochs[-1] * len(split.validation) / max(1, len(few[1])) if clock.epochs else 0
    later = clock.steps[1:] or clock.steps
    return Estimate(
        clips=len(split.all()),
        epochs=training.epochs if clock.steps else 0,
        steps=steps if clock.steps else 0,
        seconds_per_clip=((clock.begun or ended) - begun) / sum(map(len, few)),
        seconds_per_step=sum(later) / max(1, len(later)),
        seconds_per_epoch=scored,
    )


def _spread(clips: Sequence[Clip], count: int) -> list[Clip]:
    """Return so many clips from all over: corpora and folders stand one after the other."""
    count = min(count, len(clips))
    return [clips[at * len(clips) // count] for at in range(count)]
