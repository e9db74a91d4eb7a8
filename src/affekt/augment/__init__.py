"""Augmentation: what may change in a recording while the emotion stays.

One transform per file. Each is a frozen dataclass that is called with a batch of mel power
``[batch, n_mels, frames]`` or of log-mel and an explicit :class:`numpy.random.Generator`, and
returns a new batch; the same generator state gives the same result.
"""

from __future__ import annotations

from affekt.augment.band_limit import BandLimit
from affekt.augment.channel_tilt import ChannelTilt
from affekt.augment.mixup import Mixup
from affekt.augment.noise_floor import NoiseFloor
from affekt.augment.spec_augment import SpecAugment

__all__ = ["BandLimit", "ChannelTilt", "Mixup", "NoiseFloor", "SpecAugment"]
