"""The whole model: frontend, encoder, pooling and head in one module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from affekt.errors import ConfigError
from affekt.models.frontend import FrontendConfig, build_frontend
from affekt.models.layers.heads import EmotionHead, ScalarHead
from affekt.models.layers.pooling import NoPooling, build_pooling
from affekt.models.registry import build_encoder, find_architecture
from affekt.results import OUTPUTS


@dataclass(frozen=True)
class NetworkConfig:
    """Everything needed to make a network again.

    Parameters
    ----------
    labels : tuple of str
        Canonical emotions in the order of the logits.
    architecture : str
        Name in the registry.
    options : dict
        Options of the architecture.
    frontend : FrontendConfig
    pooling : str
        ``"statistics"`` or ``"attention"``, see :mod:`affekt.models.layers.pooling`.
    head_dropout : float
        Share of the embedding dropped before the last layer while training.
    heads : tuple of str
        What else it says, of `affekt.results.OUTPUTS`: ``("intensity",)``.
    """

    labels: tuple[str, ...]
    architecture: str = "cnn"
    options: dict[str, Any] = field(default_factory=dict)
    frontend: FrontendConfig = field(default_factory=FrontendConfig)
    pooling: str = "statistics"
    head_dropout: float = 0.4
    heads: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.labels) < 2 or len(set(self.labels)) != len(self.labels):
            raise ConfigError(f"a model needs two or more different labels, got {self.labels}")
        if not 0 <= self.head_dropout < 1:
            raise ConfigError(f"model.head_dropout must be in [0, 1), got {self.head_dropout:g}")
        if unknown := set(self.heads) - set(OUTPUTS):
            raise ConfigError(
                f"unknown heads {', '.join(sorted(unknown))}: expected some of {', '.join(OUTPUTS)}"
            )


class Network(nn.Module):
    """Waveform to logits and embedding.

    Parameters
    ----------
    config : NetworkConfig

    Attributes
    ----------
    config : NetworkConfig
        With the options that the encoder has found out by itself.
    feature_mean, feature_scale : Tensor [] or [channels, 1]
        Mean and standard deviation of the features over the training data.
    temperature : Tensor []
        Logits are divided by it before the softmax; fitted on validation speakers.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        _check_frontend(config)
        self.frontend = build_frontend(config.frontend)
        self.encoder = build_encoder(config.architecture, config.frontend.channels, config.options)
        if self.encoder.found:
            config = replace(config, options={**config.options, **self.encoder.found})
        self.config = config
        channels = self.encoder.output_channels
        self.pooling = (
            NoPooling(channels) if self.encoder.pools else build_pooling(config.pooling, channels)
        )
        embedding_size = self.pooling.output_size
        self.head = EmotionHead(embedding_size, len(config.labels), config.head_dropout)
        for name in config.heads:  # an attribute each: that is how model directories name them
            head = ScalarHead(name, embedding_size, config.head_dropout)
            self.add_module(f"{name}_head", head)
        shape = () if config.frontend.one_scale else (config.frontend.channels, 1)
        self.register_buffer("feature_mean", torch.zeros(shape))
        self.register_buffer("feature_scale", torch.ones(shape))
        self.register_buffer("temperature", torch.tensor(1.0))
        self.feature_mean: Tensor
        self.feature_scale: Tensor
        self.temperature: Tensor
        self.embedding_size = embedding_size

    @property
    def streamable(self) -> bool:
        """Whether frame embeddings can be computed chunk by chunk with a bounded look-ahead."""
        return self.encoder.streamable and self.config.frontend.streamable

    def embed(self, spectrum: Tensor, lengths: Tensor | None = None) -> Tensor:
        """What the frontend gives to one embedding per recording.

        Parameters
        ----------
        spectrum : Tensor [batch, rows, frames]
            As the frontend gives it; rows may be padded with any finite value.
        lengths : Tensor [batch], optional
            Frames of each row that are not padding.

        Returns
        -------
        Tensor [batch, embedding]
        """
        features, mask = self.standardised(spectrum, lengths)
        return self.pool(self.encode(features, mask), mask)

    def standardised(
        self, spectrum: Tensor, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """The encoder's input ``[batch, channels, frames]``, and its mask if there are lengths.

        The mask ``[batch, 1, frames]`` is 1 for frames and 0 for padding.
        """
        features = self.frontend.features(spectrum, lengths)
        x = (features - self.feature_mean) / self.feature_scale
        if lengths is None:
            return x, None
        steps = torch.arange(x.shape[2], device=x.device)
        return x, (steps < lengths[:, None]).to(x.dtype)[:, None]

    def encode(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Frame embeddings of standardised features, float32; see :meth:`Encoder.forward`."""
        frames: Tensor = self.encoder(features) if mask is None else self.encoder(features, mask)
        return frames.float()

    def pool(self, frames: Tensor, mask: Tensor | None = None) -> Tensor:
        """Frame embeddings to one embedding ``[batch, embedding]``; the mask is the features'.

        Or that of the frames themselves, where the encoder was given what lies below it.
        """
        shorter = mask
        if mask is not None and mask.shape[2] != frames.shape[2]:
            shorter = mask[..., :: self.encoder.time_stride]
        pooled: Tensor = self.pooling(frames) if shorter is None else self.pooling(frames, shorter)
        return pooled

    def classify(self, spectrum: Tensor, lengths: Tensor | None = None) -> Tensor:
        """What the frontend gives ``[batch, rows, frames]`` to logits ``[batch, classes]``."""
        return self.logits(self.embed(spectrum, lengths))

    def logits(self, embedding: Tensor) -> Tensor:
        """Embeddings ``[batch, embedding]`` to uncalibrated logits ``[batch, classes]``."""
        logits: Tensor = self.head(embedding)
        softness = self.encoder.softness(embedding)
        return logits if softness is None else logits / softness

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what :meth:`forward` returns, in their order."""
        return ("probabilities", "embedding", *self.config.heads)

    @property
    def scalar_heads(self) -> dict[str, ScalarHead]:
        """The heads beside that of the emotions, by the name of their output."""
        return {name: getattr(self, f"{name}_head") for name in self.config.heads}

    def answer(self, embedding: Tensor) -> dict[str, Tensor]:
        """The outputs of the heads for embeddings ``[batch, embedding_size]``.

        Returns
        -------
        dict of str to Tensor
            ``probabilities`` [batch, classes], and each of the other heads [batch].
        """
        return answer_of(self.logits(embedding), self.scalar_heads, self.temperature, embedding)

    def forward(self, waveform: Tensor) -> dict[str, Tensor]:
        """Waveform ``[batch, samples]`` to the outputs of the graph, in the order of `outputs`.

        Returns
        -------
        dict of str to Tensor
            ``probabilities`` [batch, classes], ``embedding`` [batch, embedding_size], and each of
            the other heads [batch].
        """
        embedding = self.embed(self.frontend(waveform))
        found = {**self.answer(embedding), "embedding": embedding}
        return {name: found[name] for name in self.outputs}


def answer_of(
    logits: Tensor, others: Mapping[str, Any], temperature: Tensor, embedding: Tensor
) -> dict[str, Tensor]:
    """Outputs by name of heads on embeddings ``[batch, embedding]``: :meth:`Network.answer`."""
    return {
        "probabilities": torch.softmax(logits / temperature, dim=1),
        **{name: other.value(embedding) for name, other in others.items()},
    }


def _check_frontend(config: NetworkConfig) -> None:
    """Refuse features for an encoder that takes the waveform, and the other way round."""
    name, frontend = config.architecture, config.frontend
    rate = find_architecture(name).make.waveform_rate
    if rate is None and not frontend.spectral:
        raise ConfigError(
            f"the architecture {name!r} takes features, not the waveform: choose another "
            "model.frontend.kind"
        )
    if rate is not None and frontend.spectral:
        raise ConfigError(
            f"the architecture {name!r} takes the waveform: set model.frontend.kind = 'waveform'"
        )
    if rate is not None and frontend.sample_rate != rate:
        raise ConfigError(
            f"the architecture {name!r} takes {rate} Hz: set model.frontend.sample_rate = {rate}, "
            f"got {frontend.sample_rate}"
        )


@dataclass(frozen=True)
class Description:
    """Facts that a network declares about itself.

    ``receptive_field`` is in seconds, None when an answer depends on the whole recording.
    """

    architecture: str
    parameters: int
    embedding_size: int
    receptive_field: float | None
    streamable: bool


def describe(network: Network) -> Description:
    """Count and measure a network."""
    frontend = network.config.frontend
    frames, context = network.encoder.receptive_field, frontend.context
    seconds = None
    if frames is not None and context is not None:
        steps = frames + context - 1
        seconds = (steps * frontend.hop_length + frontend.window) / frontend.sample_rate
    return Description(
        architecture=network.config.architecture,
        parameters=sum(p.numel() for p in network.parameters()),
        embedding_size=network.embedding_size,
        receptive_field=seconds,
        streamable=network.streamable,
    )


def build_network(config: NetworkConfig, state: Mapping[str, Tensor] | None = None) -> Network:
    """Make a network, with new weights or with those of ``state``.

    Raises
    ------
    ConfigError
        If the architecture or its options are unknown, or the weights do not fit.
    """
    network = Network(config)
    if state is not None:
        try:
            network.load_state_dict(dict(state))
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise ConfigError(f"weights do not fit {config.architecture}: {reason}") from None
    return network
