"""``statistics``: a frozen encoder's hidden states, as their mean and deviation over the speech.

A recording is cut to its speech and levelled first, inside the graph: its level and a constant
offset change nothing, and of silence at its ends the margin alone counts. Some hidden states are
kept apart, and what is learned on their statistics is linear (``[linear]`` of a recipe), so that
training takes seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from affekt.errors import ConfigError
from affekt.models.encoders.backbones import SAMPLE_RATE, WhisperBackbone
from affekt.models.encoders.pretrained import bare_name, new_backbone, read_checkpoint
from affekt.models.layers.convolution import masked
from affekt.models.registry import Encoder, Paper, register

SMALLEST_POWER = 1e-10  # full scale squared; keeps silence finite
SMALLEST_DISTANCE = 0.1  # mean square of an embedding, below which all are as near
_FLOOR_REACH = 2  # frames on both sides of one, over which power is averaged
_VARIANCE_FLOOR = 1e-6  # the square root of nothing has no slope


@dataclass(frozen=True)
class StatisticsOptions:
    """Which encoder, and which of its hidden states.

    Parameters
    ----------
    checkpoint : str
        Name on the Hugging Face Hub, or a folder that ``save_pretrained`` of transformers has
        written: where the weights come from. Of the Whisper family.
    encoder : dict
        Configuration of the encoder, as in its ``config.json``. Where it is given, no checkpoint
        is read. A network that was made from a checkpoint has it filled in.
    layers : tuple of int
        Hidden states that are kept apart: 1 is what the lowest layer gives. Layers above the
        highest of them are left out.
    range_db : float
        Speech begins with the first frame of 20 ms, and ends with the last one, that is within
        so many dB of the loudest.
    margin : int
        Frames of 20 ms that are kept on both sides of it.
    floor_db : float
        Frames before and after the speech also do not count where they are within so many dB of
        the noise floor: the power of the quietest 0.1 s. 0 leaves the floor out of account.
    least_range_db : float
        Whatever the floor, what is within so many dB of the loudest frame is speech.
    dimensions : int
        Of the embedding, which is a linear map of the statistics.
    """

    checkpoint: str = ""
    encoder: dict[str, Any] = field(default_factory=dict)
    layers: tuple[int, ...] = (2, 3)
    range_db: float = 35.0
    margin: int = 5
    floor_db: float = 0.0
    least_range_db: float = 20.0
    dimensions: int = 256

    def __post_init__(self) -> None:
        if not self.layers or min(self.layers) < 1 or len(set(self.layers)) < len(self.layers):
            raise ConfigError(
                "statistics: layers must name one or more different layers from 1 up, got "
                f"{list(self.layers)}"
            )
        if not 0 < self.range_db < float("inf"):
            raise ConfigError(f"statistics: range_db must be positive, got {self.range_db:g}")
        if not 0 <= self.floor_db < float("inf"):
            raise ConfigError(f"statistics: floor_db must be 0 or more, got {self.floor_db:g}")
        if not 0 < self.least_range_db <= self.range_db:
            raise ConfigError(
                "statistics: least_range_db must be above 0 and at most range_db, got "
                f"{self.least_range_db:g}"
            )
        if self.margin < 0:
            raise ConfigError(f"statistics: margin must be 0 or more, got {self.margin}")
        if self.dimensions < 1:
            raise ConfigError(f"statistics: dimensions must be 1 or more, got {self.dimensions}")
        if not self.checkpoint and not self.encoder:
            raise ConfigError(
                "statistics: name a checkpoint: model.options.checkpoint = 'openai/whisper-base', "
                "for example"
            )


@register("statistics", StatisticsOptions)
class Statistics(Encoder):
    """Mean and deviation of the hidden states of Whisper's encoder, frozen; trains in seconds."""

    waveform_rate = SAMPLE_RATE
    litert_refusal = "an encoder of transformers is not made for what it runs on"
    example = MappingProxyType(  # of the size of Whisper base
        {
            "encoder": {
                **{"model_type": "whisper", "encoder_layers": 6, "d_model": 512},
                **{"encoder_attention_heads": 8, "encoder_ffn_dim": 2048},
            }
        }
    )
    paper = Paper("Radford et al., 2022", "https://arxiv.org/abs/2212.04356")
    pools = True
    still = True

    def __init__(self, rows: int, options: StatisticsOptions) -> None:
        super().__init__()
        highest = max(options.layers)
        made = (
            new_backbone(options.encoder, highest)
            if options.encoder
            else read_checkpoint(options.checkpoint, highest)
        )
        settings, backbone = made
        if not isinstance(backbone, WhisperBackbone):
            raise ConfigError(
                f"statistics: the encoder is of the family {settings['model_type']!r}: expected "
                "whisper (the others are for the architecture ssl)"
            )
        if rows != backbone.stride:
            raise ConfigError(
                f"statistics: a frame of this encoder has {backbone.stride} samples: set "
                f"model.frontend.hop_length = {backbone.stride}, got {rows}"
            )
        self.backbone = backbone.requires_grad_(False).eval()
        self.options = options
        self.found = {"encoder": settings, "checkpoint": bare_name(options.checkpoint)}
        self.count = 2 * len(options.layers) * backbone.width
        self.output_channels = min(options.dimensions, self.count)
        self.time_stride = 1
        self.receptive_field = None
        # Of the training clips, and where they differ most: set by what fits the classifier.
        self.register_buffer("mean", torch.zeros(self.count))
        self.register_buffer("scale", torch.ones(self.count))
        self.register_buffer("projection", torch.eye(self.count)[:, : self.output_channels])
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("exponent", torch.tensor(0.0))
        self.projection: Tensor
        self.exponent: Tensor

    def train(self, mode: bool = True) -> Statistics:
        """Set the mode; nothing is dropped inside an encoder that stays as it is."""
        super().train(mode)
        self.backbone.eval()
        return self

    def frozen_features(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Statistics before they are standardised.

        Parameters
        ----------
        features : Tensor [batch, samples of a frame, frames]
        mask : Tensor [batch, 1, frames], optional

        Returns
        -------
        Tensor [batch, 2 * layers * width, 1]
            Means of each layer, then their deviations.
        """
        # A silent frame before the first: the output there does not depend on what was cut.
        frames = nn.functional.pad(masked(features, mask), (1, 0))
        frames, speech = self._speech(frames)
        states = self.backbone(frames.transpose(1, 2).flatten(1), speech)
        x = torch.cat([states[layer] for layer in self.options.layers], dim=2)
        weights = speech.to(x.dtype)[:, :, None]  # [batch, frames, 1]
        count = weights.sum(dim=1, keepdim=True)
        mean = (x * weights).sum(dim=1, keepdim=True) / count
        variance = ((x - mean) ** 2 * weights).sum(dim=1) / count[:, 0]
        deviation = (variance + _VARIANCE_FLOOR).sqrt()
        return torch.cat([mean[:, 0], deviation], dim=1)[:, :, None]

    def _speech(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Cut to the speech, without offset and at the level of a variance of 1.

        Returns
        -------
        Tensor [batch, samples of a frame, frames]
            0 outside of the speech.
        Tensor [batch, frames], bool
            True within it.
        """
        power = (frames * frames).mean(dim=1)  # [batch, frames]
        loudest = power.amax(dim=1, keepdim=True)  # of silence 0: all of it counts
        limit = loudest * 10 ** (-self.options.range_db / 10)
        if self.options.floor_db:
            inside = _between(power >= limit, 0)
            floor = _floor(power, inside) * 10 ** (self.options.floor_db / 10)
            highest = loudest * 10 ** (-self.options.least_range_db / 10)
            limit = torch.maximum(limit, torch.minimum(floor, highest))
        speech = _between(power >= limit, self.options.margin)
        weights = speech.to(frames.dtype)[:, None]  # [batch, 1, frames]
        count = weights.sum(dim=2, keepdim=True) * frames.shape[1]
        mean = (frames * weights).sum(dim=(1, 2), keepdim=True) / count
        centred = (frames - mean) * weights
        variance = (centred * centred).sum(dim=(1, 2), keepdim=True) / count
        return centred / variance.clamp(min=SMALLEST_POWER).sqrt(), speech

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Embedding ``[batch, dimensions, 1]``: standardised statistics, projected.

        Features may also be what :meth:`frozen_features` gives, computed before.
        """
        computed = features.shape[1] == self.count
        x = features if computed else self.frozen_features(features, mask)
        standardised = (x[:, :, 0] - self.mean) / self.scale  # [batch, 2 * layers * width]
        return (standardised @ self.projection)[:, :, None]

    def softness(self, embedding: Tensor) -> Tensor:
        """A power of the distance from the training clips ``[batch, 1]``, which divides the logits.

        The distance is the mean square of the embedding, whose mean over training clips is 1. An
        exponent of 0 leaves logits as they are.
        """
        distance = (embedding * embedding).mean(dim=1, keepdim=True)
        return distance.clamp(min=SMALLEST_DISTANCE) ** self.exponent


def _between(loud: Tensor, margin: int) -> Tensor:
    """Mark all frames from the first loud one to the last, and a margin ``[batch, frames]``."""
    marks = loud.to(torch.float32)
    near = nn.functional.avg_pool1d(marks[:, None], 2 * margin + 1, 1, margin)[:, 0]
    begun = near.cumsum(dim=1) > 0
    left = near.flip(1).cumsum(dim=1).flip(1) > 0
    return begun & left


def _floor(power: Tensor, inside: Tensor) -> Tensor:
    """Power of the quietest stretch of 0.1 s inside ``[batch, 1]``."""
    kept = inside.to(power.dtype)
    size, reach = 2 * _FLOOR_REACH + 1, _FLOOR_REACH
    sums = nn.functional.avg_pool1d((power * kept)[:, None], size, 1, reach)[:, 0]
    counts = nn.functional.avg_pool1d(kept[:, None], size, 1, reach)[:, 0]
    whole = counts > 1 - 0.5 / size
    largest = power.amax(dim=1, keepdim=True)
    return torch.where(whole, sums, largest).amin(dim=1, keepdim=True)
