"""Sounds from elsewhere: a street, music, people talking in the same room."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from affekt.augment.sounds import SoundFolder
from affekt.augment.waveform import Samples, WaveformTransform, check_range, mean_power
from affekt.errors import ConfigError

KINDS = ("noise", "music", "speech")
"""The sub-folders of MUSAN (https://www.openslr.org/17)."""

CROSSFADE_MS = 20
"""Overlap with which a sound that is too short is repeated."""

_ATTEMPTS = 8  # draws of a place before the loudest is taken


def mix(samples: Samples, noise: Samples, snr_db: float) -> Samples:
    """Add noise so that the mean power of the recording is ``snr_db`` above that of the noise.

    Both powers are means over the whole length. A silent recording has no such ratio and comes
    out as it is, as it does when the noise is silent.
    """
    power, noise_power = mean_power(samples), mean_power(noise)
    if power == 0 or noise_power == 0:
        return np.array(samples)
    level = np.sqrt(power / noise_power) * 10 ** (-snr_db / 20)
    return np.asarray(samples + noise * np.float32(level))


def loop(sound: Samples, length: int, sample_rate: int) -> Samples:
    """Repeat a sound to ``length`` samples, each time faded over into the next."""
    overlap = min(round(CROSSFADE_MS * sample_rate / 1000), len(sound) // 2)
    step = len(sound) - overlap
    repeats = -(-(length - overlap) // step) if length > len(sound) else 1
    looped = np.zeros(overlap + repeats * step, dtype=np.float32)
    # Square roots of the shares: what is unrelated adds up in power, not in amplitude.
    rise = np.sqrt((np.arange(overlap, dtype=np.float32) + 0.5) / max(overlap, 1))
    for i in range(repeats):
        piece = sound.copy()
        piece[:overlap] *= rise if i else 1.0
        piece[step:] *= rise[::-1] if i < repeats - 1 else 1.0
        looped[i * step : i * step + len(sound)] += piece
    return looped[:length]


@dataclass(frozen=True)
class BackgroundNoise(WaveformTransform):
    """Add a piece of a drawn sound at a drawn signal-to-noise ratio; the length stays.

    A folder with sub-folders called ``noise``, ``music`` or ``speech``, as MUSAN has them, is
    drawn from kind by kind; any other folder is one kind. Of ``speech`` several voices are laid
    over each other: a single one would bring an emotion of its own.

    Parameters
    ----------
    folder : str
        Sounds of any format and rate, in sub-folders of any depth.
    kinds : tuple of str
        Which of MUSAN's kinds to use; empty for those that are there.
    min_snr_db, max_snr_db : float
        Range of the signal-to-noise ratio, of mean powers over the whole recording.
    min_voices, max_voices : int
        Range of the number of voices of ``speech``.

    Raises
    ------
    DataError
        At the first call, if the folder holds no sounds, or one that cannot be read or is silent.
    """

    name: ClassVar[str] = "background_noise"
    folder: str
    kinds: tuple[str, ...] = ()
    min_snr_db: float = 5.0
    max_snr_db: float = 30.0
    min_voices: int = 3
    max_voices: int = 7

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in KINDS:
                raise ConfigError(
                    f"background_noise: unknown kind {kind!r}: expected {', '.join(KINDS)}"
                )
        check_range(self.name, "snr_db", self.min_snr_db, self.max_snr_db, -60, 120)
        check_range(self.name, "voices", self.min_voices, self.max_voices, 1, 100)

    @cached_property
    def _kinds(self) -> tuple[str, ...]:
        present = tuple(kind for kind in KINDS if (Path(self.folder) / kind).is_dir())
        return self.kinds or present

    @cached_property
    def _sounds(self) -> SoundFolder:
        return SoundFolder(Path(self.folder), self.name, self._kinds)

    def _apply(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        snr_db = rng.uniform(self.min_snr_db, self.max_snr_db)
        group = int(rng.integers(len(self._sounds.groups)))
        voices = 1
        if self._kinds and self._kinds[group] == "speech":
            voices = int(rng.integers(self.min_voices, self.max_voices + 1))
        noise = np.zeros_like(samples)
        files = self._sounds.groups[group]
        for chosen in rng.choice(len(files), voices, replace=voices > len(files)):
            sound = self._sounds.load(files[chosen], sample_rate)
            piece = _piece(sound, len(samples), sample_rate, rng)
            noise += piece / np.float32(np.sqrt(mean_power(piece)))
        return mix(samples, noise, snr_db)


def _piece(sound: Samples, length: int, sample_rate: int, rng: np.random.Generator) -> Samples:
    """A piece of a sound from a drawn place ``[length]``, not silent."""
    if len(sound) <= length:
        begin = int(rng.integers(len(sound)))
        return loop(sound, begin + length, sample_rate)[begin:]
    for _ in range(_ATTEMPTS):
        start = int(rng.integers(len(sound) - length + 1))
        if sound[start : start + length].any():
            return sound[start : start + length]
    start = min(int(np.abs(sound).argmax()), len(sound) - length)
    return sound[start : start + length]
