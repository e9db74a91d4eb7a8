"""Losses on logits with soft targets."""

from __future__ import annotations

import torch
from torch import Tensor

_IMPOSSIBLE = -1e4  # a logit that leaves no probability, yet no NaN where it meets a zero target
_RAREST = 1e-6  # share of a class without clips; keeps its logarithm finite


def soft_cross_entropy(
    logits: Tensor,
    targets: Tensor,
    allowed: Tensor,
    class_weights: Tensor | None = None,
    label_smoothing: float = 0.0,
    *,
    focal_gamma: float = 0.0,
    logit_shift: Tensor | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """Cross entropy with soft targets, over the classes of a clip's corpus.

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
    focal_gamma : float
        The share of class c is multiplied by ``(1 - p_c) ** focal_gamma``, so that what is
        answered well already counts less (Lin et al., "Focal Loss for Dense Object Detection",
        2017). 0 is plain cross entropy.
    logit_shift : Tensor [classes], optional
        Added to the logits before the softmax, see :func:`log_prior`.
    weights : Tensor [batch], optional
        Weight of each row of the batch, of mean 1.

    Returns
    -------
    Tensor []
        Mean over the batch, in nats.
    """
    if logit_shift is not None:
        logits = logits + logit_shift
    log_probability = torch.log_softmax(logits.masked_fill(~allowed, _IMPOSSIBLE), dim=1)
    even = allowed / allowed.sum(dim=1, keepdim=True)
    targets = (1 - label_smoothing) * targets + label_smoothing * even
    if class_weights is not None:
        targets = targets * class_weights
    if focal_gamma:
        # Of a class that is nearly certain, 1 - p is lost to rounding, and below a gamma of 1
        # its slope has no bound: expm1 keeps the digits, the smallest number the slope.
        missing = (-torch.expm1(log_probability)).clamp_min(torch.finfo(logits.dtype).tiny)
        targets = targets * missing**focal_gamma
    losses = -(targets * log_probability).sum(dim=1)
    return (losses if weights is None else losses * weights).mean()


def log_prior(sizes: Tensor, strength: float = 1.0) -> Tensor:
    """Logit adjustment: ``strength * log(share)`` of each class in the training data.

    Added to the logits while training, it leaves to the prior what the prior explains. Without
    it, at prediction, the logits then speak of classes that are all equally frequent, which is
    what UAR asks for (Menon et al., "Long-tail learning via logit adjustment", 2021).

    Parameters
    ----------
    sizes : Tensor [classes]
        Training clips of each class, or anything in proportion.
    strength : float
        1 removes the prior wholly, 0 leaves it alone.

    Returns
    -------
    Tensor [classes], float32
    """
    shares = sizes.float() / sizes.sum()
    return strength * torch.log(shares.clamp_min(_RAREST))
