"""Voicing, pitch and energy as rows below the log-mel."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from affekt.models.frontend.config import PITCH_FRAMES, FrontendConfig
from affekt.models.frontend.log_mel import LogMel, hann

_FLOOR = 1e-4  # mean square, relative to the recording: what is 40 dB below it is silent
_SHARPNESS = 150.0  # of the soft maximum: a peak 0.03 lower counts 1 %
_OCTAVE_COST = 0.04  # a period's multiples correlate as well as itself; the shortest is meant
_FINE_FROM = 200.0  # Hz; above it, half a sample more or less matters


class LogMelProsody(LogMel):
    """Log-mel; then voicing, pitch and energy, one row each.

    Voicing is the height of the highest peak of the autocorrelation, from 0 to 1 (Boersma, 1993).
    Pitch is where it lies, in octaves from the middle of the range, times the voicing: without a
    voice there is none, and the row is near 0. Energy is that of the frame, in dB relative to the
    recording.
    """

    def __init__(self, config: FrontendConfig) -> None:
        super().__init__(config)
        lags = _lags(config)
        octaves = np.log2(config.sample_rate / lags)
        middle = np.log2(config.pitch_min * config.pitch_max) / 2
        constants = {
            "correlations": _correlations(config, lags)[:, :, None],
            "octaves": (octaves - middle)[:, None],
            # Costs the longer lag of two that are an octave apart.
            "preference": _OCTAVE_COST * (octaves - octaves[0])[:, None],
        }
        for name, value in constants.items():
            self.register_buffer(name, torch.from_numpy(value).float(), persistent=False)
        self.correlations: Tensor
        self.octaves: Tensor
        self.preference: Tensor

    def forward(self, waveform: Tensor) -> Tensor:
        """``[batch, samples]`` to log-mel and prosody ``[batch, n_mels + 3, frames]``."""
        power = self.levelled_power(waveform)
        return torch.cat([self._log_mel(power), self._prosody(power)], dim=1)

    def _derive(self, spectrum: Tensor, lengths: Tensor | None) -> Tensor:
        n_mels = self.config.n_mels
        return torch.cat([self._compressed(spectrum[:, :n_mels]), spectrum[:, n_mels:]], dim=1)

    def _prosody(self, power: Tensor) -> Tensor:
        """Power spectrum ``[batch, bins, frames]`` to ``[batch, 3, frames]``."""
        correlation = nn.functional.conv1d(power, self.correlations)
        energy_db = 10 * torch.log10(correlation[:, :1] + _FLOOR)
        # One window is as long as two periods of a low voice: a few frames cover more of them.
        correlation = nn.functional.avg_pool1d(correlation, PITCH_FRAMES, 1, PITCH_FRAMES // 2)
        strength = correlation[:, 1:] / (correlation[:, :1] + _FLOOR)  # [batch, lags, frames]
        chosen = torch.softmax(_SHARPNESS * (strength + self.preference), dim=1)
        voicing = (chosen * strength).sum(dim=1, keepdim=True).clamp(0, 1)
        pitch = (chosen * self.octaves).sum(dim=1, keepdim=True) * voicing
        return torch.cat([voicing, pitch, energy_db], dim=1)


def _lags(config: FrontendConfig) -> np.ndarray:
    """Periods to try, in samples ``[lags]``: whole ones, and halves where the pitch is high."""
    shortest = np.floor(config.sample_rate / config.pitch_max)
    longest = np.ceil(config.sample_rate / config.pitch_min)
    lags = np.arange(shortest, longest + 0.5, 0.5)
    wanted = (lags % 1 == 0) | (lags < config.sample_rate / _FINE_FROM)
    return np.asarray(lags[wanted])


def _correlations(config: FrontendConfig, lags: np.ndarray) -> np.ndarray:
    """From a power spectrum to the mean square of the frame, and to its autocorrelation.

    The latter is divided by that of the window, so that a steady tone has the same at every
    period.

    Returns
    -------
    np.ndarray [shape=(1 + lags, n_fft // 2 + 1)]
    """
    bins = np.arange(config.n_fft // 2 + 1)
    both_sides = np.where((bins == 0) | (bins == config.n_fft // 2), 1.0, 2.0)
    cosines = np.cos(2 * np.pi * np.append(0, lags)[:, None] * bins / config.n_fft) * both_sides
    of_window = cosines @ np.abs(np.fft.rfft(hann(config.window), config.n_fft)) ** 2
    return np.asarray(cosines / of_window[:, None])
