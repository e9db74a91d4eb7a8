"""A recipe under ``NAME-adapted`` and ``kshot``: what its embedding makes of further clips."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from affekt.errors import DataError
from affekt.evaluation import Fold, Protocol
from affekt.evaluation.adapted import (
    ALL,
    AdaptedAnswers,
    Plan,
    adapted_answers,
    join_folds,
    mean_answers,
    summarise_adapted,
)
from affekt.evaluation.kshot import SOURCES, KshotScore, kshot_scores
from affekt.evaluation.summary import Predictions, Score
from affekt.training.benchmark.fitted import Fitted

KSHOT = 8
"""How many labelled clips a class, of other speakers, stand for ``kshot``; fewer where a corpus has
no more."""

ADAPTED_SCORES = ("uar", "worst_quarter", "harmed")

Fit = Callable[[Fold, int], Sequence[Fitted]]
"""From a fold and a seed to the system trained on it, or the members of an ensemble."""


@dataclass(frozen=True)
class FoldScore:
    """A fold of one seed under the setting of the protocol's figure."""

    seed: int
    fold: str
    clips: int
    uar: float
    seconds: float


Announce = Callable[[FoldScore], None]
"""Called with every fold that is done."""


@dataclass(frozen=True)
class _ProtocolScores:
    """What was measured of a recipe under one of these protocols.

    Attributes
    ----------
    runs : list of Predictions
        By seed, of the setting whose scores stand for the protocol.
    setting : str
        That setting, in words.
    per_setting : mapping
        The scores of every setting.
    parameters, bytes : int
    seconds : float
    """

    runs: list[Predictions]
    setting: str
    per_setting: Mapping[str, Any]
    parameters: int
    bytes: int
    seconds: float


def measure_adapted(
    protocol: Protocol,
    folds: Sequence[Fold],
    seeds: Sequence[int],
    fit: Fit,
    announce: Announce,
    plan: Plan | None = None,
) -> _ProtocolScores:
    """Measure what unlabelled clips of the test speakers are worth."""
    started = time.monotonic()
    labels = protocol.labels
    runs, sizes = [], []
    for seed in seeds:
        parts = []
        for fold in folds:
            begun = time.monotonic()
            systems = fit(fold, seed)
            sizes.append(_size(systems))
            answers = mean_answers([_adapted(one, fold, labels, plan or Plan()) for one in systems])
            parts.append(answers)
            score = summarise_adapted([answers], labels)["random"][ALL].uar.mean
            seconds = time.monotonic() - begun
            announce(FoldScore(seed, fold.name, len(fold.test), score, seconds))
        runs.append(join_folds(parts))
    scores = summarise_adapted(runs, labels, mean_of_folds=protocol.mean_of_folds)
    return _ProtocolScores(
        runs=[run["random", ALL].predictions for run in runs],
        setting="the mean of all other clips of the speaker",
        per_setting={
            way: {
                count: {
                    **{name: _plain(getattr(score, name)) for name in ADAPTED_SCORES},
                    "clips": score.clips,
                }
                for count, score in of_way.items()
            }
            for way, of_way in scores.items()
        },
        parameters=max(parameters for parameters, _ in sizes),
        bytes=max(size for _, size in sizes),
        seconds=time.monotonic() - started,
    )


def _adapted(fitted: Fitted, fold: Fold, labels: Sequence[str], plan: Plan) -> AdaptedAnswers:
    return adapted_answers(
        fitted.system.embed(fold.test),
        [labels.index(clip.emotion) for clip in fold.test],
        [clip.speaker_id for clip in fold.test],
        fitted.system.scores,
        labels,
        prior=fitted.prior,
        plan=plan,
        fold=fold.name,
    )


def measure_kshot(
    protocol: Protocol, folds: Sequence[Fold], seeds: Sequence[int], fit: Fit, announce: Announce
) -> _ProtocolScores:
    """Measure what a few labelled clips are worth to an encoder not trained on the corpus."""
    started = time.monotonic()
    labels = protocol.labels
    scores: dict[str, dict[str, dict[int, list[KshotScore]]]] = {}
    runs, sizes = [], []
    for seed in seeds:
        headline = []
        for fold in folds:
            begun = time.monotonic()
            systems = fit(fold, seed)
            if len(systems) > 1:
                raise DataError("kshot measures one embedding: an ensemble has several")
            sizes.append(_size(systems))
            embeddings = systems[0].system.embed(fold.test)
            targets = np.array([labels.index(clip.emotion) for clip in fold.test])
            speakers = [clip.speaker_id for clip in fold.test]
            of_fold = scores.setdefault(fold.name, {})
            for source in SOURCES:
                found = kshot_scores(
                    embeddings, targets, speakers, labels, source=source, seed=seed
                )
                for k, score in found.items():
                    of_fold.setdefault(source, {}).setdefault(k, []).append(score)
            shown = of_fold["others"][max(k for k in of_fold["others"] if k <= KSHOT)][-1]
            names = [fold.name] * len(shown.predictions.speakers)
            headline.append(shown.predictions._replace(folds=names))
            seconds = time.monotonic() - begun
            announce(FoldScore(seed, fold.name, len(fold.test), shown.uar.mean, seconds))
        runs.append(
            Predictions(
                np.concatenate([part.probabilities for part in headline]),
                np.concatenate([part.targets for part in headline]),
                [name for part in headline for name in part.speakers],
                [name for part in headline for name in part.folds],
            )
        )
    return _ProtocolScores(
        runs=runs,
        setting=f"{KSHOT} labelled clips of each class, of other speakers",
        per_setting={
            fold: {
                source: {
                    str(k): {"uar": _plain(_over_seeds(own)), "clips": own[0].clips}
                    for k, own in sorted(of_source.items())
                }
                for source, of_source in of_fold.items()
            }
            for fold, of_fold in scores.items()
        },
        parameters=max(parameters for parameters, _ in sizes),
        bytes=max(size for _, size in sizes),
        seconds=time.monotonic() - started,
    )


def _over_seeds(scores: Sequence[KshotScore]) -> Score:
    """Return the mean over seeds; deviation and interval stay those over draws and speakers."""
    intervals = [score.uar.ci95 for score in scores if score.uar.ci95 is not None]
    low, high = np.mean(intervals, axis=0).tolist() if intervals else (0.0, 1.0)
    return Score(
        float(np.mean([score.uar.mean for score in scores])),
        float(np.mean([score.uar.sd for score in scores])),
        (low, high) if intervals else None,
    )


def _plain(score: Score) -> dict[str, Any]:
    """Return a score as the JSON file holds it."""
    ci95 = None if score.ci95 is None else list(score.ci95)
    return {"mean": score.mean, "sd": score.sd, "ci95": ci95}


def _size(systems: Sequence[Fitted]) -> tuple[int, int]:
    return sum(one.parameters for one in systems), sum(one.bytes for one in systems)
