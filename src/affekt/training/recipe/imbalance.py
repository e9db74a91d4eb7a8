"""Classes of unequal size: keys of ``[imbalance]``, and how often each clip is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from affekt.errors import ConfigError

SHUFFLE = "shuffle"

_SHARES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    SHUFFLE: lambda weight: weight,
    "square_root": np.sqrt,
    "balanced": lambda weight: (weight > 0).astype(float),
}

SAMPLERS: tuple[str, ...] = tuple(_SHARES)
"""``shuffle`` draws the classes as often as they occur, ``square_root`` in proportion to the
square root of that, ``balanced`` all equally often."""


def draw_probabilities(
    targets: np.ndarray, weights: np.ndarray, sampler: str = SHUFFLE
) -> np.ndarray | None:
    """Probability of each clip at each draw.

    The sampler decides on the shares of the classes; within a class, clips are drawn in
    proportion to their weights.

    Parameters
    ----------
    targets : np.ndarray [shape=(clips,), int]
        Class of each clip.
    weights : np.ndarray [shape=(clips,)]
        How often each clip is wanted relative to the others, e.g. by its corpus; positive.
    sampler : str
        One of `SAMPLERS`.

    Returns
    -------
    np.ndarray [shape=(clips,)] or None
        Sums to 1. None when all are drawn alike: then an epoch is a permutation, which sees
        every clip, rather than independent draws, which miss a third of them.
    """
    if sampler == SHUFFLE:
        return None if np.ptp(weights) == 0 else weights / weights.sum()
    of_class = np.bincount(targets, weights=weights)  # [classes]
    shares = _SHARES[sampler](of_class)
    shares = shares / shares.sum()
    return np.asarray(weights / of_class[targets] * shares[targets])


@dataclass(frozen=True)
class ImbalanceConfig:
    """Methods against imbalance, all off; ``training.class_weights`` is on beside them.

    Parameters
    ----------
    focal_gamma : float
        Exponent of the focal loss; 2 is usual, 0 turns it off.
    logit_adjustment : float
        Strength of the logit adjustment; 1 removes the classes' shares. Needs
        ``training.class_weights = false``.
    sampler : str
        ``"shuffle"``, ``"square_root"`` or ``"balanced"``. Class weights and logit adjustment
        even out only what the sampler has left uneven.
    smote : bool
        After training, fit the last layer again on embeddings evened out by SMOTE.
    smote_l2 : float
        Weight of the L2 distance of that layer from its trained weights.
    votes : float
        Weight, from 0 to 1, of the raters' votes against the intended label.
    """

    focal_gamma: float = 0.0
    logit_adjustment: float = 0.0
    sampler: str = SHUFFLE
    smote: bool = False
    smote_l2: float = 1e-3
    votes: float = 0.0

    def __post_init__(self) -> None:
        for name in ("focal_gamma", "logit_adjustment", "smote_l2"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ConfigError(f"imbalance.{name} must be 0 or more, got {getattr(self, name)}")
        if self.sampler not in SAMPLERS:
            known = ", ".join(SAMPLERS)
            raise ConfigError(f"imbalance.sampler must be one of {known}, got {self.sampler!r}")
        if not 0 <= self.votes <= 1:
            raise ConfigError(f"imbalance.votes must be in [0, 1], got {self.votes}")
