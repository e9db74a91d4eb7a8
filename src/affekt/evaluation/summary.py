"""Scores over folds and seeds: one row of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from affekt.errors import DataError
from affekt.evaluation.metrics import SCORES, bootstrap_intervals, evaluate, tally, uar


class Predictions(NamedTuple):
    """What one seed of a recipe answered for the test clips of all folds.

    Attributes
    ----------
    probabilities : array [shape=(clips, classes)]
    targets : array of int [shape=(clips,)]
    speakers : sequence of str
        Who speaks each clip.
    folds : sequence of str
        The fold that tested each clip; may be empty.
    """

    probabilities: npt.ArrayLike
    targets: npt.ArrayLike
    speakers: Sequence[str]
    folds: Sequence[str] = ()


@dataclass(frozen=True)
class Score:
    """A score over seeds: fractions from 0 to 1.

    `sd` is the sample standard deviation over seeds, 0 for a single seed. `ci95` is the 95 %
    bootstrap interval over speakers of the mean; None if there are fewer than two speakers.
    """

    mean: float
    sd: float
    ci95: tuple[float, float] | None = None

    @classmethod
    def over_seeds(cls, values: Sequence[float], ci95: tuple[float, float] | None = None) -> Score:
        """Return the mean and the deviation of one value for each seed."""
        # The deviation of a sample of one is unknown; 0 keeps the field a number.
        sd = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        return cls(float(np.mean(values)), sd, ci95)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The scores of a recipe under a protocol, over all folds and seeds.

    Attributes
    ----------
    uar, wa, weighted_f1, macro_f1, ece : Score
    labels : tuple of str
        Names of the rows and columns of `confusion`.
    confusion : tuple of tuples of int
        Clips by true (row) and predicted class, added up over folds and seeds.
    per_fold : mapping of str to Score
        UAR of each fold by itself; without intervals.
    """

    uar: Score
    wa: Score
    weighted_f1: Score
    macro_f1: Score
    ece: Score
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    per_fold: Mapping[str, Score] = field(default_factory=dict)


def summarise(
    runs: Sequence[Predictions | tuple[Any, ...]],
    labels: Sequence[str],
    *,
    n_bootstrap: int = 1000,
    seed: int = 0,
    mean_of_folds: bool = False,
) -> Summary:
    """Score a recipe under a protocol.

    The predictions of all folds of a seed are pooled, then scored; or, with ``mean_of_folds``,
    each fold is scored and the mean taken, so that every fold counts the same. The mean and the
    standard deviation are over seeds. The interval is that of the mean over seeds when speakers are
    drawn anew, the same draw for all seeds (`affekt.evaluation.metrics.bootstrap_intervals`).

    Parameters
    ----------
    runs : sequence of Predictions
        One for each seed, all of the same clips; plain tuples will do.
    labels : sequence of str
        Names of the classes.
    n_bootstrap, seed : int
        Resamples of the speakers, and the seed that makes them repeatable.
    mean_of_folds : bool
        The scores are means over folds.

    Raises
    ------
    DataError
        If there are no runs, a run is malformed, or the runs are not of the same speakers.
    """
    if not runs:
        raise DataError("there are no predictions to summarise")
    seeds = [Predictions(*run) for run in runs]
    groups = [_by_fold(run) if mean_of_folds else [run] for run in seeds]  # by seed, then fold
    measured = [
        [evaluate(part.probabilities, part.targets, labels) for part in parts] for parts in groups
    ]
    tallies = [
        [tally(part.probabilities, part.targets, part.speakers) for part in parts]
        for parts in groups
    ]
    intervals = bootstrap_intervals(tallies, n_resamples=n_bootstrap, seed=seed)
    scores = {
        name: Score.over_seeds(
            [float(np.mean([getattr(one, name) for one in parts])) for parts in measured],
            intervals.get(name),
        )
        for name in SCORES
    }
    confusion = sum(one.confusion for parts in measured for one in parts)
    return Summary(
        **scores,
        labels=tuple(labels),
        confusion=tuple(map(tuple, np.asarray(confusion).tolist())),
        per_fold=_per_fold(seeds),
    )


def limited_to_fold(run: Predictions) -> Predictions:
    """Return predictions whose answers are limited to the classes that their fold has.

    A corpus that is left out may lack classes of the model. This tells how much of the
    error is due to answers that could not be right.
    """
    parts = []
    for part in _by_fold(run):
        probabilities = np.array(part.probabilities, dtype=np.float64)
        absent = np.isin(np.arange(probabilities.shape[1]), np.unique(part.targets), invert=True)
        probabilities[:, absent] = 0
        sums = probabilities.sum(axis=1, keepdims=True)
        even = ~absent / (~absent).sum()  # a model may be certain of what cannot be
        limited = np.divide(probabilities, sums, out=np.tile(even, (len(sums), 1)), where=sums > 0)
        parts.append(part._replace(probabilities=limited))
    return Predictions(
        np.concatenate([np.asarray(part.probabilities) for part in parts]),
        np.concatenate([np.asarray(part.targets) for part in parts]),
        [name for part in parts for name in part.speakers],
        [name for part in parts for name in part.folds],
    )


def _by_fold(run: Predictions) -> list[Predictions]:
    """Return the predictions of each fold by itself, in the order in which the folds occur."""
    if len(run.folds) != len(run.speakers):
        raise DataError("folds must name the fold of every clip: the mean over folds needs it")
    names, folds = np.asarray(run.speakers), np.asarray(run.folds)
    parts = []
    for fold in dict.fromkeys(run.folds):
        own = folds == fold
        parts.append(
            Predictions(
                np.asarray(run.probabilities)[own],
                np.asarray(run.targets)[own],
                names[own].tolist(),
                folds[own].tolist(),
            )
        )
    return parts


def _per_fold(seeds: Sequence[Predictions]) -> dict[str, Score]:
    """Return the UAR of each fold, in the order in which the folds occur."""
    if any(len(run.folds) not in (0, len(run.speakers)) for run in seeds):
        raise DataError("folds must name the fold of every clip, or be empty")
    scores = {}
    for fold in dict.fromkeys(seeds[0].folds):
        values = []
        for run in seeds:
            of_fold = np.asarray(run.folds) == fold
            if not of_fold.any():
                raise DataError(f"not every seed has predictions for fold {fold}")
            probabilities = np.asarray(run.probabilities)
            values.append(
                uar(
                    np.asarray(run.targets)[of_fold],
                    probabilities[of_fold].argmax(axis=1),
                    probabilities.shape[1],
                )
            )
        scores[fold] = Score.over_seeds(values)
    return scores
