"""A louder or quieter recording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from affekt.augment.waveform import Samples, WaveformTransform, check_range


@dataclass(frozen=True)
class Gain(WaveformTransform):
    """Multiply by a drawn gain; the length stays.

    Samples may leave [-1, 1]: add :class:`Clipping` to cut them. A frontend that normalises the
    level, as affekt's own does, removes it again.

    Parameters
    ----------
    min_gain_db, max_gain_db : float
        Range of the gain; 0 changes nothing.
    """

    name: ClassVar[str] = "gain"
    min_gain_db: float = -12.0
    max_gain_db: float = 6.0

    def __post_init__(self) -> None:
        check_range(self.name, "gain_db", self.min_gain_db, self.max_gain_db, -100, 40)

    def _apply(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        gain_db = rng.uniform(self.min_gain_db, self.max_gain_db)
        return np.asarray(samples * np.float32(10 ** (gain_db / 20)))
