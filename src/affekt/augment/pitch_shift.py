"""A higher or lower voice at the same tempo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from affekt.augment.speed_perturbation import resample_to
from affekt.augment.time_stretch import stretch_to
from affekt.augment.waveform import Samples, WaveformTransform, check_range


def pitch_shift(samples: Samples, semitones: float, sample_rate: int) -> Samples:
    """Move the pitch, and the formants with it, by semitones; as many samples come out.

    The recording is stretched by WSOLA, then played as much faster.
    """
    longer = max(1, round(len(samples) * 2 ** (semitones / 12)))
    return resample_to(stretch_to(samples, longer, sample_rate), len(samples))


@dataclass(frozen=True)
class PitchShift(WaveformTransform):
    """Move the pitch by a drawn number of semitones; the length stays.

    Parameters
    ----------
    min_semitones, max_semitones : float
        Range of the shift; twelve semitones are an octave. The formants move along, so beyond
        two or three semitones the speaker sounds like someone else.
    """

    name: ClassVar[str] = "pitch_shift"
    min_semitones: float = -2.0
    max_semitones: float = 2.0

    def __post_init__(self) -> None:
        check_range(self.name, "semitones", self.min_semitones, self.max_semitones, -12, 12)

    def _apply(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        return pitch_shift(
            samples, rng.uniform(self.min_semitones, self.max_semitones), sample_rate
        )
