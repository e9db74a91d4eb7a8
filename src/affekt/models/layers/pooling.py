"""Pooling: frame embeddings of a span of time to one embedding of fixed size."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn

from affekt.errors import ConfigError

_VARIANCE_FLOOR = 1e-5  # the square root has no slope at zero
_ATTENTION_CHANNELS = 64
_LARGEST_SCORE = 6.0  # a frame counts at most e^12 times as much as another


class StatisticsPooling(nn.Module):
    """Mean and standard deviation over time (x-vectors, Snyder et al., 2018).

    Parameters
    ----------
    channels : int
        Channels of a frame.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.output_size = 2 * channels

    def weights(self, frames: Tensor) -> Tensor | None:
        """How much each frame counts ``[batch, 1, frames]``, above 0; None where all are alike.

        The weight of a frame follows from that frame alone, so that any span can be pooled
        without running the encoder again.
        """
        return None

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
        weights = self.weights(frames)
        if weights is not None:
            mask = weights if mask is None else weights * mask
        if mask is None:
            mean = frames.mean(dim=2, keepdim=True)
            variance = ((frames - mean) ** 2).mean(dim=2)
        else:
            count = mask.sum(dim=2, keepdim=True)
            mean = (frames * mask).sum(dim=2, keepdim=True) / count
            variance = (((frames - mean) ** 2) * mask).sum(dim=2) / count[:, :, 0]
        return torch.cat([mean[:, :, 0], (variance + _VARIANCE_FLOOR).sqrt()], dim=1)


class AttentivePooling(StatisticsPooling):
    """The same, of frames that count as much as a small network finds them worth.

    Attentive statistics pooling (Okabe et al., 2018): a frame's weight is the exponential of a
    score that its own embedding gets. The score is bounded, so that sums of weights over hours
    lose no digits.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.hidden = nn.Conv1d(channels, _ATTENTION_CHANNELS, 1)
        self.score = nn.Conv1d(_ATTENTION_CHANNELS, 1, 1)

    def weights(self, frames: Tensor) -> Tensor:
        """How much each frame counts ``[batch, 1, frames]``, above 0."""
        score = self.score(torch.tanh(self.hidden(frames)))
        return torch.exp(_LARGEST_SCORE * torch.tanh(score / _LARGEST_SCORE))


class NoPooling(StatisticsPooling):
    """The only frame of an encoder that pools by itself."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.output_size = channels

    def forward(self, frames: Tensor, mask: Tensor | None = None) -> Tensor:
        """``[batch, channels, 1] -> [batch, channels]``."""
        return frames[:, :, 0]


POOLINGS: Mapping[str, type[StatisticsPooling]] = MappingProxyType(
    {"statistics": StatisticsPooling, "attention": AttentivePooling}
)
"""Poolings by the name that a recipe calls them."""


def build_pooling(name: str, channels: int) -> StatisticsPooling:
    """Make a pooling by name.

    Raises
    ------
    ConfigError
        If none has that name.
    """
    if name not in POOLINGS:
        known = ", ".join(POOLINGS)
        raise ConfigError(f"model.pooling must be one of {known}, got {name!r}")
    return POOLINGS[name](channels)
