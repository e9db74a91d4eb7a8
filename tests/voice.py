"""A voice whose pitch and formants are known, and instruments that measure both again."""

from __future__ import annotations

import numpy as np

RATE = 16_000  # Hz
FORMANTS = ((700.0, 80.0), (1220.0, 90.0), (2600.0, 120.0))  # frequency and width of an "a", Hz


def vowel(
    pitch: float = 125.0,
    seconds: float = 1.0,
    formants: tuple[tuple[float, float], ...] = FORMANTS,
    rate: int = RATE,
) -> np.ndarray:
    """A steady vowel ``[samples]``, float32, with a peak of 0.5."""
    time = np.arange(round(seconds * rate)) / rate
    harmonic = np.arange(1, int(0.45 * rate / pitch)) * pitch
    response = (100 / (100 + 1j * harmonic)).astype(complex)  # the glottis falls with frequency
    for frequency, width in formants:
        pole = -np.pi * width + 2j * np.pi * frequency
        resonance = 2j * np.pi * harmonic
        response *= abs(pole) ** 2 / ((resonance - pole) * (resonance - pole.conjugate()))
    angle = 2 * np.pi * harmonic[:, None] * time
    samples = (abs(response)[:, None] * np.cos(angle + np.angle(response)[:, None])).sum(axis=0)
    return (0.5 * samples / np.abs(samples).max()).astype(np.float32)


def measure_pitch(samples: np.ndarray, low: float = 60, high: float = 500) -> float:
    """Median pitch in Hz of the voiced frames."""
    times = np.arange(0.05, len(samples) / RATE - 0.05, 0.025)
    return float(np.nanmedian(pitch_at(samples, times, low, high)))


def pitch_moved(before: np.ndarray, after: np.ndarray, rate: float = 1.0) -> np.ndarray:
    """By how many semitones the pitch moved, at each moment voiced before and after ``[moments]``.

    ``rate`` is how many times as fast ``after`` is played.
    """
    times = np.arange(0.05, len(before) / RATE - 0.05, 0.01)
    moved = 12 * np.log2(pitch_at(after, times / rate) / pitch_at(before, times))
    return moved[np.isfinite(moved)]


def pitch_at(
    samples: np.ndarray, times: np.ndarray, low: float = 60, high: float = 500
) -> np.ndarray:
    """Pitch in Hz around some moments ``[moments]``, NaN where it is not voiced.

    Normalised autocorrelation of windows of 50 ms, at a rate of 16 kHz.
    """
    size, shortest, longest = RATE // 20, round(RATE / high) - 1, round(RATE / low) + 1
    whole = size + longest
    loud = np.sqrt(np.mean(np.square(samples, dtype=np.float64)))
    padded = np.pad(samples.astype(np.float64), whole)
    found = np.full(len(times), np.nan)
    for moment, time in enumerate(times):
        start = round(time * RATE) - whole // 2 + whole
        region = padded[start : start + whole]
        frame = region[:size]
        energy = np.convolve(region**2, np.ones(size), "valid")
        if energy[0] < 0.09 * loud**2 * size:
            continue
        likeness = np.correlate(region, frame, "valid") / np.sqrt(energy[0] * energy + 1e-12)
        likeness = likeness[shortest:]
        inner = likeness[1:-1]
        peaks = (inner > likeness[:-2]) & (inner >= likeness[2:]) & (inner > 0.85)
        if not peaks.any():
            continue
        # The first of the good peaks: later ones are multiples of the period.
        good = int(np.flatnonzero(peaks & (inner > 0.95 * inner[peaks].max()))[0]) + 1
        left, middle, right = likeness[good - 1 : good + 2]
        within = 0.5 * (left - right) / (left - 2 * middle + right)
        found[moment] = RATE / (shortest + good + within)
    return found


def measure_formants(samples: np.ndarray, rate: int = RATE, order: int = 10) -> np.ndarray:
    """Frequencies in Hz of the narrow resonances, by linear prediction over all samples."""
    sharp = np.append(samples[0], samples[1:] - 0.97 * samples[:-1]).astype(np.float64)
    sharp *= np.hanning(len(sharp))
    lags = np.array([sharp[: len(sharp) - lag] @ sharp[lag:] for lag in range(order + 1)])
    matrix = lags[np.abs(np.arange(order)[:, None] - np.arange(order))]
    poles = np.roots(np.append(1.0, -np.linalg.solve(matrix, lags[1:])))
    poles = poles[(poles.imag > 0) & (np.abs(poles) > 0.9)]
    return np.sort(np.angle(poles) * rate / (2 * np.pi))
