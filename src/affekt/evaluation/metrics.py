"""Scores of a classifier, from arrays alone, so that any runtime's output can be measured.

All scores are fractions from 0 to 1:

* **UAR**, unweighted average recall: the mean of the recalls of the classes that occur in
  the targets. Chance is one over the number of classes, however skewed the classes are.
* **WA**, weighted accuracy: the fraction of clips that are right.
* **F1** of a class: ``2 TP / (2 TP + FP + FN)``; *weighted* by the class's clips, or *macro*,
  the plain mean over the classes that occur in targets or predictions.
* **ECE**, expected calibration error: ``sum_b n_b / n * |accuracy_b - confidence_b|`` over
  equal-width bins of the confidence of the winning class (Guo et al., "On Calibration of
  Modern Neural Networks", 2017).

Intervals are percentile bootstraps over *speakers*: clips of one speaker resemble each other,
so resampling clips would promise more certainty than the data hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from affekt.errors import DataError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

SCORES: tuple[str, ...] = ("uar", "wa", "weighted_f1", "macro_f1", "ece")
"""The scores that every result reports, by the names used in files."""

ECE_BINS = 15
SUM_TOLERANCE = 1e-3  # how far a row of float16 or float32 probabilities may be from 1


@dataclass(frozen=True)
class Group:
    """The scores of the clips of one group.

    Attributes
    ----------
    attribute, value : str
        ``"gender"`` and ``"female"``, say.
    clips, speakers : int
    uar, wa : float
        From 0 to 1; UAR over the classes that occur in the group.
    ci95 : (float, float) or None
        95 % bootstrap interval of `uar` over speakers; None for fewer than two.
    too_small : str
        Why the group is not compared with others; empty where it is.
    """

    attribute: str
    value: str
    clips: int
    speakers: int
    uar: float
    wa: float
    ci95: tuple[float, float] | None
    too_small: str


@dataclass(frozen=True)
class Gap:
    """The distance of the best and the worst group of an attribute.

    `p` is the share of random assignments of speakers to the groups with a gap as large: above
    0.05, chance alone explains it.
    """

    attribute: str
    best: str
    worst: str
    uar: float
    p: float


@dataclass(frozen=True)
class Fairness:
    """How evenly a model serves groups and speakers.

    Attributes
    ----------
    groups : tuple of Group
    gaps : tuple of Gap
        Of attributes with two groups or more that are large enough.
    speakers : mapping of str to float
        UAR by speaker, the worst first.
    worst_quarter : float or None
        Mean UAR of the quarter of speakers with the lowest; None for fewer than four.
    worst_quarter_by_chance : float or None
        The same if all speakers had the recalls of all together, so that only the number of clips
        makes them differ.
    gini : float or None
        Gini coefficient of the speakers' UAR: 0 where all are alike, 1 where one has it all.
    """

    groups: tuple[Group, ...]
    gaps: tuple[Gap, ...]
    speakers: Mapping[str, float]
    worst_quarter: float | None
    worst_quarter_by_chance: float | None
    gini: float | None


@dataclass(frozen=True)
class RaterAgreement:
    """How near probabilities are to the votes of raters.

    Attributes
    ----------
    n : int
        Clips with votes.
    js_distance : float
        Mean Jensen-Shannon distance, from 0 (the same distribution) to 1 (nothing in common).
    soft_accuracy : float
        Mean share of the raters who chose the model's label.
    """

    n: int
    js_distance: float
    soft_accuracy: float


@dataclass(frozen=True, eq=False)
class Metrics:
    """How well a set of predictions agrees with the targets.

    Attributes
    ----------
    uar, wa, weighted_f1, macro_f1, ece : float
        The scores of this module, from 0 to 1.
    recall, precision : dict of str to float
        By label; NaN where undefined (a class without targets, or never predicted).
    confusion : np.ndarray [shape=(classes, classes)]
        Clips of the class of the row that were taken for the class of the column.
    labels : tuple of str
        Names of rows and columns.
    n : int
        Number of clips.
    ci95 : dict of str to (float, float)
        95 % bootstrap interval over speakers, by score; empty if they are unknown or just one.
    fairness : Fairness or None
        By group and speaker, where it was measured (`affekt.evaluation.groups`).
    raters : RaterAgreement or None
        How near the probabilities are to the votes of raters (`affekt.evaluation.raters`).
    """

    uar: float
    wa: float
    weighted_f1: float
    macro_f1: float
    ece: float
    recall: Mapping[str, float]
    precision: Mapping[str, float]
    confusion: IntArray
    labels: tuple[str, ...]
    n: int
    ci95: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    fairness: Fairness | None = None
    raters: RaterAgreement | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and numbers for JSON; undefined values become ``None``."""
        values: dict[str, Any] = {name: getattr(self, name) for name in SCORES}
        values["n"] = self.n
        values["labels"] = list(self.labels)
        values["recall"] = _without_nan(self.recall)
        values["precision"] = _without_nan(self.precision)
        values["confusion"] = self.confusion.tolist()
        values["ci95"] = {name: list(interval) for name, interval in self.ci95.items()}
        if self.fairness is not None:
            values["fairness"] = asdict(self.fairness)
        if self.raters is not None:
            values["raters"] = asdict(self.raters)
        return values


@dataclass(frozen=True, eq=False)
class Reliability:
    """Confidence against accuracy, per bin of confidence.

    Attributes
    ----------
    edges : np.ndarray [shape=(bins + 1,)]
        Bin ``b`` holds confidences above ``edges[b]`` up to and including ``edges[b + 1]``.
    counts : np.ndarray [shape=(bins,)]
        Clips in the bin.
    confidence, accuracy : np.ndarray [shape=(bins,)]
        Mean confidence, and fraction of right clips; NaN in empty bins.
    """

    edges: FloatArray
    counts: IntArray
    confidence: FloatArray
    accuracy: FloatArray


@dataclass(frozen=True, eq=False)
class _SpeakerTallies:
    """Everything the scores need, summed per speaker; tallies of several speakers just add up.

    Attributes
    ----------
    speakers : tuple of str
        The speakers, sorted.
    confusion : np.ndarray [shape=(speakers, classes, classes)]
        A confusion matrix for each speaker.
    gaps : np.ndarray [shape=(speakers, bins)]
        Per bin of confidence, the sum over clips of confidence minus (1 if right, else 0).
    losses : np.ndarray [shape=(speakers,)]
        Sum over clips of the log loss.
    """

    speakers: tuple[str, ...]
    confusion: FloatArray
    gaps: FloatArray
    losses: FloatArray


def evaluate(
    probabilities: npt.ArrayLike,
    targets: npt.ArrayLike,
    labels: Sequence[str],
    *,
    speakers: Sequence[str] | None = None,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> Metrics:
    """Score predicted probabilities against targets.

    Parameters
    ----------
    probabilities : array [shape=(clips, classes)]
        Each row sums to 1.
    targets : array of int [shape=(clips,)]
        Index of the true class of each clip.
    labels : sequence of str
        Name of each class, in the order of the columns.
    speakers : sequence of str, optional
        Who speaks each clip; needed for the intervals.
    n_bootstrap : int
        Resamples of the speakers; 0 for no intervals.
    seed : int
        Of the resampling.

    Raises
    ------
    DataError
        If there are no clips, shapes or labels do not fit together, a target is out of range,
        or the probabilities are not finite or do not sum to 1.
    """
    probabilities, targets = _check_predictions(probabilities, targets, labels)
    predicted = probabilities.argmax(axis=1)
    confusion = confusion_matrix(targets, predicted, len(labels))
    hits = np.diagonal(confusion)
    recall = _ratio(hits, confusion.sum(axis=1), np.nan)
    precision = _ratio(hits, confusion.sum(axis=0), np.nan)
    ci95: dict[str, tuple[float, float]] = {}
    if speakers is not None and n_bootstrap > 0:
        ci95 = bootstrap_intervals(
            [tally(probabilities, targets, speakers)], n_resamples=n_bootstrap, seed=seed
        )
    scores: dict[str, Any] = {
        name: float(score) for name, score in _confusion_scores(confusion).items()
    }
    return Metrics(
        **scores,
        ece=expected_calibration_error(probabilities, targets),
        recall=dict(zip(labels, recall.tolist(), strict=True)),
        precision=dict(zip(labels, precision.tolist(), strict=True)),
        confusion=confusion,
        labels=tuple(labels),
        n=len(targets),
        ci95=ci95,
    )


def confusion_matrix(targets: npt.ArrayLike, predicted: npt.ArrayLike, n_classes: int) -> IntArray:
    """Count clips by true class (row) and predicted class (column), int64 [classes, classes].

    Raises
    ------
    DataError
        If there are no clips, the lengths differ, or an index is not in 0 .. n_classes - 1.
    """
    truth = check_indices(targets, n_classes, "targets")
    guess = check_indices(predicted, n_classes, "predicted")
    if len(truth) != len(guess):
        raise DataError(f"there are {len(truth)} targets but {len(guess)} predictions")
    flat = np.bincount(truth * n_classes + guess, minlength=n_classes * n_classes)
    return flat.reshape(n_classes, n_classes).astype(np.int64)


def uar(targets: npt.ArrayLike, predicted: npt.ArrayLike, n_classes: int) -> float:
    """Return the mean recall over the classes that occur in `targets`."""
    return _score("uar", targets, predicted, n_classes)


def accuracy(targets: npt.ArrayLike, predicted: npt.ArrayLike, n_classes: int) -> float:
    """Return the fraction of clips whose class is right (WA)."""
    return _score("wa", targets, predicted, n_classes)


def weighted_f1(targets: npt.ArrayLike, predicted: npt.ArrayLike, n_classes: int) -> float:
    """Return the mean F1 over classes, weighted by the clips of each class in `targets`."""
    return _score("weighted_f1", targets, predicted, n_classes)


def macro_f1(targets: npt.ArrayLike, predicted: npt.ArrayLike, n_classes: int) -> float:
    """Return the plain mean F1 over the classes that occur in `targets` or `predicted`."""
    return _score("macro_f1", targets, predicted, n_classes)


def reliability(
    probabilities: npt.ArrayLike, targets: npt.ArrayLike, n_bins: int = ECE_BINS
) -> Reliability:
    """Sort clips into equal-width bins of the winning class's probability.

    Parameters and errors as in `evaluate`; `n_bins` is at least 1.
    """
    probabilities, targets = _check_predictions(probabilities, targets)
    confidence, right = _confidence_and_hits(probabilities, targets)
    bins = _confidence_bins(confidence, n_bins)
    counts = np.bincount(bins, minlength=n_bins).astype(np.int64)
    return Reliability(
        edges=np.linspace(0, 1, n_bins + 1),
        counts=counts,
        confidence=_ratio(np.bincount(bins, confidence, n_bins), counts, np.nan),
        accuracy=_ratio(np.bincount(bins, right, n_bins), counts, np.nan),
    )


def expected_calibration_error(
    probabilities: npt.ArrayLike, targets: npt.ArrayLike, n_bins: int = ECE_BINS
) -> float:
    """Return the mean distance between confidence and accuracy, over bins, weighted by clips."""
    diagram = reliability(probabilities, targets, n_bins)
    filled = diagram.counts > 0
    distance = np.abs(diagram.accuracy[filled] - diagram.confidence[filled])
    return float(np.average(distance, weights=diagram.counts[filled]))


def tally(
    probabilities: npt.ArrayLike, targets: npt.ArrayLike, speakers: Sequence[str]
) -> _SpeakerTallies:
    """Sum what the scores need per speaker; parameters and errors as in `evaluate`."""
    probabilities, targets = _check_predictions(probabilities, targets)
    if len(speakers) != len(targets):
        raise DataError(f"there are {len(targets)} clips but {len(speakers)} speakers")
    names, owner = np.unique(np.asarray(speakers, dtype=str), return_inverse=True)
    confusion = np.zeros((len(names), probabilities.shape[1], probabilities.shape[1]))
    np.add.at(confusion, (owner, targets, probabilities.argmax(axis=1)), 1)
    confidence, right = _confidence_and_hits(probabilities, targets)
    gaps = np.zeros((len(names), ECE_BINS))
    np.add.at(gaps, (owner, _confidence_bins(confidence, ECE_BINS)), confidence - right)
    losses = np.zeros(len(names))
    np.add.at(losses, owner, log_losses(probabilities, targets))
    return _SpeakerTallies(tuple(names.tolist()), confusion, gaps, losses)


def log_losses(probabilities: FloatArray, targets: IntArray) -> FloatArray:
    """Return ``-log`` of the probability of the target of each clip, in nats.

    Probabilities below 1e-6, the last digit of stored answers, count as that.
    """
    true = probabilities[np.arange(len(targets)), targets]
    return np.asarray(-np.log(np.maximum(true, 1e-6)))


def difference_intervals(
    one: _SpeakerTallies, other: _SpeakerTallies, *, n_resamples: int = 2000, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Return the 95 % interval of each score of `other` minus that of `one`.

    A paired bootstrap: each draw of speakers is the same for both. Beside `SCORES` there is
    ``"log_loss"``. Empty for fewer than two speakers.

    Raises
    ------
    DataError
        If the two were not scored on the same speakers.
    """
    if one.speakers != other.speakers:
        raise DataError("the two were not scored on the same speakers")
    count = len(one.speakers)
    if count < 2:
        return {}
    generator = np.random.default_rng(seed)
    draws = generator.multinomial(count, np.full(count, 1 / count), size=n_resamples)
    before, after = _drawn_scores(one, draws), _drawn_scores(other, draws)
    return {name: _interval(after[name] - before[name]) for name in before}


def bootstrap_intervals(
    runs: Sequence[_SpeakerTallies | Sequence[_SpeakerTallies]],
    *,
    n_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Return the 95 % interval of each score's mean over runs, by resampling speakers.

    The interval lies between the percentiles 2.5 and 97.5 of the mean over the runs, each draw of
    speakers being the same for all. It tells how far the figure would move with other speakers.

    Parameters
    ----------
    runs : sequence of SpeakerTallies, or of a sequence of them
        One for each seed. Runs in parts (folds) are scored, and speakers drawn, within each part.
    n_resamples, seed : int
        Number of draws, and the seed that makes them repeatable.

    Returns
    -------
    dict of str to (float, float)
        By score name; empty for fewer than two speakers: one cannot tell how speakers differ.
    """
    parted = [[run] if isinstance(run, _SpeakerTallies) else run for run in runs]
    if not parted:
        raise DataError("no runs to compute intervals from")
    by_part = list(zip(*parted, strict=True))  # of each part, the runs
    if any(run.speakers != part[0].speakers for part in by_part for run in part):
        raise DataError("the runs were not scored on the same speakers")
    if any(len(part[0].speakers) < 2 for part in by_part):
        return {}
    generator = np.random.default_rng(seed)
    drawn: list[dict[str, FloatArray]] = []
    for part in by_part:
        even = np.full(len(part[0].speakers), 1 / len(part[0].speakers))
        draws = generator.multinomial(len(even), even, size=n_resamples)  # [draws, speakers]
        drawn += [_drawn_scores(run, draws) for run in part]
    means = {name: np.mean([scores[name] for scores in drawn], axis=0) for name in SCORES}
    return {name: _interval(values) for name, values in means.items()}


def _check_predictions(
    probabilities: npt.ArrayLike, targets: npt.ArrayLike, labels: Sequence[str] | None = None
) -> tuple[FloatArray, IntArray]:
    """Return both as float64 [clips, classes] and int64 [clips], or raise DataError."""
    values = np.asarray(probabilities, dtype=np.float64)
    if values.ndim != 2 or values.size == 0:
        raise DataError(
            "probabilities must be [clips, classes] with at least one clip, "
            f"got the shape {list(values.shape)}"
        )
    if labels is not None and (len(labels) != values.shape[1] or len(set(labels)) != len(labels)):
        raise DataError(
            f"{values.shape[1]} probabilities a clip need as many different labels, "
            f"got {', '.join(labels)}"
        )
    indices = check_indices(targets, values.shape[1], "targets")
    if len(indices) != len(values):
        raise DataError(f"there are {len(values)} rows of probabilities but {len(indices)} targets")
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
        raise DataError(f"the probabilities of clip {row} are not finite numbers")
    sums = values.sum(axis=1)
    wrong = (np.abs(sums - 1) > SUM_TOLERANCE) | (values < 0).any(axis=1)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"the probabilities of clip {row} must be 0 or more and sum to 1, they sum to "
            f"{sums[row]:.4g}: logits go through softmax first"
        )
    return values, indices


def check_indices(values: npt.ArrayLike, n_classes: int, what: str) -> IntArray:
    """Return class indices as int64 [clips], or raise DataError that speaks of `what`."""
    indices = np.asarray(values)
    if indices.ndim != 1 or indices.size == 0:
        raise DataError(f"{what} must be [clips] with at least one clip, got {list(indices.shape)}")
    if not np.issubdtype(indices.dtype, np.integer):
        raise DataError(f"{what} must be integer class indices, got {indices.dtype}")
    if indices.min() < 0 or indices.max() >= n_classes:
        raise DataError(
            f"{what} must lie in 0 .. {n_classes - 1}, got {indices.min()} .. {indices.max()}"
        )
    return indices.astype(np.int64)


def _score(name: str, targets: npt.ArrayLike, predicted: npt.ArrayLike, n_classes: int) -> float:
    return float(_confusion_scores(confusion_matrix(targets, predicted, n_classes))[name])


def _confidence_and_hits(
    probabilities: FloatArray, targets: IntArray
) -> tuple[FloatArray, FloatArray]:
    right = (probabilities.argmax(axis=1) == targets).astype(np.float64)
    return probabilities.max(axis=1), right


def _confidence_bins(confidence: FloatArray, n_bins: int) -> IntArray:
    inner_edges = np.linspace(0, 1, n_bins + 1)[1:-1]
    return np.digitize(confidence, inner_edges, right=True).astype(np.int64)


def _confusion_scores(confusion: npt.NDArray[Any]) -> dict[str, FloatArray]:
    """Score confusion matrices [..., classes, classes]; each score has the leading shape."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    support = confusion.sum(axis=-1)
    total = support.sum(axis=-1)
    involved = support + confusion.sum(axis=-2)  # 2 TP + FP + FN
    recall = _ratio(hits, support, 0.0)
    f1 = _ratio(2 * hits, involved, 0.0)
    return {
        "uar": recall.sum(axis=-1) / (support > 0).sum(axis=-1),
        "wa": hits.sum(axis=-1) / total,
        "weighted_f1": (f1 * support).sum(axis=-1) / total,
        "macro_f1": f1.sum(axis=-1) / (involved > 0).sum(axis=-1),
    }


def _drawn_scores(run: _SpeakerTallies, draws: npt.NDArray[Any]) -> dict[str, FloatArray]:
    """Score each draw of speakers [draws, speakers] of a run: score name to [draws]."""
    confusion = np.tensordot(draws.astype(np.float64), run.confusion, axes=1)
    scores = _confusion_scores(confusion)
    gaps = np.abs(draws @ run.gaps)  # [draws, bins]
    clips = confusion.sum(axis=(-2, -1))
    scores["ece"] = gaps.sum(axis=-1) / clips
    scores["log_loss"] = (draws @ run.losses) / clips
    return scores


def _interval(values: FloatArray) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5]).tolist()
    return low, high


def _ratio(
    numerator: npt.NDArray[Any], denominator: npt.NDArray[Any], undefined: float
) -> FloatArray:
    result = np.full(np.shape(denominator), undefined, dtype=np.float64)
    np.divide(numerator, denominator, out=result, where=np.asarray(denominator) > 0)
    return result


def _without_nan(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: None if np.isnan(value) else value for name, value in values.items()}
