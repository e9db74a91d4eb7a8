"""The log-mel, which every frontend starts from.

The spectrum is a strided convolution with a windowed Fourier basis, so the exported model
takes a waveform and there is no feature code left to drift between training and use.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from affekt.mel import mel_filterbank
from affekt.models.frontend.config import FrontendConfig
from affekt.models.frontend.normalisation import (
    TYPICAL_RMS,
    LocalLevel,
    Pcen,
    divide_by_level,
    frame_mask,
    standardise,
)

if TYPE_CHECKING:
    from affekt.models.memory import Memory


class LogMel(nn.Module):
    """Waveform to log-mel frames, and these to features for the encoder.

    ``log(mel(|STFT(x / rms(x))|^2) + floor)``: dividing by the RMS of the recording makes the
    answer independent of how loud it was made. With the normalisation ``"local"`` it is the RMS
    around each frame; with ``"global"``, the one that recordings of speech are levelled to.
    """

    def __init__(self, config: FrontendConfig) -> None:
        super().__init__()
        self.config = config
        # The basis and the filters follow from the configuration: they are constants of the
        # graph, not weights, and are left out of the saved state.
        self.register_buffer("basis", torch.from_numpy(_fourier_basis(config)), persistent=False)
        filters = mel_filterbank(
            config.sample_rate, config.n_fft, config.n_mels, config.f_min, config.f_max
        )
        self.register_buffer("filters", torch.from_numpy(filters)[:, :, None], persistent=False)
        self.basis: Tensor
        self.filters: Tensor
        self.local_level = (
            LocalLevel(hann(config.window), config.n_fft, *config.level_frames)
            if config.normalisation == "local"
            else None
        )
        self.pcen = (
            Pcen(config.pcen, config.frames_per_second) if config.normalisation == "pcen" else None
        )

    def mel_power(self, waveform: Tensor) -> Tensor:
        """Mel-band power, equal to ``librosa.feature.melspectrogram`` with zero padding.

        Parameters
        ----------
        waveform : Tensor [batch, samples]

        Returns
        -------
        Tensor [batch, n_mels, frames], with ``frames = samples // hop_length + 1``
        """
        return nn.functional.conv1d(self.power(waveform), self.filters)

    in_frames: bool = False
    """Cut frames and multiply them with the basis instead of convolving: the same numbers, in the
    form that LiteRT runs and quantises well."""

    def power(self, waveform: Tensor) -> Tensor:
        """Power spectrum ``[batch, n_fft // 2 + 1, frames]`` of ``[batch, samples]``."""
        if self.in_frames:
            return _power((self._frames(waveform) @ self.basis[:, 0].T).transpose(1, 2))
        return self._framed_power(waveform[:, None], padding=self.config.window // 2)

    def _framed_power(self, waveform: Tensor, padding: int) -> Tensor:
        return _power(
            nn.functional.conv1d(
                waveform, self.basis, stride=self.config.hop_length, padding=padding
            )
        )

    def _frames(self, waveform: Tensor) -> Tensor:
        """Overlapping frames ``[batch, frames, window]``, put together from whole blocks."""
        window, hop = self.config.window, self.config.hop_length
        block = math.gcd(window, hop)
        count = waveform.shape[1] // hop + 1
        needed = (count - 1) * hop + window - waveform.shape[1]
        padded = nn.functional.pad(waveform, (window // 2, needed - window // 2))
        blocks = padded.reshape(len(padded), -1, block)  # [batch, blocks, block]
        step = hop // block
        parts = [blocks[:, first::step][:, :count] for first in range(window // block)]
        return torch.cat(parts, dim=2)

    def forward(self, waveform: Tensor) -> Tensor:
        """First stage: log-mel.

        Parameters
        ----------
        waveform : Tensor [batch, samples]
            At ``sample_rate``. All samples of a row count: pad what comes out, never waveforms.

        Returns
        -------
        Tensor [batch, n_mels, frames]
        """
        return self._log_mel(self.levelled_power(waveform))

    def features(self, spectrum: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Second stage: what the encoder sees.

        Parameters
        ----------
        spectrum : Tensor [batch, rows, frames]
            As the first stage gives it; rows may be padded with any finite value.
        lengths : Tensor [batch], optional
            Frames of each row that are not padding.

        Returns
        -------
        Tensor [batch, channels, frames]
            With the channels of the configuration. Padding stays padding.
        """
        if self.config.one_scale:
            return spectrum
        kind = spectrum.device.type
        if torch.is_autocast_enabled(kind):  # too few digits for slopes and for what is quiet
            with torch.autocast(kind, enabled=False):
                return self.features(spectrum, lengths)
        if lengths is not None:
            spectrum = spectrum.where(frame_mask(spectrum, lengths) > 0, 0.0)
        features = self._derive(spectrum, lengths)
        if self.config.normalisation == "utterance":
            features = standardise(features, lengths)
        return features

    @property
    def delay(self) -> int:
        """Frames by which :meth:`step` answers later than the newest whole one."""
        return self._wait + (self.local_level.future if self.local_level else 0)

    @property
    def _wait(self) -> int:
        """Frames until the half window after the middle of a frame has come in whole hops."""
        return math.ceil(self.config.window / 2 / self.config.hop_length) - 1

    def step(self, samples: Tensor, valid: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Log-mel of new samples, with what is remembered of those before.

        Parameters
        ----------
        samples : Tensor [batch, samples]
            A whole number of hops.
        valid : Tensor [batch, 1, frames]
            1 for the frames that lie within the recording, one for each hop.
        memory : Memory

        Returns
        -------
        log_mel : Tensor [batch, n_mels, frames]
            Of ``delay`` frames before.
        mask : Tensor [batch, 1, frames]
            1 where that is a frame of the recording.
        """
        config, frames = self.config, valid.shape[2]
        if config.normalisation == "global":
            samples = samples / TYPICAL_RMS
        before = config.window // 2 + self._wait * config.hop_length
        joined = memory.join(samples[:, None], before)
        power = self._framed_power(joined, padding=0)[:, :, :frames]
        mask = memory.delay(valid, self._wait)
        mel_power = nn.functional.conv1d(power, self.filters)
        if self.local_level is not None:
            level = self.local_level.step(power, mask, memory)
            future = self.local_level.future
            mel_power, mask = memory.delay(mel_power, future), memory.delay(mask, future)
            mel_power = mel_power / level
        return torch.log(mel_power + config.floor), mask

    def _derive(self, spectrum: Tensor, lengths: Tensor | None) -> Tensor:
        """What a kind makes of the first stage, before it is standardised."""
        return self._compressed(spectrum)

    def levelled_power(self, waveform: Tensor) -> Tensor:
        """Power spectrum ``[batch, bins, frames]`` after the level has been divided out."""
        if self.local_level is not None:
            power: Tensor = self.local_level(self.power(waveform))
            return power
        if self.config.normalisation == "global":
            return self.power(waveform / TYPICAL_RMS)
        return self.power(divide_by_level(waveform))

    def _log_mel(self, power: Tensor) -> Tensor:
        return torch.log(nn.functional.conv1d(power, self.filters) + self.config.floor)

    def _compressed(self, log_mel: Tensor) -> Tensor:
        """The log-mel, or the floored mel power compressed in another way."""
        return log_mel if self.pcen is None else self.pcen(torch.exp(log_mel))


def _power(spectrum: Tensor) -> Tensor:
    """Squared magnitude ``[batch, bins, frames]`` of cosines, then sines."""
    real, imaginary = spectrum.chunk(2, dim=1)
    return real * real + imaginary * imaginary


def hann(length: int) -> np.ndarray:
    """Periodic Hann window ``[length]``."""
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length))


def _fourier_basis(config: FrontendConfig) -> np.ndarray:
    """Windowed cosines, then sines, of the bins 0 to n_fft / 2 [2 * bins, 1, window]."""
    time = np.arange(config.window)
    angle = 2 * np.pi * np.arange(config.n_fft // 2 + 1)[:, None] * time / config.n_fft
    basis = np.concatenate([np.cos(angle), np.sin(angle)]) * hann(config.window)
    return np.asarray(basis[:, None], dtype=np.float32)
