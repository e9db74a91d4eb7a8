"""Made-up voices whose emotions a small network learns in seconds, for tests of training.

An emotion is a manner of a buzzing tone: bright, dull or trembling. A speaker is a pitch, a take
is a little of everything else, so that unheard speakers can be recognised, but not by heart.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tiny_corpus import RATE, write_sound

from affekt.data import Clip, open_data

EMOTIONS = ("angry", "happy", "sad")
SPEAKERS = tuple("abcdefgh")

TINY_RECIPE = """
[model]
head_dropout = 0.0
options = {{ stem = [4, 8], channels = 16, dilations = [1], dropout = 0.0 }}

[training]
epochs = {epochs}
batch_size = {batch_size}
learning_rate = 0.01
label_smoothing = 0.0
averaging = 0.8
speeds = [1.0]
precision = "float32"
{training}

[augment]
enabled = false

[data]
validation = 0.25
test = 0.25
{data}
"""


def buzz(emotion: str, speaker: str, take: int, seconds: float = 0.5) -> NDArray[np.float32]:
    """Return a recording of one emotion by one speaker: [samples]."""
    rng = np.random.default_rng([EMOTIONS.index(emotion), SPEAKERS.index(speaker), take])
    time = np.arange(round(seconds * RATE)) / RATE
    pitch_hz = (110 + 14 * SPEAKERS.index(speaker)) * rng.uniform(0.97, 1.03)
    fall = {"angry": 0.6, "happy": 1.5, "sad": 3.0}[emotion] * rng.uniform(0.9, 1.1)
    orders = np.arange(1, 20)[:, None]
    phase = 2 * np.pi * pitch_hz * orders * time + rng.uniform(0, 2 * np.pi, orders.shape)
    tone = (np.sin(phase) / orders**fall).sum(axis=0)
    if emotion == "happy":
        tone *= 1 + 0.9 * np.sin(2 * np.pi * rng.uniform(7, 9) * time + rng.uniform(0, 6))
    tone = 0.3 * tone / np.abs(tone).max() + rng.normal(0, 0.002, len(time))
    return tone.astype(np.float32)


def make_tones(
    folder: Path, *, speakers: Sequence[str] = SPEAKERS, takes: int = 3, seconds: float = 0.5
) -> Path:
    """Make ``emotion/speaker/emotion-speaker-take.wav``; no two takes are equally long."""
    for emotion in EMOTIONS:
        for speaker in speakers:
            for take in range(takes):
                length = seconds * (1 + 0.1 * take)
                write_sound(
                    folder / emotion / speaker / f"{emotion}-{speaker}-{take}.wav",
                    buzz(emotion, speaker, take, length),
                )
    return folder


def tone_clips(folder: Path, corpus: str = "tones", **options: object) -> list[Clip]:
    """Make the recordings and return their clips, as clips of a corpus."""
    from dataclasses import replace

    made = open_data(make_tones(folder, **options))  # type: ignore[arg-type]
    return [replace(clip, corpus=corpus) for clip in made]


def write_recipe(
    path: Path, *, epochs: int = 2, batch_size: int = 12, training: str = "", data: str = ""
) -> Path:
    """Write a recipe for a network of about two thousand weights; further lines as TOML."""
    path.write_text(
        TINY_RECIPE.format(epochs=epochs, batch_size=batch_size, training=training, data=data)
    )
    return path


def read_history(run: Path) -> list[dict[str, str]]:
    """Return the rows of a run's ``history.csv``."""
    with open(run / "history.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
