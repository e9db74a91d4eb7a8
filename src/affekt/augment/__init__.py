"""Augmentation: what may change in a recording while the emotion stays.

One transform per file, each a frozen dataclass of its options, called with an explicit
:class:`numpy.random.Generator`; the same generator state gives the same result, in a new array.

- Waveform transforms take ``[samples]`` or ``[batch, samples]`` and the sample rate.
  :data:`TRANSFORMS` has them by name; :class:`Compose` and :class:`Sometimes` make chains.
- Spectral transforms take mel power or log-mel ``[batch, n_mels, frames]``; :class:`Warp` draws
  how much faster and higher each clip becomes.
- :class:`Mixup` and :class:`CutMix` draw how the recordings of a batch share their labels.
"""

from __future__ import annotations

from affekt.augment.babble import Babble
from affekt.augment.background_noise import BackgroundNoise
from affekt.augment.band_limit import BandLimit
from affekt.augment.channel_tilt import ChannelTilt
from affekt.augment.clipping import Clipping
from affekt.augment.codec import Codec
from affekt.augment.compose import Compose, Sometimes
from affekt.augment.cutmix import CutMix
from affekt.augment.dropouts import Dropouts
from affekt.augment.gain import Gain
from affekt.augment.mixup import Mixup
from affekt.augment.moving_noise import MovingNoise
from affekt.augment.noise_floor import NoiseFloor
from affekt.augment.pitch_shift import PitchShift
from affekt.augment.random_crop import RandomCrop
from affekt.augment.random_shift import RandomShift
from affekt.augment.registry import TRANSFORMS, chain, get_transform
from affekt.augment.room_impulse_response import RoomImpulseResponse
from affekt.augment.spec_augment import SpecAugment
from affekt.augment.speed_perturbation import SpeedPerturbation
from affekt.augment.time_stretch import TimeStretch
from affekt.augment.vocal_tract_length import VocalTractLength
from affekt.augment.warp import Warp
from affekt.augment.waveform import WaveformTransform

__all__ = [
    "TRANSFORMS",
    "Babble",
    "BackgroundNoise",
    "BandLimit",
    "ChannelTilt",
    "Clipping",
    "Codec",
    "Compose",
    "CutMix",
    "Dropouts",
    "Gain",
    "Mixup",
    "MovingNoise",
    "NoiseFloor",
    "PitchShift",
    "RandomCrop",
    "RandomShift",
    "RoomImpulseResponse",
    "Sometimes",
    "SpecAugment",
    "SpeedPerturbation",
    "TimeStretch",
    "VocalTractLength",
    "Warp",
    "WaveformTransform",
    "chain",
    "get_transform",
]
