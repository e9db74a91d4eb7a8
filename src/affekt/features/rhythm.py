"""The pace of speech: syllables, their rate, and pauses."""

from __future__ import annotations

import math

import numpy as np

from affekt.features.frames import Floats, frame, hann, pad
from affekt.features.pitch import Pitch
from affekt.features.settings import DEFAULT, FeatureSettings
from affekt.features.spectral import FLOOR_DB
from affekt.features.voice_quality import stretches

WINDOW = 0.064
"""Seconds over which the level is smoothed: longer than a period, shorter than a syllable."""

QUIET_DB = 25.0
"""How far below the loudest (99th percentile) the level of speech may fall before it is silence."""

DIP_DB = 2.0
"""How far the level must fall between two syllables."""

MIN_PAUSE = 0.2
"""Seconds that a silence between two sounds must last to be a pause; stops are shorter."""

INAUDIBLE_DB = -80.0
"""Loudest level (relative to full scale) at which a clip holds no speech at all."""


def rhythm(samples: Floats, pitch: Pitch, settings: FeatureSettings = DEFAULT) -> dict[str, float]:
    """Return the pace of a clip.

    A syllable is a peak of the level in a voiced frame, at most 25 dB below the loudest, with a
    dip of at least 2 dB before it (de Jong and Wempe, 2009). Silence before the first and after
    the last sound is part of the recording, and neither speech nor pause.

    Returns
    -------
    dict
        ``speech``: seconds from the first to the last sound; ``syllables``: their number;
        ``speaking_rate``: syllables per second of speech; ``articulation_rate``: the same without
        the pauses; ``pauses``: their number; ``pause_total``, ``pause_mean``: seconds;
        ``pause_share``: of the speech. Without any sound, the rates, ``pause_mean`` and
        ``pause_share`` are NaN, as is ``pause_mean`` without a pause.
    """
    level = _smoothed_level(samples, settings)
    loudest = float(np.percentile(level, 99))
    threshold = loudest - QUIET_DB
    sounding = np.flatnonzero(level >= threshold) if loudest > INAUDIBLE_DB else np.zeros(0, int)
    if not len(sounding):
        return _summary(0, 0, [], settings.hop)
    first, last = int(sounding[0]), int(sounding[-1])
    silent = level[first : last + 1] < threshold
    lengths = [(end - start + 1) * settings.hop for start, end in stretches(silent)]
    pauses = [length for length in lengths if length >= MIN_PAUSE]
    nuclei = syllable_nuclei(level, pitch.voiced, threshold)
    # The last frame lasts as long as the others, unless the clip ends before.
    speech = min((last - first + 1) * settings.hop, len(samples) / settings.sample_rate)
    return _summary(speech, len(nuclei), pauses, settings.hop)


def _smoothed_level(samples: Floats, settings: FeatureSettings) -> np.ndarray:
    """Return the level of each frame in dB, under a Hann window of `WINDOW` seconds: [frames]."""
    length = 2 * round(WINDOW * settings.sample_rate / 2)
    weights = hann(length) / hann(length).sum()
    power = frame(pad(np.square(samples), length), length, settings.hop_length) @ weights
    level: np.ndarray = 10 * np.log10(np.maximum(power, 10 ** (FLOOR_DB / 10)))
    return level


def syllable_nuclei(level: np.ndarray, voiced: np.ndarray, threshold: float) -> list[int]:
    """Return the frames of the syllables.

    Parameters
    ----------
    level : np.ndarray [shape=(frames,)]
        dB.
    voiced : np.ndarray [shape=(frames,), bool]
    threshold : float
        Level below which no peak counts, dB.
    """
    nuclei: list[int] = []
    peak, dip = -1, -math.inf  # the candidate, and the lowest level since the last nucleus
    for index, value in enumerate(level.tolist()):
        if peak < 0:
            dip = min(dip, value)
            if value >= threshold and value - dip >= DIP_DB:
                peak = index
        elif value > level[peak]:
            peak = index
        elif level[peak] - value >= DIP_DB:
            if voiced[peak]:
                nuclei.append(peak)
            peak, dip = -1, value
    if peak >= 0 and voiced[peak]:
        nuclei.append(peak)
    return nuclei


def _summary(speech: float, syllables: int, pauses: list[float], hop: float) -> dict[str, float]:
    total = sum(pauses)
    return {
        "speech": speech,
        "syllables": float(syllables),
        "speaking_rate": syllables / speech if speech else math.nan,
        "articulation_rate": syllables / (speech - total) if speech else math.nan,
        "pauses": float(len(pauses)),
        "pause_total": total,
        "pause_mean": total / len(pauses) if pauses else math.nan,
        "pause_share": total / speech if speech else math.nan,
    }
