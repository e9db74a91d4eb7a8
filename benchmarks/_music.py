"""How well music is told from speech by the tones that hold: a part of `domain.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

RATE = 16000  # Hz
NOISE_DB = (-20, -10)
"""Noise that speech is mixed with, relative to it."""
FALSE_ALARMS = 0.01
"""Share of speech, of each corpus, with and without noise, that may be called music."""
RECORDED = 300
"""Clips of recorded music, at most."""

Scored = tuple[list[float], list[float]]
"""Of each recording: its tones that hold, and its out-of-domain score."""


def noisy(
    speech: Mapping[str, Sequence[np.ndarray]],
    noise: Sequence[np.ndarray],
    rng: np.random.Generator,
) -> dict[str, list[np.ndarray]]:
    """Return the speech of each corpus as it is, and with noise at each of `NOISE_DB`."""
    found = {name: list(waves) for name, waves in speech.items()}
    for level in NOISE_DB:
        for name, waves in speech.items():
            found[f"{name}, noise at {level} dB"] = [
                _mixed(wave, noise[int(rng.integers(len(noise)))], level) for wave in waves
            ]
    return found


def _mixed(wave: np.ndarray, noise: np.ndarray, level: float) -> np.ndarray:
    noise = np.resize(noise, len(wave))
    scale = wave.std() / max(float(noise.std()), 1e-6) * 10 ** (level / 20)
    return np.asarray(wave + scale * noise, dtype=np.float32)


def recorded(folder: Path, seconds: float, rng: np.random.Generator) -> list[np.ndarray]:
    """Return stretches of the recordings in a folder and those below it, the same from each."""
    from affekt import load_audio

    files = sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in {".ogg", ".mp3", ".flac", ".wav"}
    )
    clips = []
    for file in files:
        samples = load_audio(file)
        last = len(samples) - int(seconds * RATE)
        for start in rng.integers(0, max(1, last), size=max(1, RECORDED // len(files))):
            clip = samples[start : start + int(seconds * RATE)]
            if np.abs(clip).max() > 0.01:
                clips.append(clip)
    return clips


def highest(scored: Iterable[Scored]) -> float:
    """Return the tones that `FALSE_ALARMS` of the worst of these sets exceed."""
    return max(float(np.quantile(tones, 1 - FALSE_ALARMS)) for tones, _ in scored)


def named(scored: Scored) -> float:
    """Return the share of recordings that the product calls music."""
    from affekt.runtime.domain import UNLIKE_LIMIT
    from affekt.runtime.warnings import MUSIC_TONES, MUSIC_TONES_UNLIKE

    tones, unlike = map(np.array, scored)
    limits = np.where(unlike > UNLIKE_LIMIT, MUSIC_TONES_UNLIKE, MUSIC_TONES)
    return float((tones > limits).mean())
