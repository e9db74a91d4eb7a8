"""How much of a sound is tones that hold their pitch: much of music, little of speech.

The pitch of a voice never rests, so that its harmonics move across the spectrum; the notes of an
instrument stay where they are. What is measured and what is missed is in `docs/input-quality.md`.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

TONE_FRAME = 0.064
"""Length of a frame, in seconds; frames do not overlap."""
TONE_FRAMES = 4
"""A tone holds where a peak of the spectrum stays in its bin for so many frames."""

_RATE = 8000  # Hz, about: what is above is not looked at, and need not be transformed
_FROM, _TO = 80.0, 3200.0  # Hz
_PIECE = 10.0  # seconds that are measured at once
_FAINTEST = 0.05  # of the largest, in the compressed measure: 52 dB below


class ToneMeter:
    """Measures the tones of a recording that comes block by block, in bounded memory."""

    def __init__(self) -> None:
        self._waiting: list[NDArray[np.float32]] = []
        self._length = 0  # samples that wait
        self._rate = 0
        self._held = self._total = 0.0

    def push(self, samples: NDArray[np.float32], rate: int) -> None:
        """Measure the next block [samples] or [samples, channels] at a rate in Hz."""
        self._rate = rate
        samples = _mono(samples)
        self._waiting.append(samples)
        self._length += len(samples)
        size = int(_PIECE * rate)
        if self._length < size:
            return
        # Pieces of one length, so that it does not matter how the recording was cut.
        samples = np.concatenate(self._waiting) if len(self._waiting) > 1 else samples
        for start in range(0, len(samples) - size + 1, size):
            self._add(samples[start : start + size])
        rest = samples[len(samples) // size * size :].copy()
        self._waiting, self._length = [rest], len(rest)

    def share(self) -> float | None:
        """Return the share of the sound that is in tones that hold; None where it is too short."""
        held, total = self._held, self._total
        if self._length:
            more = held_tones(np.concatenate(self._waiting), self._rate)
            held, total = held + more[0], total + more[1]
        return held / total if total > 0 else None

    def _add(self, samples: NDArray[np.float32]) -> None:
        held, total = held_tones(samples, self._rate)
        self._held += held
        self._total += total


def held_tones(samples: NDArray[np.float32], rate: int) -> tuple[float, float]:
    """Return how much of a sound is in tones that hold, and how much there is in all.

    Parameters
    ----------
    samples : np.ndarray [shape=(samples,) or (samples, channels)]
        Channels are mixed.
    rate : int
        Hz.

    Returns
    -------
    held, total : float
        Sums over frames and bins of the power to the fourth root, as loudness grows, so that a
        drum does not outweigh all notes. Sums of blocks may be added; both are 0 for a sound of
        fewer than `TONE_FRAMES` frames.
    """
    spectrum = _compressed(samples, rate)
    middle = spectrum[:, 1:-1]
    if len(spectrum) < TONE_FRAMES or (loudest := middle.max()) <= 0:
        return 0.0, 0.0
    peak = (middle > spectrum[:, :-2]) & (middle >= spectrum[:, 2:])
    peak &= middle > _FAINTEST * loudest
    starts = len(peak) - TONE_FRAMES + 1
    runs = np.logical_and.reduce([peak[at : at + starts] for at in range(TONE_FRAMES)])
    held = np.zeros_like(peak)
    for at in range(TONE_FRAMES):
        held[at : at + starts] |= runs
    around = held.copy()  # with the slopes of each peak
    around[:, 1:] |= held[:, :-1]
    around[:, :-1] |= held[:, 1:]
    return float(middle[around].sum()), float(spectrum.sum())


def _compressed(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """Return the fourth root of the power [frames, bins] from `_FROM` to `_TO` Hz."""
    mono = _mono(samples)
    every = max(1, round(rate / _RATE))
    whole = len(mono) // every
    # Sample by sample: numpy takes long for sums over so short an axis.
    mono = sum(
        (mono[at : whole * every : every] for at in range(1, every)), mono[: whole * every : every]
    )
    size = int(TONE_FRAME * rate / every)
    first, last = int(_FROM * TONE_FRAME), min(int(_TO * TONE_FRAME), size // 2)
    if len(mono) < size or size < 16 or last - first < 3:
        return np.zeros((0, 3), np.float32)
    count = len(mono) // size
    frames = mono[: count * size].reshape(count, size) * _taper(size)
    spectra = np.fft.rfft(frames)[:, first : last + 1]
    return np.asarray(np.sqrt(np.abs(spectra)), dtype=np.float32)


@lru_cache(maxsize=8)
def _taper(size: int) -> NDArray[np.float32]:
    return np.hanning(size).astype(np.float32)


def _mono(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    return samples if samples.ndim == 1 else samples.mean(axis=1)
