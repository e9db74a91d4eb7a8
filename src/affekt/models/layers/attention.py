"""Self-attention over the frames of a recording."""

from __future__ import annotations

from torch import Tensor, nn


class SelfAttention(nn.Module):
    """Every frame looks at every other (Vaswani et al., 2017): normalise, attend, add.

    Parameters
    ----------
    channels : int
        Of a frame; a multiple of ``heads``.
    heads : int
    dropout : float
        Share of the answer dropped while training.
    """

    def __init__(self, channels: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(channels)
        self.inputs = nn.Linear(channels, 3 * channels)
        self.output = nn.Linear(channels, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """``[batch, frames, channels]`` to the same shape; mask ``[batch, 1, frames]``."""
        batch, frames, channels = x.shape
        split = (batch, frames, 3, self.heads, channels // self.heads)
        query, key, value = self.inputs(self.norm(x)).reshape(split).permute(2, 0, 3, 1, 4)
        heard = None if mask is None else mask[:, None] > 0  # [batch, 1, 1, frames]
        y = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=heard)
        y = self.output(y.transpose(1, 2).reshape(batch, frames, channels))
        dropped: Tensor = self.dropout(y)
        return x + dropped


class FeedForward(nn.Module):
    """Two layers for each frame by itself: normalise, transform, add ``share`` of it."""

    def __init__(self, channels: int, hidden: int, dropout: float, share: float = 1.0) -> None:
        super().__init__()
        self.share = share
        self.layers = nn.Sequential(
            nn.LayerNorm(channels),
            nn.Linear(channels, hidden),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, channels),
            nn.Dropout(dropout),
        )
        self.hidden = hidden

    def forward(self, x: Tensor) -> Tensor:
        """``[..., channels]`` to the same shape."""
        y: Tensor = self.layers(x)
        return x + self.share * y
