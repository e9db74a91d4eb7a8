"""An input that was too loud: the peaks are cut off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from affekt.augment.waveform import Samples, WaveformTransform, check_range


def clip_share(samples: Samples, share: float) -> Samples:
    """Cut the loudest ``share`` of the samples, of either sign, to one level.

    The level is that of the recording, so quiet recordings are cut as much as loud ones.
    Silence and a constant come out as they are.
    """
    cut = round(share * len(samples))
    if cut == 0:
        return np.array(samples)
    magnitude = np.abs(samples)
    rank = max(0, len(samples) - cut - 1)
    level = np.partition(magnitude, rank)[rank]
    return np.clip(samples, -level, level)


@dataclass(frozen=True)
class Clipping(WaveformTransform):
    """Cut off a drawn share of the samples; the length stays.

    Parameters
    ----------
    min_share, max_share : float
        Range of the share of the samples that are cut.
    """

    name: ClassVar[str] = "clipping"
    min_share: float = 0.0
    max_share: float = 0.1

    def __post_init__(self) -> None:
        check_range(self.name, "share", self.min_share, self.max_share, 0, 0.5)

    def _apply(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        return clip_share(samples, rng.uniform(self.min_share, self.max_share))
