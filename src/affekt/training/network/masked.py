"""Masked prediction: learning to hear by guessing what was hidden, without any label.

Stretches of every recording are hidden, and the encoder's frames have to say what was there, as
in masked autoencoders for spectrograms (Huang et al., "Masked Autoencoders that Listen", 2022).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MaskedPrediction(nn.Module):
    """Hides stretches of features, and tells how badly they are guessed.

    Parameters
    ----------
    embedding : int
        Channels of the encoder's frames.
    rows : int
        Channels of the features.
    stride : int
        Feature frames per frame of the encoder.
    share : float
        Of the frames that are hidden, about.
    span : int
        Length of a hidden stretch, in feature frames.
    """

    def __init__(self, embedding: int, rows: int, stride: int, share: float, span: int) -> None:
        super().__init__()
        self.rows, self.stride, self.share, self.span = rows, stride, share, span
        self.guess = nn.Conv1d(embedding, rows * stride, 1)

    def hide(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Set stretches to zero, the mean of standardised features.

        Parameters
        ----------
        features : Tensor [batch, rows, frames]

        Returns
        -------
        Tensor [batch, rows, frames]
        Tensor [batch, 1, frames], bool
            Where something is hidden.
        """
        batch, _, frames = features.shape
        # Stretches may overlap: with this rate of beginnings, the share is hidden in the mean.
        rate = 1 - (1 - self.share) ** (1 / self.span)
        begins = torch.rand(batch, 1, frames, device=features.device) < rate
        reach = nn.functional.pad(begins.to(features.dtype), (self.span - 1, 0))
        hidden = nn.functional.max_pool1d(reach, self.span, stride=1) > 0
        return features.masked_fill(hidden, 0.0), hidden

    def forward(self, frames: Tensor, features: Tensor, hidden: Tensor) -> Tensor:
        """Mean squared error of what the frames say of the hidden features.

        Parameters
        ----------
        frames : Tensor [batch, embedding, ceil(frames / stride)]
        features : Tensor [batch, rows, frames]
            Before anything was hidden.
        hidden : Tensor [batch, 1, frames], bool
            Where it counts.

        Returns
        -------
        Tensor []
        """
        batch, _, count = frames.shape
        guessed = self.guess(frames).reshape(batch, self.rows, self.stride, count)
        guessed = guessed.transpose(2, 3).reshape(batch, self.rows, count * self.stride)
        errors = (guessed[..., : features.shape[2]].float() - features.float()) ** 2
        mean = errors.mean(dim=1, keepdim=True)  # [batch, 1, frames]
        return torch.div((mean * hidden).sum(), hidden.sum().clamp_min(1))
