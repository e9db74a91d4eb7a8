"""MFCC with first and second differences."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from affekt.models.frontend.config import DELTA_WIDTH, FrontendConfig
from affekt.models.frontend.log_mel import LogMel

_REACH = DELTA_WIDTH // 2
_DB_PER_NEPER = 10 / math.log(10)  # of power


class Mfcc(LogMel):
    """Mel-frequency cepstra, then their first and second differences.

    The cepstra are those of ``librosa.feature.mfcc`` (orthonormal DCT-II of the mel power in dB),
    the differences those of ``librosa.feature.delta``.
    """

    def __init__(self, config: FrontendConfig) -> None:
        super().__init__(config)
        unit = 1.0 if self.pcen is not None else _DB_PER_NEPER
        cosines = torch.from_numpy(unit * _dct(config.n_mfcc, config.n_mels)).float()
        self.register_buffer("cosines", cosines[:, :, None], persistent=False)
        slopes = torch.from_numpy(_difference_kernels()).float()
        self.register_buffer("slopes", slopes[:, None, None], persistent=False)
        self.cosines: Tensor
        self.slopes: Tensor

    def _derive(self, spectrum: Tensor, lengths: Tensor | None) -> Tensor:
        """``[batch, n_mels, frames]`` to ``[batch, 3 * n_mfcc, frames]``."""
        cepstra = nn.functional.conv1d(self._compressed(spectrum), self.cosines)
        return torch.cat([cepstra, self._differences(cepstra, lengths)], dim=1)

    def _differences(self, cepstra: Tensor, lengths: Tensor | None) -> Tensor:
        """First, then second differences ``[batch, 2 * n_mfcc, frames]``.

        Near an end, the polynomial is fitted to the outermost nine frames, so its slope is that
        of the fifth. Recordings shorter than that repeat their ends.
        """
        steps = torch.arange(cepstra.shape[2], device=cepstra.device)
        last = steps[-1:] if lengths is None else lengths[:, None] - 1  # [1] or [batch, 1]
        middle = last // 2
        first_whole = middle.clamp(max=_REACH)
        last_whole = torch.maximum(last - _REACH, middle)
        centre = torch.minimum(torch.maximum(steps, first_whole), last_whole)
        if lengths is not None:
            cepstra = _taken(cepstra, torch.minimum(steps, last)[:, None])
        padded = nn.functional.pad(cepstra[:, None], (_REACH, _REACH, 0, 0), mode="replicate")
        fitted = nn.functional.conv2d(padded, self.slopes).flatten(1, 2)
        return fitted[:, :, centre] if lengths is None else _taken(fitted, centre[:, None])


def _taken(x: Tensor, index: Tensor) -> Tensor:
    """Frames of ``[batch, channels, frames]`` by the index ``[batch, 1, frames]``."""
    return x.gather(2, index.expand(-1, x.shape[1], -1))


def _dct(n_mfcc: int, n_mels: int) -> np.ndarray:
    """Orthonormal DCT-II ``[n_mfcc, n_mels]``."""
    order, band = np.arange(n_mfcc)[:, None], np.arange(n_mels)
    matrix = np.sqrt(2 / n_mels) * np.cos(np.pi * order * (2 * band + 1) / (2 * n_mels))
    matrix[0] /= np.sqrt(2)
    return np.asarray(matrix)


def _difference_kernels() -> np.ndarray:
    """Slope of the straight line, and second derivative of the parabola, fitted to frames
    (Savitzky and Golay, 1964) ``[2, DELTA_WIDTH]``."""
    frame = np.arange(DELTA_WIDTH) - _REACH
    bend = frame**2 - np.mean(frame**2)
    return np.stack([frame / np.sum(frame**2), 2 * bend / np.sum(bend**2)])
