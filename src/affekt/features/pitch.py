"""The pitch of the voice, and how sure it is that there is voice, by one of two trackers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

import numpy as np

from affekt.audio import resample
from affekt.errors import ConfigError, MissingExtraError
from affekt.features.frames import Floats
from affekt.features.settings import DEFAULT, FeatureSettings

VOICED = 0.5
"""Voicing from which a frame counts as voiced."""

_SWIFT_RATE = 16_000  # Hz


@dataclass(frozen=True)
class Pitch:
    """The pitch of each frame of a clip."""

    hz: Floats
    """[frames]: the fundamental frequency; NaN where there is no voice."""
    voicing: Floats
    """[frames]: confidence that there is voice, from 0 to 1."""

    @property
    def voiced(self) -> np.ndarray:
        """Whether each frame is voiced: [frames], bool."""
        return np.isfinite(self.hz)


def track_pitch(samples: Floats, settings: FeatureSettings = DEFAULT) -> Pitch:
    """Find the pitch of each frame with the tracker that the settings name.

    A frame is voiced where the tracker's confidence is at least `VOICED` (pyin: where its own
    decoding says so). A clip without voice, or too short for the tracker, has NaN throughout.

    Parameters
    ----------
    samples : np.ndarray [shape=(samples,)]
        At the rate of the settings.

    Raises
    ------
    MissingExtraError, ConfigError
        If the tracker is not installed; the message says how to install it.
    """
    return _TRACKERS[settings.pitch](samples, settings)


def require_tracker(tracker: str) -> None:
    """Refuse, before the work, a tracker whose package is not installed.

    Raises
    ------
    MissingExtraError, ConfigError
        As `track_pitch` does.
    """
    package = {"swift-f0": "swift_f0", "pyin": "librosa"}[tracker]
    if find_spec(package) is None:
        if tracker == "swift-f0":
            raise MissingExtraError("features", package)
        _other(package)


def _swift_f0(samples: Floats, settings: FeatureSettings) -> Pitch:
    """SwiftF0 (Nieradzik, 2025), a small network on a spectrogram; a frame every 16 ms."""
    resampled = resample(samples, settings.sample_rate, _SWIFT_RATE)
    if not len(resampled):
        return _unvoiced(settings.frames(len(samples)))
    try:
        found = _swift_detector().detect(
            resampled, _SWIFT_RATE, settings.pitch_min, settings.pitch_max
        )
    except ImportError:
        raise MissingExtraError("features", "swift_f0") from None
    times = np.arange(settings.frames(len(samples))) * settings.hop
    return on_grid(found.timestamps, found.pitch_hz, found.confidence, times)


@lru_cache(maxsize=1)
def _swift_detector() -> Any:
    return import_module("swift_f0").SwiftF0(threads=1, spin=False)


def on_grid(at: np.ndarray, hz: np.ndarray, voicing: np.ndarray, times: np.ndarray) -> Pitch:
    """Bring a tracker's frames to other times.

    Parameters
    ----------
    at, hz, voicing : np.ndarray [shape=(n,)]
        Times in seconds, rising evenly, with the pitch and the confidence there.
    times : np.ndarray [shape=(frames,)]
        The times that are wanted.

    Returns
    -------
    Pitch
        Voicing is interpolated. So is the pitch between two voiced frames; beside an unvoiced
        one, the nearest counts, so that no pitch is mixed with what is none.
    """
    if len(at) == 1:
        at, hz, voicing = np.r_[at, at + 1], np.r_[hz, hz], np.r_[voicing, voicing]
    place = np.clip((times - at[0]) / (at[1] - at[0]), 0, len(at) - 1)
    low = np.minimum(place.astype(int), len(at) - 2)
    share = place - low  # from 0 to 1
    voiced = voicing >= VOICED
    both = voiced[low] & voiced[low + 1]
    nearest = low + (share > 0.5)
    pitch = np.where(both, (1 - share) * hz[low] + share * hz[low + 1], hz[nearest])
    pitch = np.where(both | voiced[nearest], pitch, np.nan)
    confidence = (1 - share) * voicing[low] + share * voicing[low + 1]
    return Pitch(pitch.astype(np.float32), confidence.astype(np.float32))


def _pyin(samples: Floats, settings: FeatureSettings) -> Pitch:
    """Probabilistic YIN (Mauch and Dixon, 2014) from librosa."""
    librosa = _other("librosa")
    _compile_pyin(librosa)
    # Room for two periods of the lowest pitch, as a power of two.
    length = 2 ** int(np.ceil(np.log2(2.2 * settings.sample_rate / settings.pitch_min)))
    count = settings.frames(len(samples))
    if not np.any(samples):
        return _unvoiced(count)
    hz, voiced, probability = librosa.pyin(
        samples,
        fmin=settings.pitch_min,
        fmax=settings.pitch_max,
        sr=settings.sample_rate,
        frame_length=max(length, settings.hop_length),
        hop_length=settings.hop_length,
    )
    return Pitch(
        np.where(voiced, hz, np.nan).astype(np.float32)[:count],
        probability.astype(np.float32)[:count],
    )


@lru_cache(maxsize=1)
def _compile_pyin(librosa: Any) -> None:
    """Have librosa's pYIN compiled by one process at a time.

    Numba keeps what it compiles in files, which processes that begin together write into each
    other: the code of one type is then found under the name of another, and crashes every process
    that runs it, for good.
    """
    with open(librosa.__file__, "rb") as lock, suppress(ImportError):
        import fcntl  # not on Windows

        fcntl.flock(lock, fcntl.LOCK_EX)
        librosa.pyin(np.zeros(4096, dtype=np.float32), fmin=75, fmax=500, sr=16000)


def _unvoiced(count: int) -> Pitch:
    return Pitch(np.full(count, np.nan, dtype=np.float32), np.zeros(count, dtype=np.float32))


def _other(package: str) -> Any:
    """Import what no extra of affekt installs."""
    try:
        return import_module(package)
    except (ImportError, OSError, RuntimeError) as error:  # torchaudio beside another torch's build
        found = find_spec(package) is not None
        reason = f"does not start ({_first_line(error)})" if found else "is not installed"
        raise ConfigError(
            f"this pitch tracker needs the package {package!r}, which {reason}: "
            f"{'mend' if found else 'pip install'} {package}, or use the default tracker, swift-f0"
        ) from None


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


_TRACKERS: Mapping[str, Callable[[Floats, FeatureSettings], Pitch]] = MappingProxyType(
    {"swift-f0": _swift_f0, "pyin": _pyin}
)
