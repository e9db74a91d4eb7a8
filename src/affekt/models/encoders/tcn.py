"""``tcn``: temporal convolutions of growing reach, forward and backward, and a blend of them.

The idea is that of TIM-Net (Ye et al., 2023): each level reaches twice as far as the one before,
one way into the past and one into the future, and levels of short and of long reach are weighted
by weights that are learned.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from affekt.errors import ConfigError
from affekt.models.layers.convolution import Stem, masked
from affekt.models.registry import Encoder, Paper, register


@dataclass(frozen=True)
class TcnOptions:
    """Size of the ``tcn``.

    Parameters
    ----------
    stem : tuple of int
        Channels of the 2-D convolutions; each halves time and frequency.
    channels : int
        Channels of each direction.
    levels : int
        Levels; the convolutions of level n are dilated by 2 to the power of n.
    kernel : int
        Kernel of a convolution in frames.
    dropout : float
        Share of channels dropped after each convolution while training.
    """

    stem: tuple[int, ...] = (16, 32)
    channels: int = 96
    levels: int = 5
    kernel: int = 2
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if not self.stem or min(*self.stem, self.channels, self.levels) < 1:
            raise ConfigError(
                f"tcn: stem, channels and levels must be positive, got {self.stem}, "
                f"{self.channels} and {self.levels}"
            )
        if self.kernel < 2:
            raise ConfigError(f"tcn: kernel must be 2 or more frames, got {self.kernel}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"tcn: dropout must be in [0, 1), got {self.dropout}")


@register("tcn", TcnOptions)
class Tcn(Encoder):
    """Dilated convolutions from the past and from the future, blended over their reaches."""

    paper = Paper("Ye et al., 2023", "https://arxiv.org/abs/2211.08233")

    def __init__(self, rows: int, options: TcnOptions) -> None:
        super().__init__()
        self.stem = Stem(rows, options.stem, options.channels)
        self.forwards, self.backwards = (
            nn.ModuleList(_Level(options, 2**level, way) for level in range(options.levels))
            for way in (_FORWARD, _BACKWARD)
        )
        self.blend = nn.Parameter(torch.zeros(options.levels))
        self.output_channels = options.channels
        self.time_stride = self.stem.time_stride
        reach = sum(2 * (options.kernel - 1) * 2**level for level in range(options.levels))
        self.receptive_field = self.stem.receptive_field + 2 * self.time_stride * reach

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """``[batch, rows, frames] -> [batch, channels, ceil(frames / time_stride)]``."""
        x, mask = self.stem(features, mask)
        ahead, back = x, x
        shares = torch.softmax(self.blend, dim=0)
        blended = torch.zeros_like(x)
        for level, (forwards, backwards) in enumerate(
            zip(self.forwards, self.backwards, strict=True)
        ):
            ahead, back = forwards(ahead, mask), backwards(back, mask)
            blended = blended + shares[level] * (ahead + back)
        return blended


_FORWARD, _BACKWARD = "forward", "backward"


class _Level(nn.Module):
    """Two dilated convolutions that look one way only; what they find opens or shuts the input."""

    def __init__(self, options: TcnOptions, dilation: int, way: str) -> None:
        super().__init__()
        self.reach = (options.kernel - 1) * dilation
        self.past = way == _FORWARD
        channels = options.channels
        self.convolutions = nn.ModuleList(
            nn.Conv1d(channels, channels, options.kernel, dilation=dilation, bias=False)
            for _ in range(2)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(channels) for _ in range(2))
        self.dropout = nn.Dropout1d(options.dropout)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """``[batch, channels, frames]`` to the same shape."""
        y, padding = x, (self.reach, 0) if self.past else (0, self.reach)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            y = convolution(nn.functional.pad(y, padding))
            y = masked(self.dropout(torch.relu(norm(y))), mask)
        return x * torch.sigmoid(y)
