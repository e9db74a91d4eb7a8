"""Whether answers have changed since a reference was made: in label, confidence, sound, embedding.

A reference holds sketches and no single answer: the shares of labels, of deciles of the confidence
and of each number about the input, and the mean and the leading directions of the embeddings. A
window of answers is compared with it:

* labels and numbers by the **population stability index**, ``sum (p - q) ln(p / q)`` over bins;
* embeddings by the **maximum mean discrepancy**, the distance of the means of random Fourier
  features of a Gaussian kernel (Rahimi and Recht, 2007).

Each statistic is divided by what 99 of 100 windows without a shift stay below; the largest quotient
is the score of the window. The alarm is where fewer than `ALARMS` of a thousand windows without a
shift would be. Both limits come from permutations of the reference: windows of some speakers beside
the others, so that new speakers alone are no alarm.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from affekt.errors import DataError
from affekt.evaluation.metrics import FloatArray, IntArray
from affekt.files import atomic_path

ALARMS = 5
"""Of a thousand windows without a shift, how many give an alarm."""
WINDOW = 100
"""Answers in a window."""
FORMAT_VERSION = 1

_BINS = 10
_DIRECTIONS = 16  # of embeddings
_FEATURES = 128  # random Fourier features
_SPLITS, _WINDOWS = 50, 40  # permutations: of speakers, and windows of each
_LEAST_LIMIT = 0.1  # an index below is called stable; and of what never varied, one answer is none
_LEAST_SPEAKERS = 8  # for permutations of speakers


@dataclass(frozen=True, eq=False)
class Answers:
    """What is known of answers, in the order in which they came.

    Attributes
    ----------
    labels : tuple of str
        The classes.
    probabilities : array [shape=(answers, classes)]
    numbers : mapping of str to array [shape=(answers,)]
        About the input, such as ``snr_db`` and ``ood_score``; NaN where unknown.
    embeddings : array [shape=(answers, dim)] or None
    speakers : sequence of str
        Empty where unknown.
    """

    labels: tuple[str, ...]
    probabilities: FloatArray
    numbers: Mapping[str, FloatArray] = field(default_factory=dict)
    embeddings: FloatArray | None = None
    speakers: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.probabilities)

    def at(self, rows: IntArray) -> Answers:
        """Return some of the answers."""
        return Answers(
            self.labels,
            self.probabilities[rows],
            {name: values[rows] for name, values in self.numbers.items()},
            None if self.embeddings is None else self.embeddings[rows],
            [self.speakers[row] for row in rows] if len(self.speakers) else (),
        )


@dataclass(frozen=True)
class WindowDrift:
    """How far a window of answers lies from the reference.

    Attributes
    ----------
    score : float
        The largest quotient of a statistic and its limit.
    alarm : bool
    statistics : mapping of str to float
        ``"label"``, ``"confidence"`` and the names of the numbers: PSI; ``"embedding"``: MMD.
    quotients : mapping of str to float
        The statistics, each divided by its limit, the largest first.
    """

    score: float
    alarm: bool
    statistics: Mapping[str, float]
    quotients: Mapping[str, float]


@dataclass(frozen=True)
class DriftReference:
    """The sketch of answers that others are compared with; made by :func:`build_reference`.

    Attributes
    ----------
    labels : tuple of str
    answers, speakers : int
        How many it was made from; speakers are 0 where unknown.
    window : int
        Answers in a window.
    edges : mapping of str to list of float
        Edges of the bins of the confidence and the numbers.
    shares : mapping of str to list of float
        Shares of the bins, the last being for what is unknown.
    embedding : mapping
        ``mean`` [dim], ``basis`` [directions, dim], ``frequencies`` [directions, features],
        ``phases`` and ``features`` [features]; empty without embeddings.
    limits : mapping of str to float
        By statistic, and for the score under ``"score"``.
    """

    labels: tuple[str, ...]
    answers: int
    speakers: int
    window: int
    edges: Mapping[str, list[float]]
    shares: Mapping[str, list[float]]
    embedding: Mapping[str, Any]
    limits: Mapping[str, float]
    format_version: int = FORMAT_VERSION

    def check(self, answers: Answers) -> WindowDrift:
        """Compare one window of answers with the reference.

        Raises
        ------
        DataError
            If the answers are of another model.
        """
        if tuple(answers.labels) != tuple(self.labels):
            raise DataError(
                f"the reference is of answers with {', '.join(self.labels)}; "
                f"these have {', '.join(answers.labels)}"
            )
        bins = _bins(answers, self.edges)
        found = {
            name: _psi(np.bincount(bins[name], minlength=len(shares)), np.asarray(shares))
            for name, shares in self.shares.items()
            if name in bins
        }
        if self.embedding and answers.embeddings is not None:
            mapped = _fourier(answers.embeddings, self.embedding).mean(axis=0)
            found["embedding"] = float(
                np.linalg.norm(mapped - np.asarray(self.embedding["features"]))
            )
        return _judge(found, self.limits)

    def windows(self, answers: Answers) -> list[WindowDrift]:
        """Compare one window of answers after another; what is left at the end is left out.

        Raises
        ------
        DataError
            If there are fewer answers than a window has, or they are of another model.
        """
        if len(answers) < self.window:
            raise DataError(f"{len(answers)} answers are fewer than a window of {self.window}")
        starts = range(0, len(answers) - self.window + 1, self.window)
        return [self.check(answers.at(np.arange(at, at + self.window))) for at in starts]

    def write(self, path: Path) -> None:
        """Write the reference as JSON, whole or not at all."""
        with atomic_path(path) as partial:
            partial.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")


def read_reference(path: Path) -> DriftReference:
    """Read a reference.

    Raises
    ------
    DataError
        If the file is missing, damaged, or of a later version.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        version = int(values["format_version"])
        if version > FORMAT_VERSION:
            raise DataError(f"{path} is of a later version of affekt: update it")
        read = DriftReference(**{**values, "labels": tuple(values["labels"])})
        float(read.limits["score"])
    except OSError as error:
        raise DataError(f"cannot read the reference {path}: {error.strerror}") from None
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"{path} is no reference of affekt drift --build: {error}") from None
    return read


def build_reference(answers: Answers, *, window: int = WINDOW, seed: int = 0) -> DriftReference:
    """Sketch answers, and find the limits of windows that have not changed.

    Parameters
    ----------
    answers : Answers
        At least four windows. Where eight speakers or more are known, they are permuted; else
        single answers, and new speakers may give more alarms.
    window, seed : int
        Answers in a window; seed of the permutations.

    Raises
    ------
    DataError
        If there are too few answers.
    """
    if window < 20 or len(answers) < 4 * window:
        raise DataError(
            f"{len(answers)} answers are too few for a reference with windows of {window}: "
            f"{max(4 * window, 80)} are needed, and windows of 20 or more"
        )
    edges = {
        name: _edges(values) for name, values in _numbers(answers).items() if not _all_nan(values)
    }
    bins = _bins(answers, edges)
    sizes = {name: len(edges[name]) + 2 for name in edges} | {"label": len(answers.labels)}
    embedding: dict[str, Any] = {}
    mapped: FloatArray | None = None
    if answers.embeddings is not None:
        embedding = _embedding_sketch(answers.embeddings, seed)
        mapped = _fourier(answers.embeddings, embedding)  # [answers, features]
        embedding["features"] = mapped.mean(axis=0).round(6).tolist()
    speakers = np.unique(answers.speakers, return_inverse=True) if len(answers.speakers) else None
    null = _null(bins, sizes, mapped, speakers[1] if speakers else None, window, seed)
    limits = {name: max(float(np.quantile(values, 0.99)), 1e-9) for name, values in null.items()}
    limits |= {name: max(limits[name], _LEAST_LIMIT) for name in sizes}
    scores = np.max([values / limits[name] for name, values in null.items()], axis=0)
    limits["score"] = float(np.quantile(scores, 1 - ALARMS / 1000))
    return DriftReference(
        labels=tuple(answers.labels),
        answers=len(answers),
        speakers=len(speakers[0]) if speakers else 0,
        window=window,
        edges=edges,
        shares={
            name: _shares(np.bincount(bins[name], minlength=size)).round(6).tolist()
            for name, size in sizes.items()
        },
        embedding=embedding,
        limits=limits,
    )


def _judge(found: Mapping[str, float], limits: Mapping[str, float]) -> WindowDrift:
    quotients = {name: value / limits[name] for name, value in found.items()}
    ranked = dict(sorted(quotients.items(), key=lambda item: -item[1]))
    score = max(quotients.values())
    return WindowDrift(score, score > limits["score"], dict(found), ranked)


def _numbers(answers: Answers) -> dict[str, FloatArray]:
    return {"confidence": answers.probabilities.max(axis=1), **answers.numbers}


def _all_nan(values: FloatArray) -> bool:
    return bool(np.isnan(values).all())


def _edges(values: FloatArray) -> list[float]:
    """Return the inner edges of bins of about equal size, without doubles."""
    inner = np.nanquantile(values, np.linspace(0, 1, _BINS + 1)[1:-1])
    return [float(edge) for edge in np.unique(inner.round(6))]


def _bins(answers: Answers, edges: Mapping[str, Sequence[float]]) -> dict[str, IntArray]:
    """Return the bin of each answer, by statistic; of a number the last bin is for unknown ones."""
    bins = {"label": answers.probabilities.argmax(axis=1).astype(np.int64)}
    for name, values in _numbers(answers).items():
        if name in edges:
            places = np.searchsorted(edges[name], values, side="left").astype(np.int64)
            bins[name] = np.where(np.isnan(values), len(edges[name]) + 1, places)
    return bins


def _shares(counts: npt.NDArray[Any]) -> FloatArray:
    return np.asarray(counts / counts.sum(), dtype=np.float64)


def _psi(counts: npt.NDArray[Any], reference: FloatArray) -> float:
    """Return the stability index of the counts of a window and the shares of a reference.

    Both are smoothed as a window is, half an answer more in each bin: the index then does not
    depend on the size of the reference.
    """
    total = counts.sum() + 0.5 * len(counts)
    found, usual = (counts + 0.5) / total, (reference * counts.sum() + 0.5) / total
    return float(((found - usual) * np.log(found / usual)).sum())


def _embedding_sketch(embeddings: FloatArray, seed: int) -> dict[str, Any]:
    """Return the mean, the leading directions of the covariance, and the kernel's frequencies."""
    mean = embeddings.mean(axis=0)
    covariance = np.cov(embeddings - mean, rowvar=False)
    values, vectors = np.linalg.eigh(np.atleast_2d(covariance))
    order = np.argsort(values)[::-1][:_DIRECTIONS]
    basis = vectors[:, order].T / np.sqrt(np.maximum(values[order], 1e-12))[:, None]
    generator = np.random.default_rng(seed)
    # The median distance of two points of a normal distribution in this many dimensions.
    width = np.sqrt(2 * len(basis))
    return {
        "mean": mean.round(6).tolist(),
        "basis": basis.round(6).tolist(),
        "frequencies": (generator.normal(size=(len(basis), _FEATURES)) / width).round(6).tolist(),
        "phases": generator.uniform(0, 2 * np.pi, _FEATURES).round(6).tolist(),
    }


def _fourier(embeddings: FloatArray, sketch: Mapping[str, Any]) -> FloatArray:
    """Return random Fourier features of embeddings [answers, features].

    Raises
    ------
    DataError
        If the embeddings have another size than those of the reference.
    """
    mean, basis = np.asarray(sketch["mean"]), np.asarray(sketch["basis"])
    if embeddings.shape[1] != len(mean):
        raise DataError(
            f"the embeddings have {embeddings.shape[1]} numbers, those of the reference {len(mean)}"
        )
    inside = (embeddings - mean) @ basis.T  # [answers, directions]
    angles = inside @ np.asarray(sketch["frequencies"]) + np.asarray(sketch["phases"])
    return np.asarray(np.sqrt(2 / angles.shape[1]) * np.cos(angles))


def _null(
    bins: Mapping[str, IntArray],
    sizes: Mapping[str, int],
    mapped: FloatArray | None,
    owner: IntArray | None,
    window: int,
    seed: int,
) -> dict[str, FloatArray]:
    """Return each statistic of windows without a shift [permutations]."""
    generator = np.random.default_rng(seed)
    count = len(next(iter(bins.values())))
    found: dict[str, list[float]] = {name: [] for name in sizes}
    if mapped is not None:
        found["embedding"] = []
    by_speaker = owner is not None and int(owner.max()) + 1 >= _LEAST_SPEAKERS
    for _ in range(_SPLITS):
        if by_speaker and owner is not None:
            inside = generator.random(int(owner.max()) + 1).argsort() < (owner.max() + 1) // 2
            new = np.flatnonzero(inside[owner])
        else:
            new = generator.permutation(count)[: count // 2]
        old = np.setdiff1d(np.arange(count), new)
        shares = {
            name: _shares(np.bincount(bins[name][old], minlength=size))
            for name, size in sizes.items()
        }
        centre = None if mapped is None else mapped[old].mean(axis=0)
        for _ in range(_WINDOWS):
            rows = generator.choice(new, window, replace=len(new) < window)
            for name, size in sizes.items():
                found[name].append(
                    _psi(np.bincount(bins[name][rows], minlength=size), shares[name])
                )
            if mapped is not None:
                found["embedding"].append(float(np.linalg.norm(mapped[rows].mean(axis=0) - centre)))
    return {name: np.array(values) for name, values in found.items()}
