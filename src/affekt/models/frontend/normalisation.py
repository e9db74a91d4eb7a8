"""Normalisation: what is removed from a recording before the encoder."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from affekt.models.frontend.config import PcenOptions

if TYPE_CHECKING:
    from affekt.models.layers.memory import Memory

SMALLEST_RMS = 1e-5  # full scale; keeps silence finite
TYPICAL_RMS = 0.05  # full scale, -26 dBFS: what recordings of speech are levelled to
# The least level that is divided by. Not added: the ONNX exporter drops what is as small as this
# from a sum, and digital silence would become 0 / 0.
_SMALLEST_LEVEL = SMALLEST_RMS**2
_SMALLEST_VARIANCE = 1e-3  # so that a channel that hardly moves is not blown up


def divide_by_level(waveform: Tensor) -> Tensor:
    """Divide recordings ``[batch, samples]`` by their RMS."""
    rms = (waveform * waveform).mean(dim=1, keepdim=True).sqrt()
    return waveform / (rms + SMALLEST_RMS)


class LocalLevel(nn.Module):
    """The mean square of a waveform around each frame, from its power spectrum.

    The stretch around a frame ends where the recording ends, so that a short one is divided by
    its own level and nothing before or after it is made up.
    """

    def __init__(self, window: np.ndarray, n_fft: int, past: int, future: int) -> None:
        super().__init__()
        self.past, self.future = past, future
        # Parseval: the power of all bins over that of the window is the mean square.
        bins = np.arange(n_fft // 2 + 1)
        both_sides = np.where((bins == 0) | (bins == n_fft // 2), 1.0, 2.0)
        per_bin = both_sides / (n_fft * (window**2).sum())
        bank = torch.from_numpy(per_bin).float()[None, :, None]
        self.register_buffer("per_bin", bank, persistent=False)
        self.register_buffer("stretch", torch.ones(1, 1, past + 1 + future), persistent=False)
        self.per_bin: Tensor
        self.stretch: Tensor

    def frame_level(self, power: Tensor) -> Tensor:
        """Mean square of each frame ``[batch, 1, frames]`` of ``[batch, bins, frames]``."""
        return nn.functional.conv1d(power, self.per_bin)

    def forward(self, power: Tensor) -> Tensor:
        """Divide power ``[batch, bins, frames]`` by the level around each frame."""
        level = self.frame_level(power)
        around = nn.functional.pad(level, (self.past, self.future))
        there = nn.functional.pad(torch.ones_like(level), (self.past, self.future))
        total = nn.functional.conv1d(around, self.stretch)
        mean = total / nn.functional.conv1d(there, self.stretch)
        return power / mean.clamp(min=_SMALLEST_LEVEL)

    def step(self, power: Tensor, mask: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Level around each of the frames ``future`` before these, and their mask.

        Both are ``[batch, 1, frames]``.

        Parameters
        ----------
        power : Tensor [batch, bins, frames]
        mask : Tensor [batch, 1, frames]
            1 for frames within the recording.
        memory : Memory
        """
        around = memory.join(self.frame_level(power) * mask, self.past + self.future)
        there = memory.join(mask, self.past + self.future)
        total = nn.functional.conv1d(around, self.stretch)
        count = nn.functional.conv1d(there, self.stretch)
        level = (total / count.clamp(min=1)).clamp(min=_SMALLEST_LEVEL)
        return level, there.narrow(2, self.past, mask.shape[2])


def standardise(features: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Give each channel of each recording mean 0 and variance 1 over its frames.

    Parameters
    ----------
    features : Tensor [batch, channels, frames]
    lengths : Tensor [batch], optional
        Frames of each row that are not padding.

    Returns
    -------
    Tensor [batch, channels, frames]
    """
    if lengths is None:
        centred = features - features.mean(dim=2, keepdim=True)
        variance = (centred * centred).mean(dim=2, keepdim=True)
    else:
        mask = frame_mask(features, lengths)
        count = lengths.to(features.dtype)[:, None, None]
        centred = features - (features * mask).sum(dim=2, keepdim=True) / count
        variance = (centred * centred * mask).sum(dim=2, keepdim=True) / count
    return centred / (variance + _SMALLEST_VARIANCE).sqrt()


def frame_mask(features: Tensor, lengths: Tensor) -> Tensor:
    """1 for frames and 0 for padding ``[batch, 1, frames]``."""
    steps = torch.arange(features.shape[2], device=features.device)
    return (steps < lengths[:, None]).to(features.dtype)[:, None]


class Pcen(nn.Module):
    """Per-channel energy normalisation (Wang et al., 2017), equal to ``librosa.pcen``.

    ``(power / (eps + slow)^gain + bias)^exponent - bias^exponent``, where ``slow`` follows each
    band like a level meter: ``slow[t] = (1 - rate) * slow[t - 1] + rate * power[t]``, from 1 on.
    """

    def __init__(self, options: PcenOptions, frames_per_second: float) -> None:
        super().__init__()
        self.options = options
        self.rate = options.rate(frames_per_second)
        self.memory = options.memory(frames_per_second)

    def forward(self, power: Tensor) -> Tensor:
        """Normalise power ``[batch, bands, frames]``; same shape out."""
        gain, bias, exponent = self.options.gain, self.options.bias, self.options.power
        eps = self.options.eps
        # Written with expm1 and log1p, as librosa does, for the digits of what is quiet.
        smooth = torch.exp(-gain * (math.log(eps) + torch.log1p(self.slow_level(power) / eps)))
        return math.pow(bias, exponent) * torch.expm1(exponent * torch.log1p(power * smooth / bias))

    def slow_level(self, power: Tensor) -> Tensor:
        """First-order low pass over time ``[batch, bands, frames]``.

        A graph has no recursion. But the filter's answer to an impulse, ``kept^n``, cut off where
        it has died away, is the product of ``1 + kept^m z^-m`` over m = 1, 2, 4, ...: as many
        shifted additions as the logarithm of its length.
        """
        kept, frames = 1 - self.rate, power.shape[2]
        level, shift = self.rate * power, 1
        while shift < self.memory:
            level = level + kept**shift * _delayed(level, shift)
            shift *= 2
        steps = torch.arange(1, frames + 1, device=power.device, dtype=power.dtype)
        return level + torch.exp(steps * math.log(kept))


def _delayed(x: Tensor, frames: int) -> Tensor:
    """Shift in time by so many frames, zeros coming in."""
    return nn.functional.pad(x, (frames, 0))[:, :, : x.shape[2]]
