"""``transformer``: strided 2-D convolutions, then conformer blocks.

Self-attention lets distant frames meet; a convolution in every block says what is near. It is also
all that tells the order of frames, so there are no positions to run out of: a network trained on
three seconds runs on three minutes.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from affekt.errors import ConfigError
from affekt.models.layers.attention import FeedForward, SelfAttention
from affekt.models.layers.convolution import Stem, masked
from affekt.models.registry import Encoder, Paper, register


@dataclass(frozen=True)
class TransformerOptions:
    """Size of the ``transformer``.

    Parameters
    ----------
    stem : tuple of int
        Channels of the 2-D convolutions; each halves time and frequency.
    channels : int
        Channels of the blocks.
    blocks : int
        Conformer blocks.
    heads : int
        Heads of each self-attention; they share the channels evenly.
    expansion : int
        Width of the feed-forward layers, in multiples of the channels.
    kernel : int
        Kernel of a block's convolution in frames; odd.
    dropout : float
        Share dropped from what each part of a block adds, while training.
    """

    stem: tuple[int, ...] = (16, 32)
    channels: int = 128
    blocks: int = 4
    heads: int = 4
    expansion: int = 2
    kernel: int = 15
    dropout: float = 0.1

    def __post_init__(self) -> None:
        sizes = (*self.stem, self.channels, self.blocks, self.heads, self.expansion)
        if not self.stem or min(sizes) < 1:
            raise ConfigError("transformer: stem, channels, blocks, heads and expansion from 1 up")
        if self.channels % self.heads:
            raise ConfigError(
                f"transformer: heads must divide channels = {self.channels}, got {self.heads}"
            )
        if self.kernel < 1 or self.kernel % 2 == 0:
            raise ConfigError(f"transformer: kernel must be odd, got {self.kernel}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"transformer: dropout must be in [0, 1), got {self.dropout}")


@register("transformer", TransformerOptions)
class Transformer(Encoder):
    """Strided 2-D convolutions, then conformer blocks: self-attention and convolution in turn."""

    paper = Paper("Gulati et al., 2020", "https://arxiv.org/abs/2005.08100")

    def __init__(self, rows: int, options: TransformerOptions) -> None:
        super().__init__()
        self.stem = Stem(rows, options.stem, options.channels)
        self.blocks = nn.ModuleList(_Block(options) for _ in range(options.blocks))
        self.output_channels = options.channels
        self.time_stride = self.stem.time_stride
        self.receptive_field = None

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """``[batch, rows, frames] -> [batch, channels, ceil(frames / time_stride)]``."""
        x, mask = self.stem(features, mask)
        x = x.transpose(1, 2)
        for block in self.blocks:
            x = block(x, mask)
        return masked(x.transpose(1, 2), mask)


class _Block(nn.Module):
    """Half a feed-forward, self-attention, convolution, the other half (Gulati et al., 2020)."""

    def __init__(self, options: TransformerOptions) -> None:
        super().__init__()
        channels, dropout = options.channels, options.dropout
        hidden = options.expansion * channels
        self.before = FeedForward(channels, hidden, dropout, share=0.5)
        self.attention = SelfAttention(channels, options.heads, dropout)
        self.convolution = _ConvolutionModule(channels, options.kernel, dropout)
        self.after = FeedForward(channels, hidden, dropout, share=0.5)
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """``[batch, frames, channels]`` to the same shape."""
        x = self.attention(self.before(x), mask)
        y: Tensor = self.norm(self.after(self.convolution(x, mask)))
        return y


class _ConvolutionModule(nn.Module):
    """A gated convolution over neighbouring frames, each channel by itself; added."""

    def __init__(self, channels: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.gated = nn.Linear(channels, 2 * channels)
        self.depthwise = nn.Conv1d(
            channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False
        )
        self.inner_norm = nn.LayerNorm(channels)
        self.output = nn.Linear(channels, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """``[batch, frames, channels]`` to the same shape."""
        y = nn.functional.glu(self.gated(self.norm(x)), dim=2).transpose(1, 2)
        y = self.depthwise(masked(y, mask)).transpose(1, 2)
        y = nn.functional.silu(self.inner_norm(y))
        dropped: Tensor = self.dropout(self.output(y))
        return x + dropped
