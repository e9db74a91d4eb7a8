"""``cnn``: strided 2-D convolutions over the features, then dilated 1-D residual blocks in time.

The classic convolutional network of the field classifies one vector of averaged features; here
the convolutions run over time, and averaging comes last, when there is something to average.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from affekt.errors import ConfigError
from affekt.models.layers.convolution import Convolution, masked, shortened, strided_layers, strides
from affekt.models.registry import Encoder, Paper, register

if TYPE_CHECKING:
    from affekt.models.layers.memory import Memory

_KERNEL = 3


@dataclass(frozen=True)
class CnnOptions:
    """Size of the ``cnn``.

    Parameters
    ----------
    stem : tuple of int
        Channels of the 2-D convolutions; each halves time and frequency.
    channels : int
        Channels of the residual blocks.
    dilations : tuple of int
        One residual block each, with that dilation in steps of the reduced frame rate.
    dropout : float
        Share of channels dropped inside each block while training.
    squeeze : int
        Squeeze-and-excitation in each block (Hu et al., 2018): from the mean over the recording,
        through so many channels, a factor for each channel. 0 leaves it out. With it, every frame
        depends on the whole recording, and the network cannot stream.
    """

    stem: tuple[int, ...] = (16, 32)
    channels: int = 192
    dilations: tuple[int, ...] = (1, 2, 4, 8)
    dropout: float = 0.1
    squeeze: int = 0

    def __post_init__(self) -> None:
        if not self.stem or min(self.stem) < 1 or self.channels < 1:
            raise ConfigError(f"cnn: channels must be positive, got {self.stem}, {self.channels}")
        if any(dilation < 1 for dilation in self.dilations):
            raise ConfigError(f"cnn: dilations must be positive, got {self.dilations}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"cnn: dropout must be in [0, 1), got {self.dropout}")
        if self.squeeze < 0:
            raise ConfigError(f"cnn: squeeze must be 0 or more channels, got {self.squeeze}")


@register("cnn", CnnOptions)
class Cnn(Encoder):
    """Strided 2-D convolutions, then dilated residual blocks over time.

    All channels of the features are rows of one picture. What is not a band, such as the pitch,
    lies beside the highest band, and has weights of its own from ``project`` on.
    """

    paper = Paper("Bai et al., 2018", "https://arxiv.org/abs/1803.01271")

    def __init__(self, rows: int, options: CnnOptions) -> None:
        super().__init__()
        # After the last of these there is only time. The 1-D convolutions are written as 2-D ones
        # of height 1, which run twice as fast channels-last on a CPU.
        self.stem, self.project = strided_layers(rows, options.stem, options.channels)
        self.blocks = nn.ModuleList(
            _ResidualBlock(options.channels, dilation, options.dropout, options.squeeze)
            for dilation in options.dilations
        )
        self.output_channels = options.channels
        self.time_stride, stem_field = strides(len(options.stem))
        block_field = sum((_KERNEL - 1) * (dilation + 1) for dilation in options.dilations)
        self.streamable = not options.squeeze
        self.receptive_field = (
            stem_field + self.time_stride * block_field if self.streamable else None
        )
        self.delay = sum(dilation + 1 for dilation in options.dilations)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """``[batch, rows, frames] -> [batch, channels, ceil(frames / time_stride)]``."""
        x, mask = shortened(features, mask, self.stem, self.project)
        for block in self.blocks:
            x = block(x, mask)
        return x[:, :, 0]

    def step(self, features: Tensor, mask: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Encode what follows; see :meth:`Encoder.step`."""
        x, mask = features[:, None], mask[:, :, None]
        x = masked(x, mask)
        for convolution in cast("list[Convolution]", [*self.stem]):
            # With stride 2, an even number of frames looks back by one and ahead by none.
            x = convolution.inner(memory.join(x, 1))
            mask = mask[..., ::2]
            x = masked(x, mask)
        x = masked(self.project(x), mask)
        late, masks = 0, memory.join(mask, self.delay)  # as far back as the last block looks
        for block in cast("list[_ResidualBlock]", [*self.blocks]):
            inner, late = late + block.dilation, late + block.dilation + 1
            inner_mask, mask = (masks[..., self.delay - lag : -lag] for lag in (inner, late))
            x = block.step(x, inner_mask, mask, memory)
        return x[:, :, 0], mask[:, :, 0]


class _ResidualBlock(nn.Module):
    """Two convolutions in time around a dropout, added to the input."""

    def __init__(self, channels: int, dilation: int, dropout: float, squeeze: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.dilated = nn.Conv2d(
            channels,
            channels,
            (1, _KERNEL),
            padding=(0, dilation),
            dilation=(1, dilation),
            bias=False,
        )
        self.dilated_norm = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout2d(dropout)
        self.local = nn.Conv2d(channels, channels, (1, _KERNEL), padding=(0, 1), bias=False)
        self.local_norm = nn.BatchNorm2d(channels)
        self.excitation = _Excitation(channels, squeeze) if squeeze else None

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        y = torch.relu(self.dilated_norm(self.dilated(x)))
        y = self.local_norm(self.local(masked(self.dropout(y), mask)))
        if self.excitation is not None:
            y = self.excitation(y, mask)
        return masked(torch.relu(x + y), mask)

    def step(self, x: Tensor, inner_mask: Tensor, mask: Tensor, memory: Memory) -> Tensor:
        """What :meth:`forward` gives, later by the dilation and one step.

        ``inner_mask`` is that of what lies between the convolutions, later by the dilation;
        ``mask`` that of what comes out.
        """
        dilation = self.dilation
        joined = memory.join(x, 2 * dilation)
        y = nn.functional.conv2d(joined, self.dilated.weight, dilation=(1, dilation))
        y = masked(torch.relu(self.dilated_norm(y)), inner_mask)
        y = self.local_norm(nn.functional.conv2d(memory.join(y, 2), self.local.weight))
        x = joined[..., dilation - 1 : -(dilation + 1)]
        return masked(torch.relu(x + y), mask)


class _Excitation(nn.Module):
    """A factor for each channel, from the mean of all channels over the recording."""

    def __init__(self, channels: int, squeeze: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, squeeze)
        self.expand = nn.Linear(squeeze, channels)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        mean = x.mean(dim=3) if mask is None else (x * mask).sum(dim=3) / mask.sum(dim=3)
        factors = torch.sigmoid(self.expand(torch.relu(self.squeeze(mean[:, :, 0]))))
        return x * factors[:, :, None, None]
