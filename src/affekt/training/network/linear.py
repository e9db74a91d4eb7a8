"""A linear classifier on what a frozen encoder gives: trained in seconds, without epochs.

Multinomial logistic regression with a strong penalty. Each clip counts twice: as it is, and with
its speaker's mean taken out, so that one classifier serves both a lone recording and a speaker
whose baseline is known. Each class of each corpus weighs the same, because levels, rooms and
languages differ between corpora more than emotions do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from affekt.data import Clip
from affekt.errors import ConfigError
from affekt.evaluation.calibration import fit_temperature, softmax
from affekt.models import Network
from affekt.models.encoders.statistics import SMALLEST_DISTANCE, Statistics
from affekt.training.network.losses import soft_cross_entropy
from affekt.training.recipe.schema import LinearConfig

_MOST_STEPS = 300  # of L-BFGS; the problem is convex
_EXPONENTS = np.linspace(0, 1.5, 31)  # of the distance, tried for the confidence
_SMALLEST_SHARE = 1e-10  # of the largest eigenvalue; below it there is rounding alone
_SMALLEST_SCALE = 1e-3  # a statistic that does not vary must not be divided by nothing


@dataclass(frozen=True)
class Lesson:
    """What a linear classifier learns from.

    Attributes
    ----------
    clips : sequence of Clip
    statistics : np.ndarray [shape=(versions, clips, dim), float32]
        What the encoder gives, not yet standardised, of each version of each clip.
    targets : np.ndarray [shape=(clips, classes), float32]
        Rows sum to 1.
    allowed : np.ndarray [shape=(clips, classes), bool]
        Classes of each clip's corpus.
    corpus_weights : mapping of str to float
        Of the corpora that weigh more or less than 1.
    """

    clips: Sequence[Clip]
    statistics: np.ndarray
    targets: np.ndarray
    allowed: np.ndarray
    corpus_weights: Mapping[str, float]

    def part(self, chosen: np.ndarray) -> Lesson:
        """Some of the clips ``[clips]``, bool."""
        clips = [clip for clip, own in zip(self.clips, chosen, strict=True) if own]
        arrays = (self.targets[chosen], self.allowed[chosen])
        return Lesson(clips, self.statistics[:, chosen], *arrays, self.corpus_weights)


def fit_linear(
    network: Network, config: LinearConfig, lesson: Lesson, numbers: np.ndarray | None = None
) -> None:
    """Fit the embedding and the heads on the statistics of a frozen encoder, in place.

    Parameters
    ----------
    network : Network
    config : LinearConfig
    lesson : Lesson
    numbers : np.ndarray [shape=(clips, heads)], optional
        Targets of the heads that give one number; NaN where unknown.

    Raises
    ------
    ConfigError
        If the encoder is another one.
    """
    encoder, layer = _statistics_of(network), network.head[-1]
    assert isinstance(layer, nn.Linear)
    space = _fit_classifier(layer, config, lesson, encoder.output_channels)
    encoder.mean.copy_(torch.from_numpy(space.mean))
    encoder.scale.copy_(torch.from_numpy(space.scale))
    encoder.projection.copy_(torch.from_numpy(space.projection))
    for column, head in enumerate(network.scalar_heads.values()):
        assert numbers is not None
        targets = head.unlimited(numbers[:, column].astype(np.float64))
        known = ~np.isnan(targets)
        speakers = _speaker_groups([c for c, own in zip(lesson.clips, known, strict=True) if own])
        points = space.points(lesson.statistics[:, known])
        weights, bias = fit_ridge(points, targets[known], speakers)
        with torch.no_grad():
            layer = head[-1]
            assert isinstance(layer, nn.Linear)
            layer.weight.copy_(torch.from_numpy(weights)[None])
            layer.bias.fill_(bias)


def _statistics_of(network: Network) -> Statistics:
    """The encoder, if it is the one under a linear classifier."""
    if not isinstance(network.encoder, Statistics):
        raise ConfigError(
            f"[linear] needs the architecture 'statistics', got {network.config.architecture!r}"
        )
    return network.encoder


def _fit_classifier(
    layer: nn.Linear, config: LinearConfig, lesson: Lesson, dimensions: int
) -> _StatisticsSpace:
    """Fit a layer in place; return its space."""
    targets = lesson.targets
    weights = even_weights(lesson.clips, targets.argmax(axis=1), lesson.corpus_weights)
    space = _fit_space(lesson.statistics, targets, weights, dimensions, config.shrinkage)
    points = space.points(lesson.statistics)  # [versions, clips, dimensions]
    centred = _centred(points, _speaker_groups(lesson.clips))
    copies = ((points, 1 - config.centred), (centred, config.centred))
    used = [(array, share) for array, share in copies if share > 0]
    x = np.concatenate([array.reshape(-1, array.shape[2]) for array, _ in used])
    w = np.concatenate([np.tile(weights * share, len(points)) for _, share in used])
    repeated = (len(points) * len(used), 1)
    fit_layer(
        layer,
        torch.from_numpy(x),
        torch.from_numpy(np.tile(targets, repeated)),
        torch.from_numpy(np.tile(lesson.allowed, repeated)),
        config.l2 / 2,
        weights=torch.from_numpy((w / w.mean()).astype(np.float32)),
    )
    return space


@dataclass(frozen=True)
class HeldOutAnswers:
    """What a classifier said of clips that it was not fitted on.

    Attributes
    ----------
    logits : np.ndarray [shape=(clips, classes)]
        Not divided by anything.
    distances : np.ndarray [shape=(clips,)]
        Mean square of the embeddings: 1 is that of the training clips.
    targets : np.ndarray [shape=(clips,), int]
    weights : np.ndarray [shape=(clips,)]
        How much each clip counts; their sum is 1.
    """

    logits: np.ndarray
    distances: np.ndarray
    targets: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, layer: nn.Module, embeddings: np.ndarray, targets: np.ndarray) -> HeldOutAnswers:
        """Score embeddings ``[clips, dim]`` with a layer; all count the same."""
        with torch.no_grad():
            logits = layer(torch.from_numpy(embeddings.astype(np.float32))).numpy()
        count = len(targets)
        return cls(logits, (embeddings**2).mean(axis=1), targets, np.full(count, 1 / count))

    @classmethod
    def together(cls, parts: Sequence[HeldOutAnswers]) -> HeldOutAnswers:
        """All of several, which count the same."""
        return cls(
            np.concatenate([part.logits for part in parts]),
            np.concatenate([part.distances for part in parts]),
            np.concatenate([part.targets for part in parts]),
            np.concatenate([part.weights for part in parts]) / len(parts),
        )


def answers_elsewhere(config: LinearConfig, lesson: Lesson, dimensions: int) -> HeldOutAnswers:
    """Answer each training corpus with a classifier that was fitted without it.

    Raises
    ------
    ConfigError
        If there is one corpus.
    """
    corpora = np.array([clip.corpus for clip in lesson.clips])
    names = np.unique(corpora)
    if len(names) < 2:
        raise ConfigError(
            "linear.calibration = 'corpora' needs two or more training corpora, got "
            f"{str(names[0]) or 'one'!r}: use 'speakers'"
        )
    parts = []
    for name in names:
        own = corpora == name
        layer = nn.Linear(dimensions, lesson.targets.shape[1])
        space = _fit_classifier(layer, config, lesson.part(~own), dimensions)
        points = space.points(lesson.statistics[0, own])
        parts.append(HeldOutAnswers.of(layer, points, lesson.targets[own].argmax(axis=1)))
    return HeldOutAnswers.together(parts)


def fit_confidence(network: Network, answers: HeldOutAnswers) -> np.ndarray:
    """Set the temperature, and how it grows with the distance from the training clips, in place.

    The two that make the true classes most likely. Returns the probabilities of the clips then,
    ``[clips, classes]``.
    """
    logs = np.log(np.maximum(answers.distances, SMALLEST_DISTANCE))
    best = (np.inf, 1.0, 0.0)
    calibrated = np.zeros_like(answers.logits)
    for exponent in _EXPONENTS:
        softened = answers.logits / np.exp(exponent * logs)[:, None]
        temperature = fit_temperature(softened, answers.targets, answers.weights)
        probabilities = softmax(softened / temperature)
        true = probabilities[np.arange(len(logs)), answers.targets]
        loss = -float(answers.weights @ np.log(np.maximum(true, np.finfo(float).tiny)))
        if loss < best[0]:
            best, calibrated = (loss, temperature, float(exponent)), probabilities
    _, temperature, exponent = best
    network.temperature.fill_(temperature)
    _statistics_of(network).exponent.fill_(exponent)
    return calibrated


@dataclass(frozen=True)
class _StatisticsSpace:
    """Where the statistics of training clips lie.

    Attributes
    ----------
    mean, scale : np.ndarray [shape=(statistics,), float32]
    projection : np.ndarray [shape=(statistics, dimensions), float32]
        Of standardised statistics.
    """

    mean: np.ndarray
    scale: np.ndarray
    projection: np.ndarray

    def points(self, statistics: np.ndarray) -> np.ndarray:
        """Embeddings ``[..., dimensions]``, float32, of statistics ``[..., statistics]``."""
        standardised = (statistics - self.mean) / self.scale
        return np.asarray(standardised @ self.projection, dtype=np.float32)


def _fit_space(
    statistics: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray,
    dimensions: int,
    shrinkage: float,
) -> _StatisticsSpace:
    """Principal components of the standardised statistics, whitened within the classes.

    The covariance within the classes is shrunk towards a multiple of the identity, so that
    directions in which clips of one emotion differ much count less, but none counts much more.
    Embeddings of training clips have a mean square of 1.
    """
    versions, _, count = statistics.shape
    mean = np.einsum("vcd,c->d", statistics, weights) / versions
    variance = np.einsum("vcd,c->d", (statistics - mean) ** 2, weights) / versions
    scale = np.maximum(np.sqrt(variance), _SMALLEST_SCALE)
    mean, scale = mean.astype(np.float32), scale.astype(np.float32)
    standardised = ((statistics - mean) / scale).reshape(-1, count)
    repeated = np.tile(weights / versions, versions)
    directions = _principal_directions(standardised, repeated, dimensions)
    points = standardised @ directions
    membership = np.tile(targets, (versions, 1)) * repeated[:, None]  # [rows, classes]
    sizes = np.maximum(membership.sum(axis=0), np.finfo(np.float32).tiny)
    centres = (membership.T @ points) / sizes[:, None]
    within = points - np.tile(targets, (versions, 1)) @ centres
    values, axes = np.linalg.eigh((within * repeated[:, None]).T @ within)
    values = np.maximum(values, 0)
    shrunk = values + shrinkage * values.mean()
    projection = directions @ ((axes / np.sqrt(shrunk)) @ axes.T)
    square = repeated @ ((standardised @ projection) ** 2).mean(axis=1)
    return _StatisticsSpace(mean, scale, (projection / np.sqrt(square)).astype(np.float32))


def _principal_directions(points: np.ndarray, weights: np.ndarray, count: int) -> np.ndarray:
    """Directions ``[dim, count]`` in which points vary most about 0, the first ones most.

    Fewer points than dimensions leave directions in which nothing varies: they are 0, so that
    no other clip is seen along them either.
    """
    rows, dim = points.shape
    weighted = points * np.sqrt(weights)[:, None]
    if rows >= dim:
        single = weighted.astype(np.float32)  # half the time
        return np.linalg.eigh(single.T @ single)[1][:, ::-1][:, :count]
    values, left = np.linalg.eigh(weighted @ weighted.T)  # smaller, with the same eigenvalues
    kept = np.flatnonzero(values > values[-1] * _SMALLEST_SHARE)[::-1][:count]
    directions = np.zeros((dim, count))
    directions[:, : len(kept)] = weighted.T @ (left[:, kept] / np.sqrt(values[kept]))
    return directions


def fit_ridge(
    points: np.ndarray, targets: np.ndarray, speakers: np.ndarray
) -> tuple[np.ndarray, float]:
    """Ridge regression, with the strength and the spread that serve speakers it has not met.

    The strength is that with the highest correlation on the speakers left out of each of five
    fits. A penalty draws what is predicted to the middle, which concordance counts as an error:
    the spread of what was predicted of them is brought to that of their targets.

    Parameters
    ----------
    points : np.ndarray [shape=(versions, clips, dim)]
    targets : np.ndarray [shape=(clips,)]
    speakers : np.ndarray [shape=(clips,), int]
        Numbers from 0.

    Returns
    -------
    weights : np.ndarray [shape=(dim,), float32]
    bias : float
    """
    folds = min(_FOLDS, int(speakers.max()) + 1)
    best, stretch = len(_STRENGTHS) // 2, 1.0
    if folds > 1:
        part, said = speakers % folds, np.zeros((len(_STRENGTHS), len(targets)))
        for fold in range(folds):
            own = part == fold
            slopes, bias = _ridge(points[:, ~own], targets[~own])
            said[:, own] = slopes @ points[0, own].T + bias[:, None]
        fits = np.array([_correlation(row, targets) for row in said])
        best = int(fits.argmax())
        stretch = float(targets.std() / said[best].std()) if said[best].std() > 0 else 1.0
    slopes, bias = _ridge(points, targets)
    middle = float(targets.mean())
    return (stretch * slopes[best]).astype(np.float32), stretch * (bias[best] - middle) + middle


_FOLDS = 5
_STRENGTHS = 10.0 ** np.arange(-3, 2.25, 0.25)  # beside a mean square of 1


def _ridge(points: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slopes ``[strengths, dim]`` and biases ``[strengths]`` of one ridge regression each."""
    x = points.reshape(-1, points.shape[2]).astype(np.float64)
    y = np.tile(targets, len(points))
    middle = x.mean(axis=0)
    x = x - middle
    values, axes = np.linalg.eigh(x.T @ x / len(x))
    along = axes.T @ (x.T @ (y - y.mean())) / len(x)
    slopes = (along / (np.maximum(values, 0) + _STRENGTHS[:, None])) @ axes.T
    return slopes, y.mean() - slopes @ middle


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's correlation of two arrays; -1 where one is constant, which is no fit."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return -1.0
    return float(np.corrcoef(first, second)[0, 1])


def even_weights(
    clips: Sequence[Clip], classes: np.ndarray, corpus_weights: Mapping[str, float]
) -> np.ndarray:
    """Weight of each clip ``[clips]``, so that each class of each corpus has the same; sum 1."""
    keys = np.array([f"{clip.corpus}\n{label}" for clip, label in zip(clips, classes, strict=True)])
    _, member, counts = np.unique(keys, return_inverse=True, return_counts=True)
    own = np.array([corpus_weights.get(clip.corpus, 1.0) for clip in clips])
    weights = own / counts[member]
    return np.asarray(weights / weights.sum())


def _speaker_groups(clips: Sequence[Clip]) -> np.ndarray:
    """Number of each clip's speaker ``[clips]``; where unknown, all of the corpus are one."""
    names = [clip.speaker_id or f"{clip.corpus}/" for clip in clips]
    return np.asarray(np.unique(names, return_inverse=True)[1])


def _centred(points: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Points ``[versions, clips, dim]`` minus the mean of their group, version by version."""
    counts = np.bincount(groups).astype(np.float32)
    result = np.empty_like(points)
    for version, own in zip(result, points, strict=True):
        sums = np.zeros((len(counts), own.shape[1]), dtype=np.float32)
        np.add.at(sums, groups, own)
        version[:] = own - (sums / counts[:, None])[groups]
    return result


def fit_layer(
    layer: nn.Linear,
    x: torch.Tensor,
    targets: torch.Tensor,
    allowed: torch.Tensor,
    l2: float,
    *,
    weights: torch.Tensor | None = None,
    start: bool = False,
) -> None:
    """Multinomial logistic regression, in place of a layer's weights.

    Parameters
    ----------
    layer : nn.Linear
    x : Tensor [points, dim]
    targets, allowed : Tensor [points, classes]
    l2 : float
        Weight of the squared distance from the start, relative to the mean loss.
    weights : Tensor [points], optional
        Of mean 1.
    start : bool
        Start from the layer as it is, and pull it back to there; else from 0.
    """
    if not start:
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    held = [p.detach().clone() for p in layer.parameters()]
    free = 0.0 if not start else 1.0  # a bias that starts from 0 is not held
    optimizer = torch.optim.LBFGS(
        layer.parameters(), max_iter=_MOST_STEPS, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = soft_cross_entropy(layer(x), targets, allowed, weights=weights)
        moved = [
            ((p - s) ** 2).sum() * (1.0 if p.ndim > 1 else free)
            for p, s in zip(layer.parameters(), held, strict=True)
        ]
        loss = loss + l2 * torch.stack(moved).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
