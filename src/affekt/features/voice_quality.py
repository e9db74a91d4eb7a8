"""How regular the voice is: jitter, shimmer, and harmonics against noise."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from affekt.features.frames import Floats, frame, hann, pad, transforms
from affekt.features.pitch import Pitch
from affekt.features.settings import DEFAULT, FeatureSettings

HNR_RANGE_DB = (-20.0, 40.0)
"""Smallest difference above rounding."""

PERIODS = 4.5
"""Periods of the lowest pitch in the window that harmonics are measured in."""

SHORTER, LONGER = 0.8, 1.25
"""Where the next period is looked for, relative to the pitch."""

MAX_PERIOD_RATIO = 1.3
"""Neighbouring periods further apart than this are a break of the voice, and no jitter."""

MAX_AMPLITUDE_RATIO = 1.6
"""The same for the amplitudes of neighbouring periods, and shimmer."""

MIN_CORRELATION = 0.3
"""Likeness of two periods below which the voice has broken off."""

MIN_PERIODS = 3
"""Periods in a row that it takes to speak of their regularity."""


def harmonics_to_noise(
    samples: Floats, pitch: Pitch, settings: FeatureSettings = DEFAULT
) -> Floats:
    """Return the ratio of the periodic to the other power of each frame, in dB: [1, frames].

    The autocorrelation of a Hann window of 4.5 periods of the lowest pitch, divided by that of
    the window itself, has its value r at the lag of the pitch; the ratio is r / (1 - r)
    (Boersma, 1993). NaN where there is no voice; clipped to `HNR_RANGE_DB`.
    """
    result = np.full((1, len(pitch.hz)), np.nan, dtype=np.float32)
    voiced = np.flatnonzero(pitch.voiced)
    if not len(voiced):
        return result
    length = 2 * math.ceil(PERIODS * settings.sample_rate / settings.pitch_min / 2)
    n_fft = 2 ** math.ceil(math.log2(1.5 * length))
    window = hann(length)
    rfft, irfft = transforms()
    window_correlation = np.fft.irfft(np.abs(np.fft.rfft(window, n_fft)) ** 2)
    frames = frame(pad(samples, length), length, settings.hop_length)
    periods = settings.sample_rate / pitch.hz[voiced]
    for start in range(0, len(voiced), 64):
        part = slice(start, start + 64)
        cut = frames[voiced[part]]
        cut = (cut - cut.mean(axis=1, keepdims=True)) * window
        spectrum = rfft(cut, n_fft)
        correlation = irfft(spectrum.real**2 + spectrum.imag**2)
        peak = _peaks(correlation, window_correlation, periods[part])
        result[0, voiced[part]] = ratio_db(peak)
    return result


def _peaks(correlation: np.ndarray, window: np.ndarray, periods: np.ndarray) -> np.ndarray:
    """Return the largest normalised autocorrelation near the lag of the pitch: [frames]."""
    low = np.floor(periods.min() * SHORTER).astype(int)
    high = np.ceil(periods.max() * LONGER).astype(int) + 1
    lags = np.arange(max(low, 1), high + 1)
    total = correlation[:, :1]
    near = correlation[:, lags] / np.where(total > 0, total, 1)
    near /= window[lags] / window[0]
    ratio = lags / periods[:, None]
    allowed = (ratio >= SHORTER) & (ratio <= LONGER)
    best = np.where(allowed, near, -np.inf).argmax(axis=1)
    best = np.clip(best, 1, len(lags) - 2)
    rows = np.arange(len(best))
    _, height = parabola(near[rows, best - 1], near[rows, best], near[rows, best + 1])
    return np.asarray(height)


def ratio_db(correlation: np.ndarray) -> np.ndarray:
    """Return r / (1 - r) in dB, within `HNR_RANGE_DB`."""
    low, high = (1 / (1 + 10 ** (-limit / 10)) for limit in HNR_RANGE_DB)
    share = np.clip(correlation, low, high)
    ratio: np.ndarray = 10 * np.log10(share / (1 - share))
    return ratio


def parabola(
    before: np.ndarray, middle: np.ndarray, after: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return where the parabola through three neighbours is highest (-1 to 1), and how high."""
    curve = before - 2 * middle + after
    safe = np.where(curve < 0, curve, -1)
    shift = np.where(curve < 0, np.clip(0.5 * (before - after) / safe, -1, 1), 0)
    return shift, middle - 0.25 * (before - after) * shift


def jitter_and_shimmer(
    samples: Floats, pitch: Pitch, settings: FeatureSettings = DEFAULT
) -> dict[str, float]:
    """Return how much neighbouring periods differ in length and in amplitude.

    Periods are followed by the likeness of each to the next. As in Praat, neighbours that differ
    by more than a factor (`MAX_PERIOD_RATIO`, `MAX_AMPLITUDE_RATIO`) are left out.

    Returns
    -------
    dict
        ``jitter_local``: mean difference of neighbouring periods by the mean period;
        ``jitter_rap``: the same, of a period and the mean of it and its two neighbours;
        ``shimmer_local``: as jitter_local, of amplitudes; ``shimmer_local_db``: mean ratio of
        neighbouring amplitudes in dB. NaN without `MIN_PERIODS` periods in a row.
    """
    lengths, triples, amplitudes = [], [], []
    for first, last in stretches(pitch.voiced):
        marks = period_marks(samples, pitch.hz, first, last, settings)
        periods = np.diff(marks)
        if len(periods) < MIN_PERIODS:
            continue
        lengths.append(_neighbours(periods, MAX_PERIOD_RATIO))
        triples.append(_triples(periods))
        levels = _amplitudes(samples, marks)
        amplitudes.append(_neighbours(levels, MAX_AMPLITUDE_RATIO))
    pairs, three = _joined(lengths, 2), _joined(triples, 3)
    level = _joined(amplitudes, 2)
    return {
        "jitter_local": _relative(np.abs(pairs[:, 1] - pairs[:, 0]), pairs),
        "jitter_rap": _relative(np.abs(three[:, 1] - three.mean(axis=1)), three),
        "shimmer_local": _relative(np.abs(level[:, 1] - level[:, 0]), level),
        "shimmer_local_db": _relative(20 * np.abs(np.log10(level[:, 1] / level[:, 0])), None),
    }


def stretches(flags: np.ndarray) -> list[tuple[int, int]]:
    """Return where flags are set without a break, as (first, last) of each stretch."""
    edges = np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def period_marks(
    samples: Floats, hz: Floats, first: int, last: int, settings: FeatureSettings
) -> np.ndarray:
    """Return one place in each period of a voiced stretch of frames, in samples: [marks].

    From the strongest peak about the middle of the stretch, each mark is followed both ways by
    the lag at which a window of one period is most like the next (Praat's cross-correlation).
    """
    begin = max(0, first * settings.hop_length - settings.hop_length // 2)
    end = min(len(samples), last * settings.hop_length + settings.hop_length // 2 + 1)
    middle = (begin + end) // 2

    def period_at(place: float) -> float:
        index = min(max(round(place / settings.hop_length), first), last)
        return settings.sample_rate / float(hz[index])

    half = int(period_at(middle) / 2) + 1
    low = max(begin, middle - half)
    around = np.abs(samples[low : min(end, middle + half)])
    if not around.size or not around.any():
        return np.zeros(0)
    start = float(low + around.argmax())
    right = _follow(samples, start, period_at, begin, end, 1)
    left = _follow(samples, start, period_at, begin, end, -1)
    return np.array([*reversed(left), start, *right])


def _follow(
    samples: Floats,
    start: float,
    period_at: Callable[[float], float],
    begin: int,
    end: int,
    direction: int,
) -> list[float]:
    """Return the marks on one side of the first, the nearest first."""
    marks: list[float] = []
    place = start
    while True:
        period = period_at(place)
        lag = _next_period(samples, place, period, direction)
        if lag is None:
            return marks
        place += direction * lag
        if not begin <= place < end:
            return marks
        marks.append(place)


def _next_period(samples: Floats, place: float, period: float, direction: int) -> float | None:
    """Return the lag to the most alike neighbour of the period about a place; None at a break."""
    length = max(4, round(period))
    shortest, longest = math.floor(SHORTER * period), math.ceil(LONGER * period)
    low = round(place) - length // 2
    # Where each candidate starts, in rising order.
    begin = low + (shortest if direction > 0 else -longest)
    stop = low + (longest if direction > 0 else -shortest) + length
    if begin < 0 or low < 0 or stop > len(samples) or low + length > len(samples):
        return None
    own = samples[low : low + length].astype(np.float64)
    near = samples[begin:stop].astype(np.float64)
    squares = np.concatenate([[0.0], np.cumsum(near * near)])
    energy = np.maximum(squares[length:] - squares[:-length], 0) * (own @ own)
    likeness = np.correlate(near, own, "valid") / np.sqrt(np.maximum(energy, 1e-20))
    best = int(likeness.argmax())
    if likeness[best] < MIN_CORRELATION:
        return None
    shift = 0.0
    if 0 < best < len(likeness) - 1:
        shift = float(parabola(*likeness[best - 1 : best + 2])[0])
    return direction * (begin + best + shift - low)


def _amplitudes(samples: Floats, marks: np.ndarray) -> np.ndarray:
    """Return the level of the period about each inner mark, as the RMS under a Hann window."""
    levels = np.empty(max(0, len(marks) - 2))
    for index in range(len(levels)):
        before, after = marks[index], marks[index + 2]
        low, high = max(0, round(before)), min(len(samples), round(after) + 1)
        window = hann(high - low) if high - low else np.zeros(0)
        cut = samples[low:high]
        levels[index] = math.sqrt(float(window @ (cut * cut)) / max(float(window.sum()), 1e-9))
    return levels


def _neighbours(values: np.ndarray, most: float) -> np.ndarray:
    """Return the pairs of neighbours that differ by no more than a factor: [pairs, 2]."""
    pairs = np.stack([values[:-1], values[1:]], axis=1)
    low, high = pairs.min(axis=1, initial=np.inf), pairs.max(axis=1, initial=0)
    kept: np.ndarray = pairs[(low > 0) & (high <= most * low)]
    return kept


def _triples(periods: np.ndarray) -> np.ndarray:
    """Return three periods in a row, no two neighbours too far apart: [triples, 3]."""
    three = np.stack([periods[:-2], periods[1:-1], periods[2:]], axis=1)
    ratios = three[:, 1:] / three[:, :-1]
    fits = (np.maximum(ratios, 1 / ratios) <= MAX_PERIOD_RATIO).all(axis=1)
    kept: np.ndarray = three[fits]
    return kept


def _joined(parts: list[np.ndarray], width: int) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros((0, width))


def _relative(differences: np.ndarray, values: np.ndarray | None) -> float:
    """Return the mean difference, by the mean value if any are given; NaN of nothing."""
    if not len(differences):
        return math.nan
    return float(differences.mean() / (1 if values is None else values.mean()))
