"""What a few labelled clips are worth to an encoder that was not trained on the corpus, on arrays.

``k`` labelled clips of each class train a small head on the embeddings. They come from other
speakers than those that are scored (``others``), or from the same speaker (``same``).

* ``others``: in each draw the speakers are divided into two halves. The shots of one half are clips
  of the other, so that each draw scores every clip once.
* ``same``: in each draw the clips of a speaker are divided into two halves, class by class. The
  shots of one half are clips of the other, with a head for each speaker. Classes of which a
  speaker has a single clip are left out for that speaker.

The scored clips are the same for every ``k``. A ``k`` that no class has enough clips for is left
out; one that only some have is measured with all that they have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from affekt.errors import DataError
from affekt.evaluation.adapted import checked_embeddings
from affekt.evaluation.metrics import FloatArray, IntArray, uar
from affekt.evaluation.summary import Predictions, Score, summarise

SHOTS: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
SOURCES: tuple[str, ...] = ("others", "same")
DRAWS = 50

Head = Callable[[FloatArray], FloatArray]
"""From embeddings ``[n, dim]`` to probabilities ``[n, classes]``."""

FitHead = Callable[[FloatArray, IntArray, int], Head]
"""From embeddings ``[n, dim]``, their classes ``[n]`` and the number of classes to a head."""


@dataclass(frozen=True)
class KshotScore:
    """What ``k`` labelled clips a class are worth.

    Attributes
    ----------
    uar : Score
        The mean over draws; ``sd`` is the standard deviation over draws, ``ci95`` the bootstrap
        interval over speakers.
    clips : float
        Labelled clips a class, on average: fewer than ``k`` where there are no more.
    predictions : Predictions
        Of all draws.
    """

    uar: Score
    clips: float
    predictions: Predictions = field(repr=False, compare=False)


def kshot_scores(
    embeddings: npt.ArrayLike,
    targets: npt.ArrayLike,
    speakers: Sequence[str],
    labels: Sequence[str],
    *,
    source: str = "others",
    shots: Sequence[int] = SHOTS,
    draws: int = DRAWS,
    fit: FitHead | None = None,
    seed: int = 0,
) -> Mapping[int, KshotScore]:
    """Measure how well a head learns from ``k`` clips a class.

    Parameters
    ----------
    embeddings : array [shape=(clips, dim)]
        Of an encoder that was not trained on the corpus.
    targets : array of int [shape=(clips,)]
        Classes, as indices into ``labels``.
    speakers : sequence of str
        Clips of nobody known (``""``) are left out.
    labels : sequence of str
    source : str
        Of `SOURCES`: who lends the labelled clips.
    shots : sequence of int
    draws : int
    fit : FitHead, optional
        Default: `ridge_head`.
    seed : int

    Returns
    -------
    mapping of int to KshotScore
        By ``k``, ascending.

    Raises
    ------
    DataError
        If shapes do not fit, there are fewer than two speakers to learn from others, or no
        speaker has two clips of two classes.
    """
    if source not in SOURCES:
        raise DataError(f"unknown source {source!r}: expected one of {', '.join(SOURCES)}")
    vectors, classes, names = checked_embeddings(embeddings, targets, speakers, len(labels))
    known = np.flatnonzero(names != "")
    vectors, classes, names = vectors[known], classes[known], names[known]
    fit = fit or ridge_head
    deals = _from_others if source == "others" else _from_same
    wanted = sorted(set(shots))
    rows: list[IntArray] = []
    said: dict[int, list[FloatArray]] = {k: [] for k in wanted}
    used: dict[int, list[float]] = {k: [] for k in wanted}
    ends = []
    for number in range(draws):
        generator = np.random.default_rng([seed, number])
        for reserve, scored in deals(classes, names, generator):
            rows.append(scored)
            order = generator.permutation(reserve)
            for k in wanted:
                chosen = _first_of_each(order, classes, k)
                head = fit(vectors[chosen], classes[chosen], len(labels))
                said[k].append(head(vectors[scored]))
                used[k].append(len(chosen) / len(np.unique(classes[chosen])))
        ends.append(sum(map(len, rows)))
    if not rows:
        raise DataError("no speaker has two clips each of two classes: there is nothing to measure")
    index = np.concatenate(rows)
    results: dict[int, KshotScore] = {}
    most = 0.0
    for k in wanted:
        clips = float(np.mean(used[k]))
        if clips <= most:
            continue  # no class has more than for the last k
        most = clips
        predictions = Predictions(np.concatenate(said[k]), classes[index], names[index].tolist())
        results[k] = KshotScore(_score(predictions, ends, labels), round(clips, 2), predictions)
    return results


def ridge_head(embeddings: FloatArray, targets: IntArray, n_classes: int) -> Head:
    """Fit a linear head by ridge regression of the classes, each class weighing the same.

    Solves ``W = Z^T (Z Z^T + m I)^-1 Y``, where ``Z`` are the embeddings without their mean
    ``[n, dim]``, ``Y`` the classes as columns of 0 and 1 without their mean, and ``m`` the mean of
    the diagonal of ``Z Z^T``: the penalty follows the scale of the embeddings. A regression of 0
    and 1 estimates probabilities; what is below 0.001 is cut, and rows are made to sum to 1.
    """
    present = np.unique(targets)
    weights = np.zeros(len(targets))
    for one in present:
        own = targets == one
        weights[own] = 1 / (len(present) * own.sum())
    centre = weights @ embeddings
    z = embeddings - centre
    y = np.eye(n_classes)[targets]
    offset = weights @ y
    gram = z @ z.T
    penalty = max(float(np.trace(gram)) / len(z), 1e-12)
    solved = np.linalg.solve(gram + penalty * np.eye(len(z)), y - offset)
    matrix = z.T @ solved  # [dim, classes]
    absent = np.isin(np.arange(n_classes), present, invert=True)

    def head(vectors: FloatArray) -> FloatArray:
        scores = ((vectors - centre) @ matrix + offset).clip(min=1e-3)
        scores[:, absent] = 0  # a class without a labelled clip is never the answer
        return np.asarray(scores / scores.sum(axis=1, keepdims=True))

    return head


Deals = Iterator[tuple[IntArray, IntArray]]


def _from_others(
    classes: IntArray, names: npt.NDArray[np.str_], generator: np.random.Generator
) -> Deals:
    """Yield reserve and scored clips: one half of the speakers each."""
    speakers = generator.permutation(np.unique(names))
    if len(speakers) < 2:
        raise DataError("there is a single speaker: there are no labelled clips of others")
    half = np.isin(names, speakers[: len(speakers) // 2])
    for side in (half, ~half):
        yield np.flatnonzero(side), np.flatnonzero(~side)


def _from_same(
    classes: IntArray, names: npt.NDArray[np.str_], generator: np.random.Generator
) -> Deals:
    """Yield reserve and scored clips of each speaker: one half of the clips each."""
    for name in np.unique(names):
        halves: tuple[list[int], list[int]] = ([], [])
        own = np.flatnonzero(names == name)
        kept = 0
        for one in np.unique(classes[own]):
            order = generator.permutation(own[classes[own] == one])
            if len(order) > 1:
                kept += 1
                middle = (len(order) + int(generator.integers(2))) // 2
                halves[0].extend(order[:middle])
                halves[1].extend(order[middle:])
        if kept > 1:
            first, second = (np.array(half, dtype=np.int64) for half in halves)
            yield first, second
            yield second, first


def _first_of_each(order: IntArray, classes: IntArray, k: int) -> IntArray:
    """Return the first ``k`` clips of each class, in order."""
    ranks = np.zeros(len(order), dtype=np.int64)
    for one in np.unique(classes[order]):
        own = classes[order] == one
        ranks[own] = np.arange(own.sum())
    return order[ranks < k]


def _score(predictions: Predictions, ends: Sequence[int], labels: Sequence[str]) -> Score:
    """Return the UAR over draws, which end at the given rows, with its interval over speakers."""
    predicted = np.asarray(predictions.probabilities).argmax(axis=1)
    targets = np.asarray(predictions.targets)
    starts = [0, *ends[:-1]]
    of_draws = [
        uar(targets[start:stop], predicted[start:stop], len(labels))
        for start, stop in zip(starts, ends, strict=True)
    ]
    return Score.over_seeds(of_draws, summarise([predictions], labels).uar.ci95)
