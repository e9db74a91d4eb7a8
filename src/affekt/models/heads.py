"""Heads: the embedding of a span to what is said about it."""

from __future__ import annotations

from torch import nn


class EmotionHead(nn.Sequential):
    """Normalise, drop out, and map an embedding to one logit per emotion.

    ``[batch, embedding] -> [batch, classes]``
    """

    def __init__(self, embedding_size: int, n_classes: int, dropout: float) -> None:
        super().__init__(
            nn.BatchNorm1d(embedding_size),
            nn.Dropout(dropout),
            nn.Linear(embedding_size, n_classes),
        )
