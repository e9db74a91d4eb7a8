"""What a frontend computes, as a frozen dataclass."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from affekt.errors import ConfigError

KINDS = ("log-mel", "mfcc", "log-mel+prosody", "waveform")
NORMALISATIONS = ("level", "local", "global", "utterance", "pcen")
WAVEFORM_NORMALISATIONS = ("level", "global")

DELTA_WIDTH = 9  # frames that a slope is fitted to
PROSODY_ROWS = 3  # voicing, pitch, energy
PITCH_FRAMES = 5  # frames whose autocorrelations are averaged


@dataclass(frozen=True)
class PcenOptions:
    """Per-channel energy normalisation, with the names and defaults of ``librosa.pcen``.

    Parameters
    ----------
    gain : float
        How much of a band's slow level is divided out: 0 nothing, 1 all of it.
    bias : float
        Added before the root; masks what is below it.
    power : float
        Exponent of the compression.
    time_constant : float
        Memory of the slow level in seconds.
    eps : float
        Smallest slow level.
    """

    gain: float = 0.98
    bias: float = 2.0
    power: float = 0.5
    time_constant: float = 0.4
    eps: float = 1e-6

    def __post_init__(self) -> None:
        if self.gain < 0:
            raise ConfigError(f"frontend.pcen: gain cannot be negative, got {self.gain:g}")
        for name in ("bias", "power", "time_constant", "eps"):
            if not getattr(self, name) > 0:
                value = getattr(self, name)
                raise ConfigError(f"frontend.pcen: {name} must be positive, got {value:g}")

    def rate(self, frames_per_second: float) -> float:
        """Share of the newest frame in the slow level, as librosa chooses it."""
        frames = self.time_constant * frames_per_second
        return float(((1 + 4 * frames**2) ** 0.5 - 1) / (2 * frames**2))

    def memory(self, frames_per_second: float) -> int:
        """Frames after which the slow level has forgotten all but a millionth; a power of 2."""
        kept, frames = 1 - self.rate(frames_per_second), 1
        while kept**frames > 1e-6:
            frames *= 2
        return frames


@dataclass(frozen=True)
class FrontendConfig:
    """What the frontend computes.

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
        Power added before the logarithm, relative to a recording of unit RMS. It masks
        background noise far below the voice.
    kind : str
        ``"log-mel"``; ``"mfcc"``: cepstra of the log-mel with first and second differences;
        ``"log-mel+prosody"``: below the log-mel, rows of voicing, pitch and energy; or
        ``"waveform"``: chunks of ``hop_length`` samples, for encoders of waveforms.
    normalisation : str
        ``"level"`` divides by the RMS of the recording, ``"local"`` by that of the seconds around
        each frame, which can stream; ``"global"`` keeps loudness; ``"utterance"`` gives each
        channel mean 0 and variance 1, ``"pcen"`` per-channel energy normalisation, both after
        ``"level"``.
    level_past, level_future : float
        Seconds before and after a frame whose RMS is its ``"local"`` level.
    n_mfcc : int
        Number of cepstra, the first of which is the level.
    pitch_min, pitch_max : float
        Range of the pitch in Hz.
    pcen : PcenOptions
    """

    sample_rate: int = 16000
    n_fft: int = 400
    window: int = 400
    hop_length: int = 200
    n_mels: int = 64
    f_min: float = 50.0
    f_max: float = 8000.0
    floor: float = 1e-3
    kind: str = "log-mel"
    normalisation: str = "level"
    level_past: float = 2.0
    level_future: float = 1.2
    n_mfcc: int = 13
    pitch_min: float = 75.0
    pitch_max: float = 500.0
    pcen: PcenOptions = field(default_factory=PcenOptions)

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
        if self.level_past < 0 or self.level_future < 0:
            raise ConfigError(
                f"frontend: level_past and level_future are seconds from 0 up, "
                f"got {self.level_past:g} and {self.level_future:g}"
            )
        for name, known in (("kind", KINDS), ("normalisation", NORMALISATIONS)):
            if getattr(self, name) not in known:
                raise ConfigError(
                    f"frontend: unknown {name} {getattr(self, name)!r}: "
                    f"expected one of {', '.join(known)}"
                )
        if self.kind == "waveform" and self.normalisation not in WAVEFORM_NORMALISATIONS:
            raise ConfigError(
                f"frontend: a waveform has the normalisation "
                f"{' or '.join(WAVEFORM_NORMALISATIONS)}, got {self.normalisation!r}"
            )
        if self.kind == "mfcc" and not 1 <= self.n_mfcc <= self.n_mels:
            raise ConfigError(f"frontend: n_mfcc {self.n_mfcc} must be in 1..n_mels={self.n_mels}")
        if self.kind == "log-mel+prosody":
            self._check_pitch()

    def _check_pitch(self) -> None:
        # Beyond two thirds of a Hann window, too little of it overlaps with itself.
        lowest = self.sample_rate / (self.window * 2 / 3)
        if not lowest <= self.pitch_min < self.pitch_max <= self.sample_rate / 4:
            raise ConfigError(
                f"frontend: a window of {self.window} samples needs {lowest:g} <= pitch_min < "
                f"pitch_max <= {self.sample_rate / 4:g} Hz, "
                f"got {self.pitch_min:g} and {self.pitch_max:g}"
            )
        # The autocorrelation from a spectrum is circular: at a lag it meets that of n_fft - lag,
        # which must lie where the window has died away.
        needed = math.ceil(self.sample_rate / self.pitch_min + 0.7 * self.window)
        if self.n_fft < needed:
            raise ConfigError(
                f"frontend: pitch from {self.pitch_min:g} Hz up needs n_fft of {needed} or more, "
                f"got {self.n_fft}: set n_fft = {2 ** math.ceil(math.log2(needed))}"
            )

    @property
    def frames_per_second(self) -> float:
        """Frames per second of audio."""
        return self.sample_rate / self.hop_length

    @property
    def spectral(self) -> bool:
        """Whether the first stage gives a log-mel, with or without rows below it."""
        return self.kind != "waveform"

    @property
    def channels(self) -> int:
        """Channels of the features, which the encoder takes."""
        if not self.spectral:
            return self.hop_length
        if self.kind == "mfcc":
            return 3 * self.n_mfcc
        return self.n_mels + (PROSODY_ROWS if self.kind == "log-mel+prosody" else 0)

    @property
    def one_scale(self) -> bool:
        """Whether all channels are alike enough to share the mean and scale of training data.

        Else each has its own.
        """
        if not self.spectral:
            return True
        return self.kind == "log-mel" and self.normalisation in ("level", "local")

    @property
    def level_frames(self) -> tuple[int, int]:
        """Frames before and after a frame that its local level is measured over."""
        past, future = self.level_past, self.level_future
        return round(past * self.frames_per_second), round(future * self.frames_per_second)

    @property
    def streamable(self) -> bool:
        """Whether the features can be computed chunk by chunk with a bounded look-ahead."""
        return self.kind == "log-mel" and self.normalisation in ("local", "global")

    @property
    def context(self) -> int | None:
        """Frames besides its own that a frame depends on; None when all of the recording.

        The level of the whole recording is left out of account.
        """
        if self.normalisation == "utterance":
            return None
        frames = {"mfcc": DELTA_WIDTH - 1, "log-mel+prosody": PITCH_FRAMES - 1}.get(self.kind, 0)
        if self.normalisation == "local":
            frames += sum(self.level_frames)
        if self.normalisation == "pcen":
            frames += self.pcen.memory(self.frames_per_second) - 1
        return frames
