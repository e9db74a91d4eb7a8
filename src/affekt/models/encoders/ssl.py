"""``ssl``: a large encoder that was trained on much speech, as transformers has it.

wav2vec 2.0, HuBERT, WavLM, or the encoder of Whisper. It stays as it is, or is fine-tuned. A frame
is the sum of its hidden states, layer by layer, with weights that are learned (SUPERB, Yang et al.,
2021).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from affekt.errors import ConfigError
from affekt.models.encoders.backbones import SAMPLE_RATE
from affekt.models.encoders.pretrained import bare_name, new_backbone, read_checkpoint
from affekt.models.layers.convolution import masked
from affekt.models.registry import Encoder, Paper, register

TRAINED = ("none", "top", "all")


@dataclass(frozen=True)
class SslOptions:
    """Which encoder, and what of it is trained.

    Parameters
    ----------
    checkpoint : str
        Name on the Hugging Face Hub, or a folder that ``save_pretrained`` of transformers has
        written: where the weights come from.
    encoder : dict
        Configuration of the encoder, as in its ``config.json``. Where it is given, no checkpoint
        is read: the weights are new, or those that the network is given. A network that was made
        from a checkpoint has it filled in.
    layers : int
        Use so many layers, the lowest; 0 uses all.
    train : str
        ``"none"`` leaves the encoder as it is; ``"all"`` trains all but the convolutions below its
        layers; ``"top"`` trains the highest layers alone.
    top : int
        How many these are.
    slowdown : float
        The learning rate of the encoder is that of the rest, divided by this.
    channels : int
        Channels of a frame embedding, which a layer of our own makes of the sum; 0 leaves it out.
    dropout : float
        Share of the frame embedding that is dropped while training.
    shorten : int
        The mean of so many frames of the encoder becomes one, before anything is learned.
    """

    checkpoint: str = ""
    encoder: dict[str, Any] = field(default_factory=dict)
    layers: int = 0
    train: str = "none"
    top: int = 4
    slowdown: float = 100.0
    channels: int = 256
    dropout: float = 0.1
    shorten: int = 1

    def __post_init__(self) -> None:
        if self.train not in TRAINED:
            raise ConfigError(f"ssl: train must be one of {', '.join(TRAINED)}, got {self.train!r}")
        if self.layers < 0 or self.channels < 0:
            raise ConfigError("ssl: layers and channels must be 0 or more")
        for name in ("top", "shorten"):
            if getattr(self, name) < 1:
                raise ConfigError(f"ssl: {name} must be 1 or more, got {getattr(self, name)}")
        if not self.slowdown > 0:
            raise ConfigError(f"ssl: slowdown must be positive, got {self.slowdown:g}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"ssl: dropout must be in [0, 1), got {self.dropout:g}")
        if not self.checkpoint and not self.encoder:
            raise ConfigError(
                "ssl: name a checkpoint: model.options.checkpoint = 'microsoft/wavlm-base-plus', "
                "for example"
            )


@register("ssl", SslOptions)
class Ssl(Encoder):
    """wav2vec 2.0, HuBERT, WavLM or Whisper: frozen with a learned sum of layers, or fine-tuned."""

    waveform_rate = SAMPLE_RATE
    litert_refusal = "an encoder of transformers is not made for what it runs on"
    example = MappingProxyType({"encoder": {"model_type": "wavlm"}})  # of the size of WavLM base
    paper = Paper("Yang et al., 2021", "https://arxiv.org/abs/2105.01051")

    def __init__(self, rows: int, options: SslOptions) -> None:
        super().__init__()
        made = (
            new_backbone(options.encoder, options.layers)
            if options.encoder
            else read_checkpoint(options.checkpoint, options.layers)
        )
        settings, self.backbone = made
        if rows != self.backbone.stride:
            raise ConfigError(
                f"ssl: a frame of this encoder has {self.backbone.stride} samples: set "
                f"model.frontend.hop_length = {self.backbone.stride}, got {rows}"
            )
        self.options = options
        self.found = {"encoder": settings, "checkpoint": bare_name(options.checkpoint)}
        count, width = len(self.backbone.layers) + 1, self.backbone.width
        self.mix = nn.Parameter(torch.zeros(count))
        self.output_channels = options.channels or width
        self.project = nn.Linear(width, options.channels) if options.channels else None
        self.dropout = nn.Dropout(options.dropout)
        self.time_stride = options.shorten
        self.receptive_field = None
        self.backbone.requires_grad_(False)
        for part in self._tuned():
            part.requires_grad_(True)
        # Input is distinguished from frozen features by its channels alone.
        self.still = options.train == "none" and count * width != self.backbone.stride

    def _tuned(self) -> list[nn.Module]:
        """What of the encoder is trained."""
        layers = list(self.backbone.layers)
        if self.options.train == "all":
            return [*self.backbone.tunable(), *layers]
        if self.options.train == "top":
            if self.options.top > len(layers):
                raise ConfigError(
                    f"ssl: top = {self.options.top}, but there are {len(layers)} layers"
                )
            return layers[-self.options.top :]
        return []

    def slow_parameters(self) -> tuple[Iterable[nn.Parameter], float]:
        """The weights of the encoder, which have been trained before."""
        return self.backbone.parameters(), self.options.slowdown

    def train(self, mode: bool = True) -> Ssl:
        """Set the mode; nothing is dropped inside an encoder that stays as it is."""
        super().train(mode)
        if self.options.train == "none":
            self.backbone.eval()
        return self

    def weights(self) -> Tensor:
        """How much each hidden state counts, from the lowest ``[layers + 1]``; their sum is 1."""
        return torch.softmax(self.mix, dim=0)

    def frozen_features(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """All hidden states, one under the other.

        Each is brought to the same scale: what a layer adds grows with its height, in some
        families.

        Parameters
        ----------
        features : Tensor [batch, samples of a frame, frames]
        mask : Tensor [batch, 1, frames], optional

        Returns
        -------
        Tensor [batch, (layers + 1) * width, ceil(frames / shorten)]
        """
        waveform = masked(features, mask).transpose(1, 2).flatten(1)
        valid = None if mask is None else mask[:, 0] > 0
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.options.train != "none"):
            states = self.backbone(waveform, valid)
        shape = (self.backbone.width,)
        x = torch.cat([nn.functional.layer_norm(one, shape) for one in states], 2).mT
        return x if self.time_stride == 1 else _means(x, mask, self.time_stride)

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """``[batch, samples of a frame, frames] -> [batch, channels, ceil(frames / shorten)]``.

        Features may also be what :meth:`frozen_features` gives, with a mask of its frames.
        """
        if self.still and features.shape[1] != self.backbone.stride:
            states = features
        else:
            states = self.frozen_features(features, mask)
            mask = None if mask is None else mask[..., :: self.time_stride]
        batch, _, frames = states.shape
        rows = states.reshape(batch, len(self.mix), self.backbone.width * frames)
        x = (self.weights() @ rows).reshape(batch, self.backbone.width, frames).mT
        if self.project is not None:
            x = nn.functional.gelu(self.project(x))
        return masked(self.dropout(x).transpose(1, 2), mask)


def _means(x: Tensor, mask: Tensor | None, count: int) -> Tensor:
    """Means over ``count`` frames of ``[batch, channels, frames]``, over fewer at the end."""

    def mean(x: Tensor) -> Tensor:
        filled = nn.functional.pad(x, (0, count - 1))
        return nn.functional.avg_pool1d(filled, count, count)

    present = torch.ones_like(x[:1, :1]) if mask is None else mask
    return mean(masked(x, mask)) / mean(present).clamp(min=1e-6)
