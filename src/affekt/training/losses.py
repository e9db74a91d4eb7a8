"""Losses on logits with soft targets."""

from __future__ import annotations

import torch
from torch import Tensor

_IMPOSSIBLE = -1e4  # a logit that leaves no probability, yet no NaN where it meets a zero target


def soft_cross_entropy(
    logits: Tensor,
    targets: Tensor,
    allowed: Tensor,
    class_weights: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross entropy with soft targets, over the classes that a clip's corpus knows.

    Parameters
    ----------
    logits : Tensor [batch, classes]
    targets : Tensor [batch, classes]
        Rows sum to 1.
    allowed : Tensor [batch, classes], bool
        Classes left out of the softmax where False, so that a corpus without "calm" neither
        teaches nor forbids it.
    class_weights : Tensor [classes], optional
        Weight of each class's share of the loss.
    label_smoothing : float
        Probability spread evenly over the allowed classes.

    Returns
    -------
    Tensor []
        Mean over the batch, in nats.
    """
    log_probability = torch.log_softmax(logits.masked_fill(~allowed, _IMPOSSIBLE), dim=1)
    even = allowed / allowed.sum(dim=1, keepdim=True)
    targets = (1 - label_smoothing) * targets + label_smoothing * even
    if class_weights is not None:
        targets = targets * class_weights
    return -(targets * log_probability).sum(dim=1).mean()
