"""Heads: the embedding of a span to what is said about it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from affekt.results import OUTPUTS

_EDGE = 0.02  # nearer to the ends of its range a sigmoid's input grows without limits


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


class ScalarHead(EmotionHead):
    """Map an embedding to one number, an output of the graph such as the intensity.

    ``[batch, embedding] -> [batch, 1]``; :meth:`value` maps that to the range of the number.

    Parameters
    ----------
    name : str
        One of `affekt.results.OUTPUTS`, which says the range: from 0 to 1 by a sigmoid, another
        range by clipping, without limits as it is.
    """

    def __init__(self, name: str, embedding_size: int, dropout: float) -> None:
        super().__init__(embedding_size, 1, dropout)
        info = OUTPUTS[name]
        self.limits: tuple[float | None, float | None] = (info.minimum, info.maximum)

    def value(self, embedding: Tensor) -> Tensor:
        """``[batch, embedding] -> [batch]``, within the range."""
        x: Tensor = self(embedding)[:, 0]
        if self.limits == (0.0, 1.0):
            return torch.sigmoid(x)
        return x if self.limits == (None, None) else x.clamp(*self.limits)

    def unlimited(self, values: np.ndarray) -> np.ndarray:
        """Return what the linear layer must give for values within the range."""
        if self.limits == (0.0, 1.0):
            inner = np.clip(values, _EDGE, 1 - _EDGE)
            return np.asarray(np.log(inner / (1 - inner)))
        return values


class AdversarialHead(nn.Module):
    """Classifier of speakers with reversed gradient (Ganin et al., 2016).

    Forwards it is a classifier; backwards its gradient is turned round, so that what lowers its
    own loss raises it in the encoder. For training only.
    """

    def __init__(self, embedding_size: int, n_classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm1d(embedding_size),
            nn.Linear(embedding_size, 64),
            nn.ReLU(),
            nn.Linear(64, n_classes),
        )

    def forward(self, embedding: Tensor) -> Tensor:
        """``[batch, embedding] -> [batch, classes]``."""
        turned: Tensor = _Reversal.apply(embedding)  # type: ignore[no-untyped-call]
        logits: Tensor = self.layers(turned)
        return logits


class _Reversal(torch.autograd.Function):
    """Nothing forwards, the opposite backwards."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Return what came in."""
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Return its gradient, turned round."""
        return -gradients[0]
