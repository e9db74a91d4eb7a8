"""The log-mel, which every frontend starts from.

The spectrum is a product of frames and a windowed Fourier basis, so the exported model takes a
waveform and there is no feature code left to drift between training and use.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from affekt.audio.mel import mel_filterbank
from affekt.models.frontend.base import Frontend
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
    from affekt.models.layers.memory import Memory


class LogMel(Frontend):
    """Waveform to log-mel frames, and these to features for the encoder.

    ``log(mel(|STFT(x / rms(x))|^2) + floor)``: dividing by the RMS of the recording makes the
    answer independent of how loud it was made. With the normalisation ``"local"`` it is the RMS
    around each frame; with ``"global"``, the one that recordings of speech are levelled to.
    """

    def __init__(self, config: FrontendConfig) -> None:
        super().__init__(config)
        # The basis and the filters follow from the configuration: they are constants of the
        # graph, not weights, and are left out of the saved state.
        for name, basis in (("cosine_basis", np.cos), ("sine_basis", np.sin)):
            values = torch.from_numpy(_half_basis(config, basis))
            self.register_buffer(name, values, persistent=False)
        filters = mel_filterbank(
            config.sample_rate, config.n_fft, config.n_mels, config.f_min, config.f_max
        )
        self.register_buffer("filters", torch.from_numpy(filters)[:, :, None], persistent=False)
        self.cosine_basis: Tensor
        self.sine_basis: Tensor
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

    def power(self, waveform: Tensor) -> Tensor:
        """Power spectrum ``[batch, n_fft // 2 + 1, frames]`` of ``[batch, samples]``."""
        window, hop = self.config.window, self.config.hop_length
        hops = waveform.shape[1] // hop
        needed = hops * hop + window - waveform.shape[1]
        padded = nn.functional.pad(waveform, (window // 2, needed - window // 2))
        return self._framed_power(padded, hops + 1)

    whole_basis: Tensor | None = None

    def use_whole_basis(self) -> None:
        """From now on, multiply whole frames with the whole basis, ``[2 * bins, window]``.

        The same numbers from twice the work, in the form that LiteRT runs and quantises well.
        """
        self.whole_basis = torch.from_numpy(_whole_basis(self.config))

    def _framed_power(self, samples: Tensor, count: int) -> Tensor:
        """Power spectrum ``[batch, bins, count]`` of the frames that make up ``[batch, samples]``.

        A cosine is the same on both sides of the middle of a frame and a sine is the opposite, so
        that what is added, or subtracted, first needs half the products.
        """
        frames, middle = self._frames(samples, count), self.config.window // 2
        if self.whole_basis is not None:
            return _power(*(frames @ self.whole_basis.T).transpose(1, 2).chunk(2, dim=1))
        frames = frames.transpose(1, 2)  # [batch, window, frames]
        after, before = frames[:, middle:], frames[:, 1 : middle + 1].flip(1)
        return _power(self.cosine_basis @ (after + before), self.sine_basis @ (after - before))

    def _frames(self, samples: Tensor, count: int) -> Tensor:
        """Overlapping frames ``[batch, count, window]``, put together from blocks.

        The count is given, and lengths are never cut off but taken, so that an export has the
        shape of everything that follows.
        """
        window, hop = self.config.window, self.config.hop_length
        block = math.gcd(window, hop)
        step, more = hop // block, (window // block - 1) // (hop // block)
        samples = nn.functional.pad(samples, (0, more * hop - (window - hop)))
        hops = samples.reshape(samples.shape[0], count + more, step, block)
        parts = [
            hops[:, :, first % step].narrow(1, first // step, count)
            for first in range(window // block)
        ]
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
        """Second stage: the encoder's input.

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
        whole = (frames - 1) * config.hop_length + config.window
        power = self._framed_power(joined[:, 0].narrow(1, 0, whole), frames)
        mask = memory.delay(valid, self._wait)
        mel_power = nn.functional.conv1d(power, self.filters)
        if self.local_level is not None:
            level, mask = self.local_level.step(power, mask, memory)
            mel_power = memory.delay(mel_power, self.local_level.future) / level
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


def _power(real: Tensor, imaginary: Tensor) -> Tensor:
    return real * real + imaginary * imaginary


def hann(length: int) -> np.ndarray:
    """Periodic Hann window ``[length]``."""
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length))


def _half_basis(config: FrontendConfig, wave: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Windowed cosines or sines of the bins 0 to n_fft / 2, from the middle of a frame to its end.

    Counted from the middle, which changes the phase and not the power. The middle itself is on
    both sides, so that it counts half.

    Returns
    -------
    np.ndarray [shape=(bins, window / 2)]
    """
    time = np.arange(config.window // 2)
    angle = 2 * np.pi * np.arange(config.n_fft // 2 + 1)[:, None] * time / config.n_fft
    basis = wave(angle) * hann(config.window)[config.window // 2 :]
    basis[:, 0] /= 2
    return np.asarray(basis, dtype=np.float32)


def _whole_basis(config: FrontendConfig) -> np.ndarray:
    """Windowed cosines, then sines, of the bins 0 to n_fft / 2 ``[2 * bins, window]``."""
    time = np.arange(config.window)
    angle = 2 * np.pi * np.arange(config.n_fft // 2 + 1)[:, None] * time / config.n_fft
    basis = np.concatenate([np.cos(angle), np.sin(angle)]) * hann(config.window)
    return np.asarray(basis, dtype=np.float32)
