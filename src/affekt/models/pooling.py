"""Pooling: frame embeddings of a span of time to one embedding of fixed size."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_VARIANCE_FLOOR = 1e-5  # the square root has no slope at zero


class StatisticsPooling(nn.Module):
    """Mean and standard deviation over time (x-vectors, Snyder et al., 2018)."""

    @staticmethod
    def output_size(channels: int) -> int:
        """Size of the embedding for that many channels."""
        return 2 * channels

    def forward(self, frames: Tensor, mask: Tensor | None = None) -> Tensor:
        """Pool over time.

        Parameters
        ----------
        frames : Tensor [batch, channels, frames]
        mask : Tensor [batch, 1, frames], optional
            1 where a frame counts, 0 where it is padding.

        Returns
        -------
        Tensor [batch, 2 * channels]
        """
        if mask is None:
            mean = frames.mean(dim=2, keepdim=True)
            variance = ((frames - mean) ** 2).mean(dim=2)
        else:
            count = mask.sum(dim=2, keepdim=True)
            mean = (frames * mask).sum(dim=2, keepdim=True) / count
            variance = (((frames - mean) ** 2) * mask).sum(dim=2) / count[:, :, 0]
        return torch.cat([mean[:, :, 0], (variance + _VARIANCE_FLOOR).sqrt()], dim=1)
