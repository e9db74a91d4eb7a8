"""What unlabelled clips of the same speaker are worth: ``NAME-adapted``, on arrays.

Any model with an embedding can be measured: it takes embeddings and, for each clip, a baseline to
take out, and gives scores (`EmbeddingSystem`). The baseline of a speaker is a mean of some of the
speaker's other clips, without their labels.

In each draw one fifth of every speaker's clips is scored, and the others are the reserve that
baselines are made of. So no clip that is scored is part of a baseline of that draw, the scored
clips are the same for every number of clips ``n``, and five draws score every clip once. ``all``
is cross-fitted: the baseline of a clip is the mean of all other clips of the speaker, those of
this draw included, and never the clip itself.

With few clips a mean is uncertain. It is drawn to the mean of the training speakers, ``prior``::

    baseline = prior + n / (n + prior_clips) * (mean of n clips - prior)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from affekt.errors import DataError
from affekt.evaluation.calibration import softmax
from affekt.evaluation.metrics import FloatArray, IntArray, check_indices, tally
from affekt.evaluation.summary import Predictions, Score, summarise

if TYPE_CHECKING:
    from affekt.data.manifest import Clip

ALL = "all"
COUNTS: tuple[str, ...] = ("0", "1", "2", "4", "8", "16", "32", ALL)
"""Numbers of clips in a baseline, as they are named in results."""

WAYS: tuple[str, ...] = ("random", "neutral", "one-emotion")
"""Ways to draw the clips of a baseline: at random, four of five neutral or calm, all of one
emotion."""

NEUTRAL = ("neutral", "calm")
MUCH = 0.02  # of UAR
PARTS = 5
"""One part of a speaker's clips is scored in a draw."""

ScoreFunction = Callable[[FloatArray, "FloatArray | None"], FloatArray]
"""From embeddings ``[n, dim]`` and baselines ``[n, dim]``, or None, to scores ``[n, classes]``."""


class EmbeddingSystem(Protocol):
    """A fitted model that can be given a baseline."""

    def embed(self, clips: Sequence[Clip]) -> FloatArray:
        """Return the embeddings of clips ``[n, dim]``."""

    def scores(self, embeddings: FloatArray, baseline: FloatArray | None) -> FloatArray:
        """Return log probabilities or calibrated logits ``[n, classes]``.

        Parameters
        ----------
        embeddings : array [shape=(n, dim)]
        baseline : array [shape=(n, dim)], optional
            The mean embedding to take out of each clip. None: answer without.
        """


@dataclass(frozen=True)
class Plan:
    """How baselines are drawn.

    Attributes
    ----------
    counts : tuple of str
        Of `COUNTS`; ``"0"`` is always measured.
    ways : tuple of str
        Of `WAYS`.
    draws : int
        A multiple of `PARTS`.
    prior_clips : float
        How many clips the prior weighs as much as; 0: not at all.
    seed : int
    """

    counts: tuple[str, ...] = COUNTS
    ways: tuple[str, ...] = WAYS
    draws: int = 20
    prior_clips: float = 8.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.draws < PARTS or self.draws % PARTS:
            raise DataError(f"{self.draws} draws: take a multiple of {PARTS}, from {PARTS} up")
        for name, known in (("counts", COUNTS), ("ways", WAYS)):
            unknown = sorted(set(getattr(self, name)) - set(known))
            if unknown:
                raise DataError(f"unknown {name} {', '.join(unknown)}: of {', '.join(known)}")


@dataclass(frozen=True)
class _AdaptedPredictions:
    """What a system said with baselines of one kind, all draws together.

    Attributes
    ----------
    predictions : Predictions
        Each clip occurs once in every five draws.
    clips : float
        Clips in a baseline, the mean over what was scored: fewer than requested where a speaker
        has no more.
    """

    predictions: Predictions
    clips: float


AdaptedAnswers = Mapping[tuple[str, str], _AdaptedPredictions]
"""By way and number of clips."""


def adapted_answers(
    embeddings: npt.ArrayLike,
    targets: npt.ArrayLike,
    speakers: Sequence[str],
    scores: ScoreFunction,
    labels: Sequence[str],
    *,
    prior: npt.ArrayLike | None = None,
    plan: Plan | None = None,
    fold: str = "",
) -> AdaptedAnswers:
    """Score the clips of a fold's test speakers with baselines from their other clips.

    Parameters
    ----------
    embeddings : array [shape=(clips, dim)]
    targets : array of int [shape=(clips,)]
        Classes, as indices into ``labels``. Only `WAYS` of drawing look at them, never a baseline.
    speakers : sequence of str
        Who speaks each clip. Clips of nobody known (``""``) are left out.
    scores : ScoreFunction
        `EmbeddingSystem.scores`.
    labels : sequence of str
    prior : array [shape=(dim,)], optional
        The mean over training speakers of their mean embeddings. Without it a baseline is the
        plain mean.
    plan : Plan, optional
    fold : str
        The name that the predictions carry.

    Returns
    -------
    mapping of (way, number) to AdaptedPredictions
        Without ways that the labels do not allow (nobody is neutral).

    Raises
    ------
    DataError
        If shapes do not fit, or no speaker is known.
    """
    plan = plan or Plan()
    vectors, classes, names = checked_embeddings(embeddings, targets, speakers, len(labels))
    known = np.flatnonzero(names != "")
    if not len(known):
        raise DataError("no clip has a known speaker: baselines need speakers")
    vectors, classes, names = vectors[known], classes[known], names[known]
    neutral = np.isin(classes, [i for i, label in enumerate(labels) if label in NEUTRAL])
    ways = [way for way in plan.ways if way != "neutral" or neutral.any()]
    counts = ["0", *(count for count in plan.counts if count != "0")]
    centre = np.zeros(vectors.shape[1]) if prior is None else np.asarray(prior, dtype=np.float64)
    shrink = 0.0 if prior is None else plan.prior_clips
    plain = scores(vectors, None)
    members = [np.flatnonzero(names == name) for name in np.unique(names)]
    others, rest = _others(vectors, members)

    rows: list[IntArray] = []
    said: dict[tuple[str, str], list[FloatArray]] = {(w, c): [] for w in ways for c in counts}
    used = dict.fromkeys(said, 0)
    for generator, parts in _draws(members, classes, plan):
        pairs = list(zip(members, parts, strict=True))
        scored = np.concatenate([own[part] for own, part in pairs])
        sizes = [int(part.sum()) for _, part in pairs]
        rows.append(scored)
        for way in ways:
            orders = [_order(way, own[~part], classes, neutral, generator) for own, part in pairs]
            sums = [np.cumsum(vectors[order], axis=0) for order in orders]
            for count in counts:
                if count == ALL and way != "one-emotion":
                    taken, means = rest[scored], others[scored]
                else:
                    most = len(vectors) if count == ALL else int(count)
                    numbers = np.array([min(most, len(order)) for order in orders])
                    ends = [
                        t[n - 1] / n if n else centre for n, t in zip(numbers, sums, strict=True)
                    ]
                    taken, means = np.repeat(numbers, sizes), np.repeat(ends, sizes, axis=0)
                own = taken > 0  # clips with a baseline
                answer = plain[scored].copy()
                if own.any():
                    trust = (taken / (taken + shrink + (taken == 0)))[own, None]
                    baseline = centre + trust * (means[own] - centre)
                    answer[own] = scores(vectors[scored[own]], baseline)
                said[way, count].append(answer)
                used[way, count] += int(taken.sum())
    index = np.concatenate(rows)
    who = names[index].tolist()
    return {
        key: _AdaptedPredictions(
            Predictions(softmax(np.concatenate(parts)), classes[index], who, [fold] * len(index)),
            used[key] / len(index),
        )
        for key, parts in said.items()
    }


def join_folds(folds: Sequence[AdaptedAnswers]) -> AdaptedAnswers:
    """Put the answers of several folds together; a way counts only where every fold has it."""
    if not folds:
        raise DataError("there are no answers to put together")
    together = {}
    for key in folds[0]:
        if all(key in fold for fold in folds):
            answers = [fold[key] for fold in folds]
            sizes = [len(one.predictions.speakers) for one in answers]
            together[key] = _AdaptedPredictions(
                Predictions(
                    np.concatenate([one.predictions.probabilities for one in answers]),
                    np.concatenate([one.predictions.targets for one in answers]),
                    [name for one in answers for name in one.predictions.speakers],
                    [name for one in answers for name in one.predictions.folds],
                ),
                float(np.average([one.clips for one in answers], weights=sizes)),
            )
    return together


def mean_answers(systems: Sequence[AdaptedAnswers]) -> AdaptedAnswers:
    """Return what several systems answer together, given the same baselines: their mean."""
    together = {}
    for key, first in systems[0].items():
        said = [np.asarray(one[key].predictions.probabilities) for one in systems]
        predictions = first.predictions._replace(probabilities=np.mean(said, axis=0))
        together[key] = replace(first, predictions=predictions)
    return together


def _others(vectors: FloatArray, members: Sequence[IntArray]) -> tuple[FloatArray, IntArray]:
    """Mean of a speaker's other clips, for each clip ``[clips, dim]``, and how many they are."""
    means, counts = np.zeros_like(vectors), np.zeros(len(vectors), dtype=np.int64)
    for own in members:
        counts[own] = len(own) - 1
        means[own] = (vectors[own].sum(axis=0) - vectors[own]) / max(len(own) - 1, 1)
    return means, counts


def speaker_mean(embeddings: npt.ArrayLike, speakers: Sequence[str]) -> FloatArray:
    """Return the mean over speakers of their mean embeddings ``[dim]``: a prior for baselines.

    Clips of nobody known (``""``) count only where no speaker is known.
    """
    vectors, names = np.asarray(embeddings, dtype=np.float64), np.asarray(speakers, dtype=np.str_)
    known = sorted(set(names.tolist()) - {""})
    means = [vectors[names == name].mean(axis=0) for name in known] or [vectors.mean(axis=0)]
    return np.asarray(np.mean(means, axis=0))


@dataclass(frozen=True)
class _AdaptedScore:
    """What baselines of one kind are worth.

    Attributes
    ----------
    uar : Score
        Of all draws together; its interval is over speakers.
    worst_quarter : Score
        Mean UAR of the quarter of the speakers with the lowest.
    harmed : Score
        Fraction of the speakers whose UAR is lower than without a baseline.
    harmed_much : Score
        Fraction of the speakers whose UAR is lower by more than `MUCH`.
    clips : float
        Clips in a baseline, on average.
    """

    uar: Score
    worst_quarter: Score
    harmed: Score
    harmed_much: Score
    clips: float


def summarise_adapted(
    runs: Sequence[AdaptedAnswers], labels: Sequence[str], *, mean_of_folds: bool = False
) -> dict[str, dict[str, _AdaptedScore]]:
    """Score the answers of one or more seeds.

    Parameters
    ----------
    runs : sequence of AdaptedAnswers
        One for each seed of training, each of all folds.
    labels : sequence of str
    mean_of_folds : bool
        UAR is that of each fold, averaged, rather than that of all clips together.

    Returns
    -------
    dict of str to dict of str to AdaptedScore
        By way, then by number of clips.
    """
    scores: dict[str, dict[str, _AdaptedScore]] = {}
    for way, count in runs[0]:
        own = [run[way, count].predictions for run in runs]
        without = [run[way, "0"].predictions for run in runs]
        quarters, shares, much = [], [], []
        for one, plain in zip(own, without, strict=True):
            adapted, before = _uar_by_speaker(one), _uar_by_speaker(plain)
            lowest = np.sort(adapted)[: -(-len(adapted) // 4)]
            quarters.append(float(lowest.mean()))
            shares.append(float((adapted < before - 1e-12).mean()))
            much.append(float((adapted < before - MUCH - 1e-12).mean()))
        scores.setdefault(way, {})[count] = _AdaptedScore(
            uar=summarise(own, labels, mean_of_folds=mean_of_folds).uar,
            worst_quarter=Score.over_seeds(quarters),
            harmed=Score.over_seeds(shares),
            harmed_much=Score.over_seeds(much),
            clips=round(float(np.mean([run[way, count].clips for run in runs])), 2),
        )
    return scores


def _uar_by_speaker(predictions: Predictions) -> FloatArray:
    """Return the UAR of each speaker, over the classes that the speaker has ``[speakers]``."""
    tallies = tally(predictions.probabilities, predictions.targets, predictions.speakers)
    support = tallies.confusion.sum(axis=-1)  # [speakers, classes]
    hits = np.diagonal(tallies.confusion, axis1=-2, axis2=-1)
    recall = np.divide(hits, support, out=np.zeros_like(hits), where=support > 0)
    return np.asarray(recall.sum(axis=-1) / (support > 0).sum(axis=-1))


def checked_embeddings(
    embeddings: npt.ArrayLike, targets: npt.ArrayLike, speakers: Sequence[str], n_classes: int
) -> tuple[FloatArray, IntArray, npt.NDArray[np.str_]]:
    """Return float64 [clips, dim], int64 [clips] and names [clips], or raise DataError."""
    vectors = np.asarray(embeddings, dtype=np.float64)
    if vectors.ndim != 2 or vectors.size == 0:
        raise DataError(f"embeddings must be [clips, dim], got the shape {list(vectors.shape)}")
    classes = check_indices(targets, n_classes, "targets")
    if not len(vectors) == len(classes) == len(speakers):
        raise DataError(
            f"there are {len(vectors)} embeddings, {len(classes)} targets and {len(speakers)} "
            f"speakers: each clip needs one of each"
        )
    if not np.isfinite(vectors).all():
        row = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        raise DataError(f"the embedding of clip {row} is not finite")
    return vectors, classes, np.asarray(speakers, dtype=np.str_)


def _draws(
    members: Sequence[IntArray], classes: IntArray, plan: Plan
) -> Iterator[tuple[np.random.Generator, list[npt.NDArray[np.bool_]]]]:
    """Yield, for each draw, a generator and which of each speaker's clips are scored."""
    for number in range(plan.draws):
        # The draws of one pass share the deal, so that they score every clip once.
        dealer = np.random.default_rng([plan.seed, number // PARTS])
        generator = np.random.default_rng([plan.seed, number // PARTS, number % PARTS])
        parts = []
        for own in members:
            # Class by class, so that every part has its share of each.
            order = np.lexsort((dealer.random(len(own)), classes[own]))
            dealt = np.empty(len(own), dtype=np.int64)
            dealt[order] = (np.arange(len(own)) + dealer.integers(PARTS)) % PARTS
            parts.append(dealt == number % PARTS)
        yield generator, parts


def _order(
    way: str,
    reserve: IntArray,
    classes: IntArray,
    neutral: npt.NDArray[np.bool_],
    generator: np.random.Generator,
) -> IntArray:
    """Return the clips of a reserve in the order in which a baseline takes them."""
    order: IntArray = generator.permutation(reserve)
    if not len(order) or way == "random":
        return order
    if way == "one-emotion":
        chosen = generator.choice(np.unique(classes[order]))
        return np.asarray(order[classes[order] == chosen])
    calm, others = list(order[neutral[order]]), list(order[~neutral[order]])
    taken: list[int] = []
    while calm or others:
        first, second = (others, calm) if len(taken) % 5 == 4 else (calm, others)
        taken.append((first or second).pop())
    return np.array(taken, dtype=np.int64)
