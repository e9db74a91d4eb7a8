"""CutMix in time: a stretch of another recording, with as much of its label (Yun et al., 2019)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from affekt.augment.waveform import check_probability
from affekt.errors import ConfigError


@dataclass(frozen=True)
class CutMix:
    """Draw which frames of each recording of a batch come from another one.

    Parameters
    ----------
    probability : float
        Share of the batches that are cut, and not blended by mixup.
    alpha : float
        Both parameters of the beta distribution that the share of the frames is drawn from.
    """

    probability: float = 0.0
    alpha: float = 1.0

    def __post_init__(self) -> None:
        check_probability("cutmix", self.probability)
        if self.alpha <= 0:
            raise ConfigError(f"cutmix: alpha must be positive, got {self.alpha:g}")

    def draw(
        self, lengths: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Draw for one batch.

        Parameters
        ----------
        lengths : np.ndarray [shape=(batch,)]
            Frames of each recording that are not padding.

        Returns
        -------
        None
            If this batch is left as it is.
        taken : np.ndarray [shape=(batch, frames), bool]
            Frames that come from the partner: one stretch, within both recordings.
        partner : np.ndarray [shape=(batch,), int]
        share : np.ndarray [shape=(batch,), float]
            How much of each recording, and so of its label, is left.
        """
        if self.probability == 0 or rng.random() >= self.probability:
            return None
        share = float(rng.beta(self.alpha, self.alpha))
        partner = rng.permutation(len(lengths))
        common = np.minimum(lengths, lengths[partner])
        width = np.round((1 - max(share, 1 - share)) * common).astype(int)
        start = (rng.random(len(lengths)) * (common - width + 1)).astype(int)
        frame = np.arange(int(lengths.max()))[None]
        taken = (frame >= start[:, None]) & (frame < (start + width)[:, None])
        return taken, partner, 1 - width / lengths
