"""Mixup: blends of two recordings with blends of their labels (Zhang et al., 2018)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from affekt.errors import ConfigError


@dataclass(frozen=True)
class Mixup:
    """Draw how each recording of a batch is blended with another one.

    Parameters
    ----------
    alpha : float
        Both parameters of the beta distribution that the share is drawn from; 0 blends nothing.
    """

    alpha: float = 0.2

    def __post_init__(self) -> None:
        if self.alpha < 0:
            raise ConfigError(f"mixup: alpha cannot be negative, got {self.alpha:g}")

    def draw(self, batch: int, rng: np.random.Generator) -> tuple[float, np.ndarray]:
        """Return the share of the first recording, from 0.5 to 1, and the partners ``[batch]``."""
        if self.alpha == 0:
            return 1.0, np.arange(batch)
        share = float(rng.beta(self.alpha, self.alpha))
        return max(share, 1 - share), rng.permutation(batch)
