"""Baselines in use: made from what a model answers, and taken out of its answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from affekt.adapt import Baseline
from affekt.errors import DataError
from affekt.results import Prediction
from affekt.runtime.config import ModelConfig
from affekt.runtime.head import moved_odds, read_head
from affekt.runtime.session import Floats


def baseline_of(config: ModelConfig, predictions: Iterable[Prediction]) -> Baseline:
    """Return the baseline of recordings, of which a model without a baseline has predicted these.

    Raises
    ------
    ModelError
        If the model keeps no head in its configuration.
    """
    head = read_head(config)
    baseline = Baseline(config.name, head.fingerprint, head.mean.astype(np.float64), 0.0, 0)
    for one in predictions:
        probabilities = np.array([list(one.scores.values())])
        rows = head.without_mood(one.embedding[None], probabilities)
        baseline = baseline.updated(rows, head.mean_squares(rows))
    return baseline


def adapt_predictions(
    config: ModelConfig, predictions: Sequence[Prediction]
) -> Iterator[Prediction]:
    """Take what recordings of one voice, or of one room, have in common out of what is predicted.

    Each is predicted with the baseline of all of them. A recording by itself stays as it is.

    Parameters
    ----------
    config : ModelConfig
    predictions : sequence of Prediction
        With their embeddings, of the model without a baseline.
    """
    if len(predictions) < 2:
        yield from predictions
        return
    head = read_head(config)
    shift = baseline_of(config, predictions).shift(head.mean, head.contrasts)
    for one in predictions:
        plain = np.array([list(one.scores.values())])
        (probabilities,) = head.moved(plain, one.embedding[None], shift)
        best = int(probabilities.argmax())
        yield replace(
            one,
            label=config.labels[best],
            confidence=float(probabilities[best]),
            scores=dict(zip(config.labels, map(float, probabilities), strict=True)),
            likely=config.prediction_set(probabilities),
        )


def describe_baseline(config: ModelConfig, baseline: Baseline) -> str:
    """Return in words what a baseline of a model is, and what it does."""
    head = read_head(config)
    weight = baseline.weight(head.mean, head.contrasts)
    told = f"a baseline of {baseline.count} recordings for the model {baseline.model}"
    if weight:
        return f"{told}: {weight:.0%} of their mean is taken out"
    return (
        f"{told}: nothing is taken out yet, as they differ more than they have in common; more "
        f"recordings help"
    )


class Adaptation:
    """A baseline in use: the answers are those to embeddings from which it is taken out.

    The embeddings in the answers stay as they are.

    Parameters
    ----------
    config : ModelConfig
        Of the model that answers.
    baseline : Baseline
        Built with the same model.

    Raises
    ------
    DataError
        If it was built with another model.
    ModelError
        If the model keeps no head in its configuration.
    """

    def __init__(self, config: ModelConfig, baseline: Baseline) -> None:
        self._head = read_head(config)
        if (baseline.head, len(baseline.mean)) != (self._head.fingerprint, len(self._head.mean)):
            raise DataError(
                f"the baseline was built with the model {baseline.model!r}, not with this "
                f"{config.name!r}: build it again with affekt baseline build --model"
            )
        self._config = config
        self._set(baseline)

    @property
    def baseline(self) -> Baseline:
        """What is taken out now."""
        return self._baseline

    @property
    def idle(self) -> bool:
        """Whether nothing is taken out: the voice is not told from chance."""
        return not self._shift.any()

    def copy(self) -> Adaptation:
        """Return one that may learn by itself."""
        return Adaptation(self._config, self._baseline)

    def moved(self, outputs: Mapping[str, Floats]) -> dict[str, Floats]:
        """Return outputs of the model with the probabilities moved.

        Parameters
        ----------
        outputs : mapping of str to np.ndarray
            ``probabilities`` [n, classes], ``embedding`` [n, dim], and others.
        """
        probabilities = outputs["probabilities"]
        if self._factors is None:
            moved = self._head.moved(probabilities, outputs["embedding"], self._shift)
        else:
            moved = moved_odds(probabilities, self._factors)
        return {**outputs, "probabilities": moved}

    def learn(self, outputs: Mapping[str, Floats]) -> None:
        """Add what the model said before it was moved to the baseline."""
        rows = self._head.without_mood(outputs["embedding"], outputs["probabilities"])
        self._set(self._baseline.updated(rows, self._head.mean_squares(rows)))

    def _set(self, baseline: Baseline) -> None:
        self._baseline = baseline
        self._shift = baseline.shift(self._head.mean, self._head.contrasts)
        self._factors = self._head.factors(self._shift)
