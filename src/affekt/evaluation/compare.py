"""Whether one model is better than another on the same clips.

The unit of chance is the speaker: clips of one speaker resemble each other. Two tests are made.

* A **paired bootstrap** draws speakers with repetition, the same for both models, and gives the
  95 % interval of the difference of each score.
* A **permutation test** exchanges the answers of the two models speaker by speaker. Its p value is
  the share of exchanges with a difference of UAR as large; it decides. All exchanges are counted
  where there are at most 4,096, else 9,999 random ones.

McNemar's exact test, over clips, stands beside: it takes clips for independent, so that its p value
is too small where speakers matter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from affekt.errors import DataError
from affekt.evaluation.groups import fairness, uar_weights
from affekt.evaluation.metrics import (
    SCORES,
    Fairness,
    FloatArray,
    IntArray,
    Metrics,
    difference_intervals,
    evaluate,
    log_losses,
    tally,
)

SIGNIFICANT = 0.05
"""The p value below which two models differ."""

_ALL_EXCHANGES = 12  # speakers, up to which every exchange is counted
_EXCHANGES = 9_999
_POWER_80 = 2.8  # standard errors: 1.96 + 0.84

BETTER, WORSE, SAME, UNKNOWN = "better", "worse", "no difference", "unknown"


@dataclass(frozen=True)
class Difference:
    """A score of the second model minus that of the first, with its 95 % interval over speakers.

    `ci95` is None where there are fewer than two speakers.
    """

    value: float
    ci95: tuple[float, float] | None


@dataclass(frozen=True)
class GroupDifference:
    """The difference of UAR in one group.

    `too_small` says why the group is not to be read, as in `affekt.evaluation.groups.Group`.
    """

    attribute: str
    value: str
    clips: int
    speakers: int
    uar: Difference
    too_small: str


@dataclass(frozen=True)
class Change:
    """A clip to which the two models give different answers; `clip` is its index."""

    clip: int
    truth: str
    before: str
    before_confidence: float
    after: str
    after_confidence: float


@dataclass(frozen=True)
class Pair:
    """One model beside the first.

    Attributes
    ----------
    model : str
    verdict : str
        ``"better"``, ``"worse"`` or ``"no difference"`` in UAR; ``"unknown"`` where there are too
        few speakers to tell: with fewer than six no exchange of speakers is rare enough.
    differences : mapping of str to Difference
        By score: `SCORES` and ``"log_loss"``.
    p : float or None
        Of the permutation test, times the number of models compared (Bonferroni); None for one
        speaker.
    detectable : float or None
        The difference of UAR that such a comparison would find in 80 of 100 cases.
    only_before, only_after : int
        Clips that the first, and the second model alone has right.
    mcnemar_p : float
    recall : mapping of str to float
        Differences by class; NaN where the class does not occur.
    groups : tuple of GroupDifference
    speakers : mapping of str to float
        Differences of UAR by speaker, the worst first.
    changed : tuple of Change
        What became wrong first, then what became right, then the rest.
    """

    model: str
    verdict: str
    differences: Mapping[str, Difference]
    p: float | None
    detectable: float | None
    only_before: int
    only_after: int
    mcnemar_p: float
    recall: Mapping[str, float]
    groups: tuple[GroupDifference, ...]
    speakers: Mapping[str, float]
    changed: tuple[Change, ...]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Models on the same clips.

    Attributes
    ----------
    models : tuple of str
        The first is the one that the others are compared with.
    labels : tuple of str
        The classes that all of them and the clips have.
    clips : tuple of str
        Names of the clips.
    metrics : mapping of str to Metrics
    log_loss : mapping of str to float
    fairness : mapping of str to Fairness
    pairs : tuple of Pair
        One for each model but the first.
    notes : tuple of str
        What was left out, and what makes the comparison less sure.
    """

    models: tuple[str, ...]
    labels: tuple[str, ...]
    clips: tuple[str, ...]
    metrics: Mapping[str, Metrics]
    log_loss: Mapping[str, float]
    fairness: Mapping[str, Fairness]
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "models": {
                name: {
                    **self.metrics[name].to_dict(),
                    "log_loss": self.log_loss[name],
                    "fairness": asdict(self.fairness[name]),
                }
                for name in self.models
            },
            "pairs": [
                {
                    "baseline": self.models[0],
                    **asdict(pair),
                    "changed": [
                        {**asdict(one), "clip": self.clips[one.clip]} for one in pair.changed
                    ],
                }
                for pair in self.pairs
            ],
            "notes": list(self.notes),
        }


def compare_answers(
    answers: Mapping[str, npt.ArrayLike],
    targets: npt.ArrayLike,
    labels: Sequence[str],
    *,
    speakers: Sequence[str],
    clips: Sequence[str] = (),
    columns: Mapping[str, Sequence[str]] | None = None,
    notes: Sequence[str] = (),
    n_resamples: int = 2000,
    seed: int = 0,
) -> Comparison:
    """Compare the answers of models to the same clips.

    Parameters
    ----------
    answers : mapping of str to array [shape=(clips, classes)]
        Probabilities by model, the first being the one to compare with.
    targets : array of int [shape=(clips,)]
    labels : sequence of str
    speakers : sequence of str
        Who speaks each clip. Where nobody is known, each clip counts by itself.
    clips : sequence of str
        Names of the clips; their numbers by default.
    columns : mapping of str to sequence of str, optional
        Groups, from :func:`affekt.evaluation.groups.group_columns`.
    notes : sequence of str
        What is known already to make the comparison less sure.
    n_resamples, seed : int
        Of the bootstrap.

    Raises
    ------
    DataError
        If there are fewer than two models, or an array does not fit.
    """
    if len(answers) < 2:
        raise DataError("a comparison needs at least two models")
    truth = np.asarray(targets)
    values = {name: np.asarray(rows, np.float64) for name, rows in answers.items()}
    notes, units = list(notes), list(speakers)
    if not any(units):
        notes.append("no clip names its speaker: each counts as one, and intervals are too narrow")
        units = [str(number) for number in range(len(units))]
    elif not all(units):
        notes.append(f"{units.count('')} clips without a speaker count as of one speaker")
    if len(set(units)) == 1:
        notes.append("there is one speaker: nothing can be said about others")
    groups = dict(columns or {})
    evenness = {
        name: fairness(rows, truth, labels, speakers, groups, seed=seed)
        for name, rows in values.items()
    }
    pairs = [
        _pair(values, name, truth, labels, units, groups, evenness[name], n_resamples, seed)
        for name in list(values)[1:]
    ]
    return Comparison(
        models=tuple(values),
        labels=tuple(labels),
        clips=tuple(clips) or tuple(map(str, range(len(truth)))),
        metrics={
            name: evaluate(rows, truth, labels, speakers=units, seed=seed)
            for name, rows in values.items()
        },
        log_loss={name: float(log_losses(rows, truth).mean()) for name, rows in values.items()},
        fairness=evenness,
        pairs=tuple(pairs),
        notes=tuple(notes),
    )


def _pair(
    answers: Mapping[str, FloatArray],
    name: str,
    targets: IntArray,
    labels: Sequence[str],
    speakers: Sequence[str],
    columns: Mapping[str, Sequence[str]],
    evenness: Fairness,
    n_resamples: int,
    seed: int,
) -> Pair:
    def differences_of(own: npt.NDArray[np.bool_]) -> dict[str, Difference]:
        return _differences(before, after, targets, labels, names, own, n_resamples, seed)

    before, after = next(iter(answers.values())), answers[name]
    names = np.asarray(speakers)
    differences = differences_of(np.ones(len(targets), bool))
    shares = uar_shares(before, after, targets, speakers)
    p = permutation_p(list(shares.values()), seed=seed)
    if p is not None:
        p = min(1.0, p * (len(answers) - 1))
    right_before, right_after = (rows.argmax(axis=1) == targets for rows in (before, after))
    only_before = int((right_before & ~right_after).sum())
    only_after = int((right_after & ~right_before).sum())
    recalls = [evaluate(rows, targets, labels).recall for rows in (before, after)]
    of_speakers = {
        speaker: _uar_difference(before, after, targets, labels, names == speaker)
        for speaker in dict.fromkeys(speakers)
    }
    return Pair(
        model=name,
        verdict=_verdict(p, differences["uar"].value, len(shares), len(answers) - 1),
        differences=differences,
        p=p,
        detectable=_detectable(list(shares.values())),
        only_before=only_before,
        only_after=only_after,
        mcnemar_p=mcnemar_p(only_before, only_after),
        recall={label: recalls[1][label] - recalls[0][label] for label in labels},
        groups=tuple(
            GroupDifference(
                attribute=group.attribute,
                value=group.value,
                clips=group.clips,
                speakers=group.speakers,
                uar=differences_of(np.asarray(columns[group.attribute]) == group.value)["uar"],
                too_small=group.too_small,
            )
            for group in evenness.groups
        ),
        speakers=dict(sorted(of_speakers.items(), key=lambda item: item[1])),
        changed=_changes(before, after, targets, labels),
    )


def _verdict(p: float | None, difference: float, speakers: int, models: int) -> str:
    if p is None or models * 2 / 2**speakers >= SIGNIFICANT:
        return UNKNOWN
    if p >= SIGNIFICANT:
        return SAME
    return BETTER if difference > 0 else WORSE


def _differences(
    before: FloatArray,
    after: FloatArray,
    targets: IntArray,
    labels: Sequence[str],
    speakers: npt.NDArray[Any],
    own: npt.NDArray[np.bool_],
    n_resamples: int,
    seed: int,
) -> dict[str, Difference]:
    """Return the differences over some of the clips, by score."""
    parts = [(rows[own], targets[own]) for rows in (before, after)]
    one, other = (evaluate(*part, labels) for part in parts)
    found = {name: getattr(other, name) - getattr(one, name) for name in SCORES}
    found["log_loss"] = float((log_losses(*parts[1]) - log_losses(*parts[0])).mean())
    sums = [tally(*part, speakers[own].tolist()) for part in parts]
    intervals = difference_intervals(*sums, n_resamples=n_resamples, seed=seed)
    return {name: Difference(value, intervals.get(name)) for name, value in found.items()}


def _uar_difference(
    before: FloatArray,
    after: FloatArray,
    targets: IntArray,
    labels: Sequence[str],
    own: npt.NDArray[np.bool_],
) -> float:
    one, other = (evaluate(rows[own], targets[own], labels).uar for rows in (before, after))
    return other - one


def uar_shares(
    before: FloatArray, after: FloatArray, targets: IntArray, speakers: Sequence[str]
) -> dict[str, float]:
    """Return what each speaker adds to the difference of UAR; their sum is the difference."""
    gained = (after.argmax(axis=1) == targets).astype(float) - (before.argmax(axis=1) == targets)
    support = np.bincount(targets, minlength=before.shape[1]).astype(float)
    names, owner = np.unique(np.asarray(speakers, dtype=str), return_inverse=True)
    shares = np.bincount(owner, gained * uar_weights(support)[targets], len(names))
    return dict(zip(names.tolist(), shares.tolist(), strict=True))


def permutation_p(shares: Sequence[float], *, seed: int = 0) -> float | None:
    """Return the two-sided p value of a sum whose parts may each have either sign.

    Parameters
    ----------
    shares : sequence of float
        From :func:`uar_shares`.
    seed : int
        Of the random exchanges, where not all are counted.

    Returns
    -------
    float or None
        None for fewer than two parts.
    """
    values = np.asarray(shares)
    if len(values) < 2:
        return None
    limit = abs(values.sum()) - 1e-12
    if len(values) <= _ALL_EXCHANGES:
        bits = np.arange(2 ** len(values))[:, None] >> np.arange(len(values)) & 1
        return float((np.abs((1 - 2 * bits) @ values) >= limit).mean())
    signs = np.random.default_rng(seed).integers(0, 2, size=(_EXCHANGES, len(values))) * 2 - 1
    return float((1 + (np.abs(signs @ values) >= limit).sum()) / (1 + _EXCHANGES))


def _detectable(shares: Sequence[float]) -> float | None:
    """Return the difference found in 80 of 100 comparisons of this many such speakers."""
    if len(shares) < 2:
        return None
    return _POWER_80 * float(np.std(shares, ddof=1)) * math.sqrt(len(shares))


def mcnemar_p(only_before: int, only_after: int) -> float:
    """Return the exact two-sided p value that as many or fewer of the changes go one way."""
    n, k = only_before + only_after, min(only_before, only_after)
    if n == 0:
        return 1.0
    logs = [
        math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) - n * math.log(2)
        for i in range(k + 1)
    ]
    return min(1.0, 2 * sum(map(math.exp, logs)))


def e_value(only_first: int, only_second: int) -> float:
    """Return the evidence that two models are not right equally often.

    Of pairs of which one model alone is right, ``n`` in all, half go each way where there is no
    difference. The e-value is the likelihood of what was seen if their share were unknown (uniform
    from 0 to 1), relative to a half: ``2^n k! (n - k)! / (n + 1)!``. It may be looked at at any
    time: without a difference it ever reaches 20 in at most 5 of 100 cases (Ville's inequality).

    Returns
    -------
    float
        1 for no evidence; below, evidence for equality.
    """
    n = only_first + only_second
    log = (
        n * math.log(2)
        + math.lgamma(only_first + 1)
        + math.lgamma(only_second + 1)
        - math.lgamma(n + 2)
    )
    return math.exp(min(log, 700.0))


def _changes(
    before: FloatArray, after: FloatArray, targets: IntArray, labels: Sequence[str]
) -> tuple[Change, ...]:
    one, other = before.argmax(axis=1), after.argmax(axis=1)
    found = [
        Change(
            clip=int(at),
            truth=labels[targets[at]],
            before=labels[one[at]],
            before_confidence=float(before[at].max()),
            after=labels[other[at]],
            after_confidence=float(after[at].max()),
        )
        for at in np.flatnonzero(one != other)
    ]
    return tuple(sorted(found, key=_urgency))


def _urgency(change: Change) -> tuple[int, float]:
    order = 0 if change.before == change.truth else 1 if change.after == change.truth else 2
    return order, -change.after_confidence
