"""A backend that takes a baseline out of every embedding, wherever its answers are used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from affekt.adapt import Baseline
from affekt.errors import DataError
from affekt.results import Prediction
from affekt.runtime.backends import Backend
from affekt.runtime.config import ModelConfig
from affekt.runtime.encoder import FrameEncoder
from affekt.runtime.head import Head, read_head
from affekt.runtime.session import Floats


def baseline_of(config: ModelConfig, predictions: Iterable[Prediction]) -> Baseline:
    """Return the baseline of recordings, of which a model without a baseline has predicted these.

    Raises
    ------
    ModelError
        If the model keeps no head in its configuration.
    """
    head = read_head(config)
    baseline = Baseline(config.name, head.fingerprint, head.mean.astype(np.float64), 0)
    for one in predictions:
        probabilities = np.array([list(one.scores.values())])
        baseline = baseline.updated(head.without_mood(one.embedding[None], probabilities))
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
    shift = baseline_of(config, predictions).shift(head.mean)
    for one in predictions:
        plain = np.array([list(one.scores.values())])
        (probabilities,) = head.moved(plain, one.embedding[None], shift)
        best = int(probabilities.argmax())
        yield replace(
            one,
            label=config.labels[best],
            confidence=float(probabilities[best]),
            scores=dict(zip(config.labels, map(float, probabilities), strict=True)),
        )


class AdaptedBackend:
    """A backend whose answers are those to embeddings without a baseline.

    The embeddings that it gives stay as they are. A baseline takes the place of an earlier one.

    Parameters
    ----------
    backend : Backend
    baseline : Baseline
        Built with the same model.

    Raises
    ------
    DataError
        If it was built with another model.
    ModelError
        If the model keeps no head in its configuration.
    """

    def __init__(self, backend: Backend, baseline: Baseline) -> None:
        self.config, self.outputs = backend.config, backend.outputs
        self._backend = plain(backend)
        self._head = read_head(backend.config)
        if (baseline.head, len(baseline.mean)) != (self._head.fingerprint, len(self._head.mean)):
            raise DataError(
                f"the baseline was built with the model {baseline.model!r}, not with this "
                f"{self.config.name!r}: build it again with affekt baseline build --model"
            )
        self._shift = baseline.shift(self._head.mean)

    def run(self, waveforms: Floats) -> dict[str, Floats]:
        """As :meth:`Backend.run`."""
        found = self._backend.run(waveforms)
        return _moved(found, found["embedding"], self._head, self._shift)

    def frame_encoder(self) -> FrameEncoder | None:
        """As :meth:`Backend.frame_encoder`."""
        encoder = self._backend.frame_encoder()
        return None if encoder is None else _AdaptedEncoder(encoder, self._head, self._shift)


def plain(backend: Backend) -> Backend:
    """Return a backend without its baseline."""
    return backend._backend if isinstance(backend, AdaptedBackend) else backend


class _AdaptedEncoder(FrameEncoder):
    """The graphs of another one, whose answers are moved."""

    def __init__(self, encoder: FrameEncoder, head: Head, shift: Floats) -> None:
        self.__dict__.update(vars(encoder))
        self._linear, self._shift = head, shift

    def classify(self, embeddings: Floats) -> dict[str, Floats]:
        """As :meth:`FrameEncoder.classify`."""
        return _moved(super().classify(embeddings), embeddings, self._linear, self._shift)


def _moved(
    outputs: dict[str, Floats], embeddings: Floats, head: Head, shift: Floats
) -> dict[str, Floats]:
    probabilities = head.moved(outputs["probabilities"], embeddings, shift)
    return {**outputs, "probabilities": probabilities}
