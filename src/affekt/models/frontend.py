"""Log-mel frontend as part of the model graph.

The spectrum is a strided convolution with a windowed Fourier basis, so the exported model
takes a waveform and there is no feature code left to drift between training and use.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from affekt.errors import ConfigError
from affekt.models.mel import mel_filterbank

_SMALLEST_RMS = 1e-5  # full scale; keeps silence finite


@dataclass(frozen=True)
class FrontendConfig:
    """What the log-mel frontend computes.

    Parameters
    ----------
    sample_rate : int
        Hz of the waveform.
    n_fft : int
        Length of the Fourier transform in samples.
    window : int
        Length of the periodic Hann window in samples, centred in ``n_fft``.
    hop_length : int
        Samples from one frame to the next.
    n_mels : int
        Number of mel bands.
    f_min, f_max : float
        Range of the mel bands in Hz.
    floor : float
        Power added before the logarithm, relative to a recording of unit RMS. It hides what
        lies so far below the voice that it says more about the room than about the speaker.
    """

    sample_rate: int = 16000
    n_fft: int = 400
    window: int = 400
    hop_length: int = 200
    n_mels: int = 64
    f_min: float = 50.0
    f_max: float = 8000.0
    floor: float = 1e-3

    def __post_init__(self) -> None:
        if not 0 < self.window <= self.n_fft:
            raise ConfigError(f"frontend: window {self.window} must be in 1..n_fft={self.n_fft}")
        if self.window % 2 or self.n_fft % 2:
            raise ConfigError(
                f"frontend: window {self.window} and n_fft {self.n_fft} must be even, "
                f"so that one lies in the middle of the other"
            )
        if not 0 < self.hop_length <= self.window:
            raise ConfigError(f"frontend: hop_length {self.hop_length} must be in 1..window")
        if self.n_mels < 1:
            raise ConfigError(f"frontend: n_mels must be positive, got {self.n_mels}")
        if not 0 <= self.f_min < self.f_max <= self.sample_rate / 2:
            raise ConfigError(
                f"frontend: need 0 <= f_min < f_max <= {self.sample_rate / 2:g} Hz, "
                f"got {self.f_min:g} and {self.f_max:g}"
            )
        if self.floor <= 0:
            raise ConfigError(f"frontend: floor must be positive, got {self.floor:g}")

    @property
    def frames_per_second(self) -> float:
        """Frames per second of audio."""
        return self.sample_rate / self.hop_length


class LogMel(nn.Module):
    """Waveform to level-normalised log-mel frames.

    ``log(mel(|STFT(x / rms(x))|^2) + floor)``: dividing by the RMS of the recording makes the
    answer independent of how loud it was made.
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

    def mel_power(self, waveform: Tensor) -> Tensor:
        """Mel-band power, equal to ``librosa.feature.melspectrogram`` with zero padding.

        Parameters
        ----------
        waveform : Tensor [batch, samples]

        Returns
        -------
        Tensor [batch, n_mels, frames], with ``frames = samples // hop_length + 1``
        """
        spectrum = nn.functional.conv1d(
            waveform[:, None],
            self.basis,
            stride=self.config.hop_length,
            padding=self.config.window // 2,
        )
        real, imaginary = spectrum.chunk(2, dim=1)
        return nn.functional.conv1d(real * real + imaginary * imaginary, self.filters)

    def forward(self, waveform: Tensor) -> Tensor:
        """Level-normalised log-mel.

        Parameters
        ----------
        waveform : Tensor [batch, samples]
            At ``sample_rate``. All samples of a row count: pad features, never waveforms.

        Returns
        -------
        Tensor [batch, n_mels, frames]
        """
        rms = (waveform * waveform).mean(dim=1, keepdim=True).sqrt()
        return torch.log(self.mel_power(waveform / (rms + _SMALLEST_RMS)) + self.config.floor)


def _fourier_basis(config: FrontendConfig) -> np.ndarray:
    """Windowed cosines, then sines, of the bins 0 to n_fft / 2 [2 * bins, 1, window]."""
    time = np.arange(config.window)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * time / config.window)
    angle = 2 * np.pi * np.arange(config.n_fft // 2 + 1)[:, None] * time / config.n_fft
    basis = np.concatenate([np.cos(angle), np.sin(angle)]) * window
    return np.asarray(basis[:, None], dtype=np.float32)
