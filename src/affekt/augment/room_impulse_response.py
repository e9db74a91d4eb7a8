"""The same voice in another room, by convolution with the room's impulse response."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from affekt.augment.sounds import SoundFolder
from affekt.augment.waveform import Samples, WaveformTransform, fast_length, mean_power


def reverberate(samples: Samples, response: Samples) -> Samples:
    """Convolve a recording with a room impulse response; length and level stay.

    The response begins with its direct sound, its largest sample: what comes before is cut off,
    so the voice is not delayed, and its sign is made positive. The tail beyond the recording's
    end is cut. The result has the RMS of the recording: a room changes the sound here, not the
    level. A unit impulse, at whatever delay and of whatever size, changes nothing.

    Parameters
    ----------
    samples : np.ndarray [shape=(samples,)]
    response : np.ndarray [shape=(taps,)]
        Not silent, at the recording's rate.

    Returns
    -------
    np.ndarray [shape=(samples,), float32]
    """
    direct = int(np.abs(response).argmax())
    taps = response[direct : direct + len(samples)] / response[direct]
    size = fast_length(len(samples) + len(taps) - 1)
    spectrum = np.fft.rfft(samples, size) * np.fft.rfft(taps, size)
    wet = np.fft.irfft(spectrum, size)[: len(samples)].astype(np.float32)
    power = mean_power(wet)
    if power == 0:
        return np.array(samples)
    return np.asarray(wet * np.float32(np.sqrt(mean_power(samples) / power)))


@dataclass(frozen=True)
class RoomImpulseResponse(WaveformTransform):
    """Put the recording into a drawn room; length and RMS stay.

    Parameters
    ----------
    folder : str
        Room impulse responses of any format and rate, in sub-folders of any depth, e.g.
        https://www.openslr.org/28.

    Raises
    ------
    DataError
        At the first call, if the folder holds none, or one that cannot be read or is silent.
    """

    name: ClassVar[str] = "room_impulse_response"
    folder: str

    @cached_property
    def _rooms(self) -> SoundFolder:
        return SoundFolder(Path(self.folder), self.name)

    def _apply(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        files = self._rooms.groups[0]
        room = files[int(rng.integers(len(files)))]
        return reverberate(samples, self._rooms.load(room, sample_rate))
