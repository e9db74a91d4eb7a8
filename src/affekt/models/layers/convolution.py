"""What architectures begin with: 2-D convolutions that shorten the features in time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Convolution(nn.Module):
    """Convolution, batch normalisation, ReLU."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: tuple[int, int],
        stride: int = 1,
        padding: tuple[int, int] = (0, 0),
    ) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """``[batch, inputs, rows, frames] -> [batch, outputs, rows, frames]``, over the stride."""
        return torch.relu(self.norm(self.convolution(x)))

    def inner(self, x: Tensor) -> Tensor:
        """The same without padding in time."""
        convolution = self.convolution
        padding = (int(convolution.padding[0]), 0)
        y = nn.functional.conv2d(x, convolution.weight, None, convolution.stride, padding)
        return torch.relu(self.norm(y))


class Stem(nn.Module):
    """Strided 2-D convolutions, each of which halves time and frequency; then only time is left.

    Parameters
    ----------
    rows : int
        Channels of the frontend, as rows of one picture.
    widths : sequence of int
        Channels of the convolutions.
    channels : int
        Of what comes out.

    Attributes
    ----------
    time_stride, receptive_field : int
        In input frames.
    """

    def __init__(self, rows: int, widths: Sequence[int], channels: int) -> None:
        super().__init__()
        self.layers, self.project = strided_layers(rows, widths, channels)
        self.time_stride, self.receptive_field = strides(len(widths))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, features: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Shorten ``[batch, rows, frames]``.

        Returns
        -------
        Tensor [batch, channels, ceil(frames / time_stride)]
        Tensor [batch, 1, ceil(frames / time_stride)] or None
            The mask of what came out, if there was one.
        """
        x, mask = shortened(features, mask, self.layers, self.project)
        return x[:, :, 0], None if mask is None else mask[:, :, 0]


def strided_layers(
    rows: int, widths: Sequence[int], channels: int
) -> tuple[nn.ModuleList, Convolution]:
    """The layers of a stem: those that halve time and frequency, and one over all that is left."""
    inputs, layers = 1, []
    for width in widths:
        layers.append(Convolution(inputs, width, (3, 3), stride=2, padding=(1, 1)))
        inputs, rows = width, (rows + 1) // 2
    return nn.ModuleList(layers), Convolution(inputs, channels, (rows, 1))


def strides(layers: int) -> tuple[int, int]:
    """Time stride and receptive field of so many layers, in input frames."""
    return 2**layers, 1 + sum(2 * 2**level for level in range(layers))


def shortened(
    features: Tensor, mask: Tensor | None, layers: nn.ModuleList, project: nn.Module
) -> tuple[Tensor, Tensor | None]:
    """Features ``[batch, rows, frames]`` through a stem: ``[batch, channels, 1, fewer]``."""
    x = features[:, None].contiguous(memory_format=torch.channels_last)
    mask = None if mask is None else mask[:, :, None]  # [batch, 1, 1, frames]
    x = masked(x, mask)
    for layer in layers:
        x = layer(x)
        mask = None if mask is None else mask[..., ::2]
        x = masked(x, mask)
    return masked(project(x), mask), mask


def masked(x: Tensor, mask: Tensor | None) -> Tensor:
    """Set padding back to zero, as if the recording ended where its frames end."""
    return x if mask is None else x * mask
