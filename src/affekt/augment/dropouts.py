"""Lost packets: moments of nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from affekt.augment.waveform import Samples, WaveformTransform, check_range
from affekt.errors import ConfigError


@dataclass(frozen=True)
class Dropouts(WaveformTransform):
    """Silence some short stretches, none of which touches another; the length stays.

    The recording is divided into as many equal parts as there are dropouts, and each part loses
    one stretch of at most half its length: however short the recording, half of it stays.

    Parameters
    ----------
    min_count, max_count : int
        Range of the number of dropouts.
    min_ms, max_ms : float
        Range of the duration of each. A network's packets hold 20 ms.
    """

    name: ClassVar[str] = "dropouts"
    min_count: int = 1
    max_count: int = 5
    min_ms: float = 10.0
    max_ms: float = 60.0

    def __post_init__(self) -> None:
        check_range(self.name, "count", self.min_count, self.max_count, 0, 1000)
        check_range(self.name, "ms", self.min_ms, self.max_ms, 0, 10_000)
        if self.max_count == 0:
            raise ConfigError("dropouts: max_count 0 would drop nothing: leave the transform out")

    def _apply(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        count = int(rng.integers(self.min_count, self.max_count + 1))
        durations_ms = rng.uniform(self.min_ms, self.max_ms, count)
        places = rng.random(count)
        edges = np.linspace(0, len(samples), count + 1).astype(int)
        dropped = np.array(samples)
        for i in range(count):
            part = edges[i + 1] - edges[i]
            width = min(round(durations_ms[i] * sample_rate / 1000), part // 2)
            # One sample at the end of each part stays, so that neighbours keep apart.
            start = edges[i] + int(places[i] * max(part - width, 1))
            dropped[start : start + width] = 0.0
        return dropped
