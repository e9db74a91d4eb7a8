"""A backend that takes a baseline out of every embedding, wherever its answers are used."""

from __future__ import annotations

from affekt.adapt import Baseline
from affekt.errors import DataError
from affekt.runtime.backends import Backend
from affekt.runtime.config import ModelConfig
from affekt.runtime.encoder import FrameEncoder
from affekt.runtime.head import Head, read_head
from affekt.runtime.session import Floats


def empty_baseline(config: ModelConfig) -> Baseline:
    """Return the baseline of no recordings, for embeddings of a model.

    Raises
    ------
    ModelError
        If the model keeps no head in its configuration.
    """
    head = read_head(config)
    return Baseline(config.name, head.fingerprint, head.mean.astype(float), 0)


class AdaptedBackend:
    """A backend whose answers are those to embeddings without a baseline.

    The embeddings that it gives stay as they are.

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
        self._backend = backend
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
