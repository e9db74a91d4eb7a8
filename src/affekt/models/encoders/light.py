"""``light``: three views of the cepstra, then a plain stack of convolutions (LIGHT-SERNET).

Rebuilt from its paper: Aftab, Morsali, Ghaemmaghami, Champagne (2022), "LIGHT-SERNET: A
lightweight fully convolutional neural network for speech emotion recognition", arXiv 2110.03435.
It is here to be compared with: docs/export.md measures it beside ``small`` and ``nano``.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from affekt.errors import ConfigError
from affekt.models.layers.convolution import Convolution, masked
from affekt.models.registry import Encoder, Paper, register

_VIEWS = ((9, 1), (1, 11), (3, 3))  # cepstra x frames: spectral, temporal, and both
_POOLED_BOTH = 2  # blocks that halve cepstra and frames; later ones halve frames alone
_FRAMES = 2  # that one pooled frame is the mean of


@dataclass(frozen=True)
class LightOptions:
    """Size of the ``light``; the defaults are the paper's, 0.46 M parameters with its head.

    Parameters
    ----------
    cepstra : int
        Cepstra of the log-mel that are looked at, 0 for the features as they are.
    view : int
        Channels of each of the three views.
    blocks : tuple of int
        Channels of the convolutions that follow, each of which halves time.
    channels : int
        Channels of a frame embedding.
    """

    cepstra: int = 40
    view: int = 32
    blocks: tuple[int, ...] = (64, 96, 128, 160)
    channels: int = 320

    def __post_init__(self) -> None:
        if min(self.view, self.channels, *self.blocks) < 1:
            raise ConfigError(
                f"light: channels must be positive, got {self.view}, {self.blocks}, {self.channels}"
            )
        if self.cepstra < 0:
            raise ConfigError(f"light: cepstra must be 0 or more, got {self.cepstra}")


@register("light", LightOptions)
class Light(Encoder):
    """Three convolutions side by side over cepstra, then 3x3 ones with pooling.

    The cosine transform is a fixed layer of the encoder, so the frontend stays a log-mel. Frames
    are pooled in twos, the last one by itself where their number is odd, so any length will do.
    """

    paper = Paper("Aftab et al., 2022", "https://arxiv.org/abs/2110.03435")

    def __init__(self, rows: int, options: LightOptions) -> None:
        super().__init__()
        if options.cepstra > rows:
            raise ConfigError(f"light: {options.cepstra} cepstra need as many bands, got {rows}")
        self.cepstra = _Cepstra(rows, options.cepstra) if options.cepstra else None
        self.views = nn.ModuleList(_same_size(1, options.view, kernel) for kernel in _VIEWS)
        widths = (len(_VIEWS) * options.view, *options.blocks)
        self.blocks = nn.ModuleList(
            _same_size(inputs, outputs, (3, 3)) for inputs, outputs in pairwise(widths)
        )
        self.last = Convolution(widths[-1], options.channels, (1, 1))
        self.output_channels = options.channels
        self.time_stride = _FRAMES ** len(widths)
        self.receptive_field = _field(len(options.blocks))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """``[batch, rows, frames] -> [batch, channels, ceil(frames / time_stride)]``."""
        x = features if self.cepstra is None else self.cepstra(features)
        x = x[:, None].contiguous(memory_format=torch.channels_last)
        mask = None if mask is None else mask[:, :, None]  # [batch, 1, 1, frames]
        x = masked(x, mask)
        x = torch.cat([view(x) for view in self.views], dim=1)
        x, mask = _pooled(x, mask, rows=2)
        for index, block in enumerate(self.blocks):
            x, mask = _pooled(block(x), mask, rows=_rows_pooled(index))
        x = cast("Tensor", self.last(x)).mean(dim=2)
        return masked(x, None if mask is None else mask[:, :, 0])


class _Cepstra(nn.Module):
    """The first numbers of the cosine transform of each frame, brought to one scale."""

    def __init__(self, bands: int, count: int) -> None:
        super().__init__()
        cosines = torch.from_numpy(_cosines(count, bands)).float()
        self.register_buffer("cosines", cosines[:, :, None], persistent=False)
        self.cosines: Tensor
        self.norm = nn.BatchNorm1d(count, affine=False)

    def forward(self, log_mel: Tensor) -> Tensor:
        normed: Tensor = self.norm(nn.functional.conv1d(log_mel, self.cosines))
        return normed


def _cosines(count: int, bands: int) -> np.ndarray:
    """Orthonormal DCT-II ``[count, bands]``, but for the factor of its first row.

    The norm behind it brings every row to one scale.
    """
    order, band = np.arange(count)[:, None], np.arange(bands)
    return np.asarray(np.sqrt(2 / bands) * np.cos(np.pi * order * (2 * band + 1) / (2 * bands)))


def _same_size(inputs: int, outputs: int, kernel: tuple[int, int]) -> Convolution:
    """Return a convolution that keeps the number of rows and frames."""
    return Convolution(inputs, outputs, kernel, padding=(kernel[0] // 2, kernel[1] // 2))


def _rows_pooled(block: int) -> int:
    """Rows that one row behind a block is the mean of."""
    return 2 if block < _POOLED_BOTH else 1


def _pooled(x: Tensor, mask: Tensor | None, rows: int) -> tuple[Tensor, Tensor | None]:
    """Means of so many rows and of two frames; what is padding has no part in them."""
    size = (rows, _FRAMES)
    if mask is None:
        return _mean(x, size), None
    share = _mean(mask, (1, _FRAMES))  # of the two frames that are not padding
    return _mean(x * mask, size) / share.clamp(min=1 / _FRAMES), mask[..., ::_FRAMES]


def _mean(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Mean over rectangles; one that sticks out is the mean of what it covers."""
    return nn.functional.avg_pool2d(x, size, ceil_mode=True, count_include_pad=False)


def _field(blocks: int) -> int:
    """Frames that one frame embedding depends on."""
    frames, stride = max(kernel[1] for kernel in _VIEWS), 1
    for index in range(blocks + 1):
        frames += 2 * stride if index else 0  # a kernel of three
        frames += stride  # and a pair
        stride *= _FRAMES
    return frames
