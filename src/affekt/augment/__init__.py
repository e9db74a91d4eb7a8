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

from collections.abc import Mapping, Sequence
from typing import Any

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
from affekt.augment.pad_ends import PadEnds
from affekt.augment.pitch_shift import PitchShift
from affekt.augment.random_crop import RandomCrop
from affekt.augment.random_shift import RandomShift
from affekt.augment.room_impulse_response import RoomImpulseResponse
from affekt.augment.spec_augment import SpecAugment
from affekt.augment.speed_perturbation import SpeedPerturbation
from affekt.augment.synthetic_noise import SyntheticNoise
from affekt.augment.time_stretch import TimeStretch
from affekt.augment.vocal_tract_length import VocalTractLength
from affekt.augment.warp import Warp
from affekt.augment.waveform import WaveformTransform
from affekt.config import build
from affekt.errors import ConfigError
from affekt.plugins import Registry

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
    "PadEnds",
    "PitchShift",
    "RandomCrop",
    "RandomShift",
    "RoomImpulseResponse",
    "Sometimes",
    "SpecAugment",
    "SpeedPerturbation",
    "SyntheticNoise",
    "TimeStretch",
    "VocalTractLength",
    "Warp",
    "WaveformTransform",
    "chain",
    "get_transform",
]


TRANSFORMS: Registry[type[WaveformTransform]] = Registry(
    "affekt.augmentations",
    WaveformTransform,
    {
        transform.name: transform
        for transform in (
            *(TimeStretch, PitchShift, SpeedPerturbation, VocalTractLength),
            *(BackgroundNoise, SyntheticNoise, RoomImpulseResponse, Codec),
            *(Gain, Clipping, Dropouts, RandomCrop, RandomShift, PadEnds),
        )
    },
)
"""Every waveform transform by the name that recipes and the command line use."""


def get_transform(name: str, options: Mapping[str, Any], where: str = "") -> WaveformTransform:
    """Make a transform by its name.

    Parameters
    ----------
    name : str
        A key of :data:`TRANSFORMS`.
    options : mapping
        Parameters of the transform.
    where : str
        Where the options stand, for messages; by default the transform's name.

    Raises
    ------
    ConfigError
        If the name or an option is unknown, or a value is impossible.
    """
    if name not in TRANSFORMS:
        raise ConfigError(
            f"{where + ': ' if where else ''}unknown transform {name!r}: "
            f"expected one of {', '.join(TRANSFORMS)}"
        )
    return build(TRANSFORMS[name], options, where or name)


def chain(tables: Sequence[Mapping[str, Any]], where: str) -> Compose:
    """Make the chain that a recipe describes.

    Parameters
    ----------
    tables : sequence of mapping
        One per transform, in order: its ``name``, the ``probability`` with which it is applied
        (1 by default), and its options.
    where : str
        Name of the list of tables, for messages.

    Raises
    ------
    ConfigError
        If a table is not understood.
    """
    steps = []
    for number, table in enumerate(tables):
        place = f"{where}[{number}]"
        options = dict(table)
        name, probability = options.pop("name", None), options.pop("probability", 1.0)
        if not isinstance(name, str):
            raise ConfigError(f"missing key {place}.name: one of {', '.join(TRANSFORMS)}")
        if isinstance(probability, bool) or not isinstance(probability, (int, float)):
            raise ConfigError(f"{place}.probability must be a number, got {probability!r}")
        steps.append(Sometimes(float(probability), get_transform(name, options, place)))
    return Compose(tuple(steps))
