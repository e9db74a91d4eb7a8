"""Scores of groups of speakers: by gender, age, language, and speaker by speaker.

A group is read only where it is large enough: `MINIMUM_CLIPS` clips by `MINIMUM_SPEAKERS` speakers,
with clips of every class. The others are shown, and neither compared nor part of a gap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from affekt.evaluation.metrics import (
    Fairness,
    FloatArray,
    Gap,
    Group,
    IntArray,
    Metrics,
    evaluate,
    tally,
)

if TYPE_CHECKING:
    from affekt.data import Clip

MINIMUM_CLIPS = 50
MINIMUM_SPEAKERS = 5

_AGES = ((30, "under 30"), (45, "30 to 44"), (60, "45 to 59"), (np.inf, "60 and over"))


def group_columns(clips: Sequence[Clip]) -> dict[str, list[str]]:
    """Return the groups that manifests tell of, by attribute: a value for each clip, or ``""``."""
    columns = {
        "gender": [clip.gender for clip in clips],
        "age": ["" if clip.age is None else _age(clip.age) for clip in clips],
        "language": [clip.language for clip in clips],
    }
    return {name: values for name, values in columns.items() if any(values)}


def _age(years: float) -> str:
    return next(name for limit, name in _AGES if years < limit)


def fairness(
    probabilities: npt.ArrayLike,
    targets: npt.ArrayLike,
    labels: Sequence[str],
    speakers: Sequence[str],
    columns: Mapping[str, Sequence[str]],
    *,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Fairness:
    """Score groups of clips and each speaker.

    Parameters
    ----------
    probabilities, targets, labels
        As for :func:`affekt.evaluation.evaluate`.
    speakers : sequence of str
        Who speaks each clip; ``""`` where unknown. Such clips count as one speaker in groups, and
        not among the speakers.
    columns : mapping of str to sequence of str
        From :func:`group_columns`.
    n_resamples, seed : int
        Of intervals and permutations.

    Raises
    ------
    DataError
        As :func:`affekt.evaluation.evaluate`.
    """
    values, truth = np.asarray(probabilities, np.float64), np.asarray(targets)
    sums = tally(values, truth, speakers)
    hits = np.diagonal(sums.confusion, axis1=1, axis2=2)  # [speakers, classes]
    support = sums.confusion.sum(axis=2)  # [speakers, classes]
    generator = np.random.default_rng(seed)
    groups: list[Group] = []
    gaps: list[Gap] = []
    for attribute, column in columns.items():
        own = [
            _group(attribute, value, values, truth, labels, speakers, column, n_resamples)
            for value in sorted(set(column) - {""})
        ]
        groups += own
        read = [group for group in own if not group.too_small]
        if len(read) > 1:
            first = dict(zip(reversed(speakers), reversed(column), strict=True))
            member = np.array([first[name] for name in sums.speakers])
            gaps.append(_gap(read, member, hits, support, generator, n_resamples))
    known = np.array([bool(name) for name in sums.speakers])
    rates = _uar(hits[known], support[known])
    names = [name for name in sums.speakers if name]
    order = np.argsort(rates, kind="stable")
    enough = len(rates) >= 4
    return Fairness(
        groups=tuple(groups),
        gaps=tuple(gaps),
        speakers={names[place]: float(rates[place]) for place in order},
        worst_quarter=_worst_quarter(rates) if enough else None,
        worst_quarter_by_chance=_by_chance(hits[known], support[known], generator, n_resamples)
        if enough
        else None,
        gini=gini(rates) if enough else None,
    )


def with_fairness(
    metrics: Metrics, probabilities: npt.ArrayLike, targets: npt.ArrayLike, clips: Sequence[Clip]
) -> Metrics:
    """Return the metrics of clips with how evenly their groups and speakers are served."""
    speakers = [clip.speaker_id for clip in clips]
    found = fairness(probabilities, targets, metrics.labels, speakers, group_columns(clips))
    return replace(metrics, fairness=found)


def gini(values: npt.ArrayLike) -> float:
    """Return ``sum |x_i - x_j| / (2 n^2 mean)`` of values from 0 up; 0 where all are 0."""
    x = np.sort(np.asarray(values, np.float64))
    n = len(x)
    total = n * x.sum()
    return float((2 * np.arange(1, n + 1) - n - 1) @ x / total) if total else 0.0


def uar_weights(support: FloatArray) -> FloatArray:
    """Return what a right clip of each class adds to UAR, given the clips of each [classes]."""
    weights = np.zeros_like(support, dtype=np.float64)
    np.divide(1 / (support > 0).sum(), support, out=weights, where=support > 0)
    return weights


def _uar(hits: FloatArray, support: FloatArray) -> FloatArray:
    """Return the UAR over the last axis, over the classes that occur."""
    recall = np.divide(hits, support, out=np.zeros_like(support), where=support > 0)
    return np.asarray(recall.sum(axis=-1) / np.maximum((support > 0).sum(axis=-1), 1))


def _group(
    attribute: str,
    value: str,
    probabilities: FloatArray,
    targets: IntArray,
    labels: Sequence[str],
    speakers: Sequence[str],
    column: Sequence[str],
    n_resamples: int,
) -> Group:
    own = np.array([one == value for one in column])
    names = [name for name, inside in zip(speakers, own, strict=True) if inside]
    found = evaluate(
        probabilities[own], targets[own], labels, speakers=names, n_bootstrap=n_resamples
    )
    lacking = [label for index, label in enumerate(labels) if index not in targets[own].tolist()]
    people = len(set(names))
    too_small = ""
    if found.n < MINIMUM_CLIPS:
        too_small = f"fewer than {MINIMUM_CLIPS} clips"
    elif people < MINIMUM_SPEAKERS:
        too_small = f"fewer than {MINIMUM_SPEAKERS} speakers"
    elif lacking:
        too_small = f"no clip is {' or '.join(lacking)}"
    return Group(
        attribute, value, found.n, people, found.uar, found.wa, found.ci95.get("uar"), too_small
    )


def _gap(
    read: Sequence[Group],
    member: npt.NDArray[Any],
    hits: FloatArray,
    support: FloatArray,
    generator: np.random.Generator,
    n_resamples: int,
) -> Gap:
    """Return the gap of groups, and how often shuffled speakers have one as large."""
    best, worst = max(read, key=lambda g: g.uar), min(read, key=lambda g: g.uar)
    inside = np.isin(member, [group.value for group in read])
    member, hits, support = member[inside], hits[inside], support[inside]

    def largest(assigned: npt.NDArray[Any]) -> float:
        rates = [
            float(_uar(hits[assigned == g.value].sum(axis=0), support[assigned == g.value].sum(0)))
            for g in read
        ]
        return max(rates) - min(rates)

    found = largest(member)
    beyond = sum(
        largest(generator.permutation(member)) >= found - 1e-12 for _ in range(n_resamples)
    )
    return Gap(
        read[0].attribute,
        best.value,
        worst.value,
        best.uar - worst.uar,
        (1 + beyond) / (1 + n_resamples),
    )


def _worst_quarter(rates: FloatArray) -> float:
    return float(np.sort(rates)[: -(-len(rates) // 4)].mean())


def _by_chance(
    hits: FloatArray, support: FloatArray, generator: np.random.Generator, n_resamples: int
) -> float:
    """Return the mean worst quarter of speakers who differ by the luck of their clips alone."""
    total = support.sum(axis=0)
    recall = np.divide(hits.sum(axis=0), total, out=np.zeros_like(total), where=total > 0)
    drawn = generator.binomial(support.astype(int), recall, size=(n_resamples, *support.shape))
    rates = np.sort(_uar(drawn.astype(float), np.broadcast_to(support, drawn.shape).copy()), axis=1)
    return float(rates[:, : -(-len(support) // 4)].mean())
