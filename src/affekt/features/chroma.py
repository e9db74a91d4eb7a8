"""How much of each of the twelve notes sounds, as librosa has it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from affekt.features.frames import Floats, power_blocks
from affekt.features.settings import DEFAULT, Settings

NOTES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
"""The notes of the rows."""

_A0_HZ = 27.5
_CENTRE_OCTAVE, _OCTAVE_WIDTH = 5.0, 2.0


@lru_cache(maxsize=8)
def chroma_filters(sample_rate: int, n_fft: int) -> Floats:
    """Return the share of each bin in each note, the transpose of ``librosa.filters.chroma``.

    Every bin is a Gaussian bump about its note, one octave like another; octaves far from the
    fifth count less (Ellis, 2007). The tuning is A = 440 Hz.

    Returns
    -------
    np.ndarray [shape=(n_fft // 2 + 1, 12)]
    """
    count = len(NOTES)
    hz = np.arange(1, n_fft) * sample_rate / n_fft
    notes = count * np.log2(hz / _A0_HZ)
    notes = np.concatenate([[notes[0] - 1.5 * count], notes])  # bin 0 has no logarithm
    widths = np.concatenate([np.maximum(np.diff(notes), 1), [1]])
    distance = notes[:, None] - np.arange(count)  # [bins, notes]
    distance = np.remainder(distance + count // 2 + 10 * count, count) - count // 2
    weights = np.exp(-0.5 * (2 * distance / widths[:, None]) ** 2)
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    octaves = (notes / count - _CENTRE_OCTAVE) / _OCTAVE_WIDTH
    weights *= np.exp(-0.5 * octaves**2)[:, None]
    from_c = np.roll(weights, -3, axis=1)[: n_fft // 2 + 1]  # the first note was A
    filters: Floats = np.ascontiguousarray(from_c, dtype=np.float32)
    filters.flags.writeable = False
    return filters


def chroma(samples: Floats, settings: Settings = DEFAULT) -> Floats:
    """Return the strength of each note, as ``librosa.feature.chroma_stft(tuning=0)``.

    The window has ``chroma_n_fft`` samples; the frames are those of every other feature.

    Returns
    -------
    np.ndarray [shape=(12, frames)]
        Relative to the strongest note of the frame, which has 1; C first. 0 in digital silence.
    """
    filters = chroma_filters(settings.sample_rate, settings.chroma_n_fft)
    blocks = power_blocks(samples, settings.chroma_n_fft, settings.hop_length)
    raw = np.concatenate([power @ filters for power in blocks])  # [frames, notes]
    strongest = raw.max(axis=1, keepdims=True)
    notes: Floats = (raw / np.where(strongest < np.finfo(np.float32).tiny, 1, strongest)).T
    return notes
