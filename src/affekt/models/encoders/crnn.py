"""``crnn``: strided 2-D convolutions, then recurrent layers from both ends of the recording.

``crnn-attention`` puts self-attention on top, so that distant frames meet directly.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from affekt.errors import ConfigError
from affekt.models.layers.attention import SelfAttention
from affekt.models.layers.convolution import Stem, masked
from affekt.models.layers.recurrent import CELLS, Bidirectional
from affekt.models.registry import Encoder, Paper, register


@dataclass(frozen=True)
class CrnnOptions:
    """Size of the ``crnn``.

    Parameters
    ----------
    stem : tuple of int
        Channels of the 2-D convolutions; each halves time and frequency.
    channels : int
        Channels that the recurrent layers get.
    cell : str
        ``"lstm"`` or ``"gru"``.
    hidden : int
        Channels of each direction of a recurrent layer.
    layers : int
        Recurrent layers.
    dropout : float
        Share of channels dropped before each recurrent layer while training.
    """

    stem: tuple[int, ...] = (16, 32)
    channels: int = 128
    cell: str = "lstm"
    hidden: int = 128
    layers: int = 2
    dropout: float = 0.2

    def __post_init__(self) -> None:
        sizes = (*self.stem, self.channels, self.hidden, self.layers)
        if not self.stem or min(sizes) < 1:
            raise ConfigError(
                f"crnn: stem, channels, hidden and layers must be positive, got {self.stem}, "
                f"{self.channels}, {self.hidden} and {self.layers}"
            )
        if self.cell not in CELLS:
            raise ConfigError(f"crnn: cell must be one of {', '.join(CELLS)}, got {self.cell!r}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"crnn: dropout must be in [0, 1), got {self.dropout}")


@dataclass(frozen=True)
class CrnnAttentionOptions(CrnnOptions):
    """Size of the ``crnn-attention``.

    Parameters
    ----------
    heads : int
        Heads of the self-attention; they share ``2 * hidden`` channels evenly.
    """

    heads: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.heads < 1 or 2 * self.hidden % self.heads:
            raise ConfigError(
                f"crnn-attention: heads must divide 2 * hidden = {2 * self.hidden}, "
                f"got {self.heads}"
            )


@register("crnn", CrnnOptions)
class Crnn(Encoder):
    """Strided 2-D convolutions, then bidirectional recurrent layers."""

    paper = Paper("Trigeorgis et al., 2016", "https://doi.org/10.1109/ICASSP.2016.7472669")

    litert_refusal = (
        "its recurrent layers run from both ends over any length, which TensorFlow Lite has no "
        "operator for"
    )

    def __init__(self, rows: int, options: CrnnOptions) -> None:
        super().__init__()
        self.stem = Stem(rows, options.stem, options.channels)
        inputs = [options.channels] + [2 * options.hidden] * (options.layers - 1)
        self.layers = nn.ModuleList(
            Bidirectional(size, options.hidden, options.cell) for size in inputs
        )
        self.dropout = nn.Dropout1d(options.dropout)
        self.output_channels = 2 * options.hidden
        self.time_stride = self.stem.time_stride
        self.receptive_field = None

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """``[batch, rows, frames] -> [batch, 2 * hidden, ceil(frames / time_stride)]``."""
        x, mask = self.stem(features, mask)
        for layer in self.layers:
            x = layer(self.dropout(x), mask)
        return masked(self.attend(x, mask), mask)

    def attend(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """What comes after the recurrent layers: nothing."""
        return x


@register("crnn-attention", CrnnAttentionOptions)
class CrnnAttention(Crnn):
    """The ``crnn`` with self-attention on top."""

    paper = Paper("Vaswani et al., 2017", "https://arxiv.org/abs/1706.03762")

    def __init__(self, rows: int, options: CrnnAttentionOptions) -> None:
        super().__init__(rows, options)
        self.attention = SelfAttention(self.output_channels, options.heads, options.dropout)

    def attend(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Let the frames look at each other."""
        y: Tensor = self.attention(x.transpose(1, 2), mask)
        return y.transpose(1, 2)
