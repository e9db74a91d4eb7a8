"""How features are measured: one small set of options, with librosa's names."""

from __future__ import annotations

from dataclasses import dataclass

from affekt.audio import MAX_RATE, MIN_RATE, SAMPLE_RATE
from affekt.errors import ConfigError

TRACKERS = ("swift-f0", "pyin")
"""What can find the pitch; the first is the default."""


@dataclass(frozen=True)
class FeatureSettings:
    """The grid of frames, the sizes of the feature families, and the range of the voice.

    Frames are centred, as in librosa: frame ``t`` is centred on sample ``t * hop_length`` and the
    clip is padded with zeros, so that every clip has ``1 + samples // hop_length`` frames.
    ``FeatureSettings(sample_rate=22050, n_fft=2048, hop_length=512, n_mels=128)`` is the default of
    librosa.

    Raises
    ------
    ConfigError
        If a value is impossible; the message names it.
    """

    sample_rate: int = SAMPLE_RATE
    """Hz; recordings of another rate are resampled first."""
    n_fft: int = 512
    """Samples of the window and of its Fourier transform; even."""
    hop_length: int = 160
    """Samples from one frame to the next."""
    n_mfcc: int = 13
    """Coefficients, the zeroth included."""
    n_mels: int = 40
    """Log-mel bands."""
    mfcc_mels: int = 0
    """Mel bands of the coefficients; 0 is `n_mels`."""
    fmin: float = 0.0
    """Lowest edge of the mel bands, Hz."""
    fmax: float = 0.0
    """Highest edge of the mel bands, Hz; 0 is half the sample rate."""
    chroma_n_fft: int = 2048
    """Samples of the longer window that chroma needs to tell low notes apart; even."""
    pitch: str = TRACKERS[0]
    """What finds the pitch: swift-f0, or pyin (needs librosa)."""
    pitch_min: float = 60.0
    """Lowest pitch that is looked for, Hz."""
    pitch_max: float = 600.0
    """Highest pitch that is looked for, Hz."""

    def __post_init__(self) -> None:
        nyquist = self.sample_rate / 2
        top = self.fmax or nyquist
        checks = (
            ("sample_rate", MIN_RATE <= self.sample_rate <= MAX_RATE, f"{MIN_RATE} to {MAX_RATE}"),
            ("n_fft", self.n_fft >= 16 and self.n_fft % 2 == 0, "an even number from 16 on"),
            ("hop_length", 1 <= self.hop_length <= self.n_fft, "from 1 to n_fft"),
            ("n_mels", 1 <= self.n_mels <= self.n_fft // 2, "from 1 to n_fft / 2"),
            ("mfcc_mels", 0 <= self.mfcc_mels <= self.n_fft // 2, "from 0 to n_fft / 2"),
            ("n_mfcc", 1 <= self.n_mfcc <= self.bands, f"from 1 to the {self.bands} mel bands"),
            ("fmax", 0 < top <= nyquist, f"up to half the sample rate, {nyquist:g}"),
            ("fmin", 0 <= self.fmin < top, f"from 0 to below fmax, {top:g}"),
            (
                "chroma_n_fft",
                self.chroma_n_fft >= self.hop_length and self.chroma_n_fft % 2 == 0,
                "an even number, at least hop_length",
            ),
            ("pitch", self.pitch in TRACKERS, f"one of {', '.join(TRACKERS)}"),
            ("pitch_min", 47 <= self.pitch_min < self.pitch_max, "from 47 to below pitch_max"),
            ("pitch_max", self.pitch_max <= min(2000, nyquist), "up to 2000 and half the rate"),
        )
        for name, fits, expected in checks:
            if not fits:
                raise ConfigError(
                    f"features: {name} cannot be {getattr(self, name)!r}; expected {expected}"
                )

    @property
    def bands(self) -> int:
        """Mel bands that the coefficients are made from."""
        return self.mfcc_mels or self.n_mels

    @property
    def hop(self) -> float:
        """Seconds from one frame to the next."""
        return self.hop_length / self.sample_rate

    def frames(self, samples: int) -> int:
        """Return how many frames a clip of so many samples has."""
        return 1 + samples // self.hop_length


DEFAULT = FeatureSettings()
"""Windows of 32 ms every 10 ms at 16 kHz."""

TUTORIAL = FeatureSettings(n_fft=2048, hop_length=512, mfcc_mels=128)
"""What librosa's defaults, as tutorials use them, come to at 16 kHz: 13 MFCC, 40 log-mel bands."""
