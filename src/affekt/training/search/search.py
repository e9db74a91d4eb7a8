"""Search for good values of a recipe: train with many, score on validation speakers alone."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from affekt.errors import ConfigError, ModelError
from affekt.evaluation import Fold, Protocol
from affekt.training.data.features import Progress
from affekt.training.network.loop import Reporter
from affekt.training.network.processes import group_size
from affekt.training.recipe.file import write_recipe
from affekt.training.recipe.fingerprint import run_fingerprint
from affekt.training.recipe.schema import Recipe
from affekt.training.search.objective import Objective, folds_without_test
from affekt.training.search.space import Space, changed, make_space
from affekt.training.search.study import (
    DONE,
    FAILED,
    GIVEN_UP,
    Trial,
    ask,
    best_of,
    draw_trials,
    open_study,
    tell,
    trials_of,
    write_trials,
)

if TYPE_CHECKING:
    import optuna

BEST_FILE, TRIALS_FILE, HISTORY_FILE = "best.toml", "trials.csv", "history.png"
_MOST_FAILURES = 3  # with no trial done by then, something is wrong with the recipe itself

Announce = Callable[[Trial, Trial | None], None]
"""Called with every trial that has come to its end, and with the best so far."""


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes
    ----------
    trials : tuple of Trial
        Those of earlier calls included.
    best : Trial
    recipe : Recipe
        With the values of the best trial; ``best.toml`` holds it, too.
    """

    trials: tuple[Trial, ...]
    best: Trial
    recipe: Recipe


class _TimeIsUp(Exception):
    """The time for the search is over within a trial; another call goes on with it."""


def search(
    recipe: Recipe,
    space: Space | Mapping[str, Any],
    folder: Path,
    *,
    trials: int,
    protocol: Protocol | None = None,
    folds: Sequence[str] = (),
    root: Path | None = None,
    seed: int = 0,
    seconds: float = 0.0,
    prune: bool = True,
    reporter: Reporter | None = None,
    progress: Progress | None = None,
    announce: Announce | None = None,
) -> SearchResult:
    """Try values of a recipe, or go on where an earlier call stopped.

    The first trial is the recipe as it stands, where its values lie in the space.

    Parameters
    ----------
    recipe : Recipe
    space : Space or mapping
        See :func:`~affekt.training.search.space.read_space`; a mapping holds what the file would
        hold.
    folder : Path
        Gets ``journal.log`` (all that is known, for going on), ``trials.csv``, ``history.png``
        and ``best.toml``.
    trials : int
        How many there shall be in the end, with those of earlier calls.
    protocol : Protocol, optional
        Whose folds are trained and validated on; by default the recipe's own split is.
    folds : sequence of str
        Names of some folds of the protocol; all when empty.
    root : Path, optional
        Where the corpora lie, see :func:`affekt.data.data_root`.
    seed : int
        Of what is tried, and of every training.
    seconds : float
        Stop after this time; 0 never does.
    prune : bool
        Give trials up that fall behind: below the median of those that are done, at the same
        share of training.

    Raises
    ------
    AffektError
        If recipe, space or data cannot be used, the folder holds another search, or no trial
        succeeded.
    KeyboardInterrupt
        After Ctrl-C, with everything saved: the same call continues.
    """
    if group_size() > 1:
        raise ConfigError("a search runs in one process: start it without torchrun")
    if trials < 1:
        raise ConfigError(f"trials must be 1 or more, got {trials}")
    if not isinstance(space, Space):
        space = make_space(space, recipe)
    split = folds_without_test(recipe, protocol, folds, root=root, folder=folder)
    objective = Objective(
        split,
        folder,
        root=root,
        seed=seed,
        under_test=protocol.corpora if protocol else _validating_corpora(split),
        reporter=reporter,
        progress=progress,
    )
    with open_study(folder, _fingerprint(recipe, space, split, seed)) as study:
        run = _Run(study, recipe, space, folder, objective, seed, prune, seconds)
        try:
            while len(run.trials) < trials and run.next():
                if announce:
                    announce(run.trials[-1], best_of(run.trials))
        finally:
            if run.trials:
                draw_trials(run.trials, folder / HISTORY_FILE)
        best = run.write()
    if best is None:
        raise ConfigError(
            "no trial was done in time: the same call goes on, give it more"
            if not run.trials
            else f"none of {len(run.trials)} trials succeeded: {run.trials[0].note}"
        )
    return SearchResult(run.trials, best, run.best_recipe(best))


class _Run:
    """A call of :func:`search`: trial after trial, everything on disk after each."""

    def __init__(
        self,
        study: optuna.Study,
        recipe: Recipe,
        space: Space,
        folder: Path,
        objective: Objective,
        seed: int,
        prune: bool,
        seconds: float,
    ) -> None:
        self.study = study
        self.recipe = recipe
        self.space = space
        self.folder = folder
        self.objective = objective
        self.seed = seed
        self.prune = prune
        self.deadline = time.monotonic() + seconds if seconds else float("inf")
        self.trials = trials_of(study, space)
        own = space.params_of(recipe)
        if own and not study.trials:
            study.enqueue_trial(own)

    def next(self) -> bool:
        """Bring one more trial to its end; False when the time is over."""
        if time.monotonic() >= self.deadline:
            return False
        trial = ask(self.study, self.seed)
        values = self.space.suggest(trial)
        same = next((known for known in self.trials if known.values == values), None)
        if same:
            note = f"the values of trial {same.number}"
            tell(self.study, trial, same.state, same.validation_uar, note=same.note or note)
        else:
            try:
                self._try(trial, values)
            except _TimeIsUp:
                return False
        self.trials = trials_of(self.study, self.space)
        self.write()
        failures = [known.note for known in self.trials if known.state == FAILED]
        if len(failures) == len(self.trials) >= _MOST_FAILURES:
            raise ConfigError(f"none of {len(failures)} trials can be trained: {failures[0]}")
        return True

    def write(self) -> Trial | None:
        """Write what is known, and return the best trial."""
        if self.trials:
            write_trials(self.trials, self.folder / TRIALS_FILE)
        best = best_of(self.trials)
        if best:
            write_recipe(self.best_recipe(best), self.folder / BEST_FILE, best.values)
        return best

    def best_recipe(self, best: Trial) -> Recipe:
        """The recipe with the values of a trial."""
        uar = 100 * (best.validation_uar or 0.0)
        found = changed(self.recipe, best.values)
        return replace(
            found,
            name=f"{self.recipe.name or 'recipe'}-best",
            description=f"{uar:.1f} % UAR on validation speakers, the best of "
            f"{len(self.trials)} trials",
        )

    def _try(self, trial: optuna.Trial, values: Mapping[str, Any]) -> None:
        from optuna import TrialPruned

        started = time.monotonic()
        # By its values: whoever comes back to them finds the checkpoints.
        name = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]
        place = self.folder / "trials" / name
        pruner = _Pruner(trial, len(self.objective.folds), self.prune, self.deadline)
        state, uar, note = FAILED, None, ""
        try:
            uar = self.objective.measure(changed(self.recipe, values), place, pruner)
            state = DONE
        except TrialPruned:
            state, uar = GIVEN_UP, pruner.uar
        except (ConfigError, ModelError) as error:
            note = str(error)
        except torch.OutOfMemoryError:
            note = "out of memory"
        seconds = time.monotonic() - started
        tell(self.study, trial, state, uar, seconds=seconds, note=note)
        shutil.rmtree(place, ignore_errors=True)
        if place.parent.is_dir() and not any(place.parent.iterdir()):
            place.parent.rmdir()


class _Pruner:
    """Follows a trial, and ends it below the median or when the time is over.

    ``uar`` is the mean of the best so far over the folds that have begun.
    """

    def __init__(self, trial: optuna.Trial, folds: int, prune: bool, deadline: float) -> None:
        self.trial = trial
        self.folds = folds
        self.prune = prune
        self.deadline = deadline
        self.uar = 0.0
        self._percents = 0

    def __call__(self, percents: int, worth: float) -> None:
        self.uar = worth * self.folds / max(1, math.ceil(percents / 100))
        if percents > self._percents:  # epochs may be shorter than a hundredth
            self._percents = percents
            self.trial.report(worth, percents)
        if self.prune and self.trial.should_prune():
            from optuna import TrialPruned

            raise TrialPruned
        if time.monotonic() >= self.deadline:
            raise _TimeIsUp


def _validating_corpora(folds: Sequence[Fold]) -> list[str]:
    return sorted({clip.corpus for fold in folds for clip in fold.validation} - {""})


def _fingerprint(recipe: Recipe, space: Space, folds: Sequence[Fold], seed: int) -> str:
    runs = [run_fingerprint(recipe, fold.train, fold.validation, seed) for fold in folds]
    dimensions = [asdict(dimension) for dimension in space.dimensions]
    return hashlib.sha256(json.dumps([runs, dimensions]).encode()).hexdigest()
