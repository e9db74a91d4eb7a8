"""Transforms one after the other, and transforms that are only sometimes applied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from affekt.augment.waveform import Samples, WaveformTransform
from affekt.errors import ConfigError


@dataclass(frozen=True)
class Compose(WaveformTransform):
    """Apply transforms one after the other; without any, nothing changes.

    Parameters
    ----------
    transforms : tuple of WaveformTransform
    """

    name: ClassVar[str] = "compose"
    transforms: tuple[WaveformTransform, ...] = ()

    @property
    def keeps_length(self) -> bool:
        """Whether all of them do."""
        return all(transform.keeps_length for transform in self.transforms)

    def _apply(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        for transform in self.transforms:
            samples = transform(samples, sample_rate, rng)
        return samples


@dataclass(frozen=True)
class Sometimes(WaveformTransform):
    """Apply a transform to a share of the recordings; the others pass as they are.

    Parameters
    ----------
    probability : float
    transform : WaveformTransform
    """

    name: ClassVar[str] = "sometimes"
    probability: float
    transform: WaveformTransform

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ConfigError(
                f"{self.transform.name}: probability {self.probability:g} is not in [0, 1]"
            )

    @property
    def keeps_length(self) -> bool:
        """Whether the transform does."""
        return self.transform.keeps_length

    def _apply(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        if rng.random() < self.probability:
            return self.transform(samples, sample_rate, rng)
        return samples
