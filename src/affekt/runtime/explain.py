"""What in a recording speaks for an emotion: the answer, asked again without parts of it.

A window is cut out, or a band of frequencies is filtered out, and the emotion's log odds are
compared with those of the whole recording (occlusion; Zeiler and Fergus, "Visualizing and
Understanding Convolutional Networks", ECCV 2014). It takes any model on any engine. Windows
overlap, and a stretch has the mean of the windows around it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

import numpy as np

from affekt.audio import AudioSource, load_audio
from affekt.audio.mel import mel_edges
from affekt.errors import AudioError, ConfigError
from affekt.records import Info, Record, documented
from affekt.results import Prediction
from affekt.runtime.session import Floats

if TYPE_CHECKING:
    from affekt.runtime import Model

LONGEST = 120.0
"""Seconds; a model takes no more as a whole."""
LOWEST_HZ = 60.0
STEPS = 4
"""Windows begin a fourth of their length after each other."""
_LEAST = 1e-6  # probability, so that odds stay finite
_FADE = 0.01  # seconds over which the ends at a cut are mixed
_SLOPE = 0.1  # of a band's width, over which the filter falls beside it


@documented
@dataclass(frozen=True)
class StretchEvidence(Record):
    """What a stretch of a recording contributes."""

    start: Annotated[float, Info("Beginning.", unit="seconds", minimum=0)]
    end: Annotated[float, Info("End.", unit="seconds", minimum=0)]
    contribution: Annotated[
        float,
        Info("By how much the log odds of the emotion fall without the windows around it."),
    ]


@documented
@dataclass(frozen=True)
class BandEvidence(Record):
    """What a band of frequencies contributes."""

    low: Annotated[float, Info("Lowest frequency.", unit="Hz", digits=1, minimum=0)]
    high: Annotated[float, Info("Highest frequency.", unit="Hz", digits=1, minimum=0)]
    contribution: Annotated[
        float,
        Info("By how much the log odds of the emotion fall without it; below 0, they rise."),
    ]


@documented
@dataclass(frozen=True)
class Explanation(Record):
    """What in a recording speaks for an emotion, and what against it."""

    emotion: Annotated[str, Info("The emotion that is explained.")]
    probability: Annotated[
        float, Info("Its probability for the whole recording.", minimum=0, maximum=1)
    ]
    times: Annotated[
        tuple[StretchEvidence, ...],
        Info("Stretches that follow each other, a fourth of a window long."),
    ]
    bands: Annotated[
        tuple[BandEvidence, ...], Info("Bands of equal width on the mel scale, the lowest first.")
    ]

    @property
    def peak(self) -> StretchEvidence:
        """The stretch that contributes most."""
        return max(self.times, key=lambda one: one.contribution)


def explain(
    model: Model,
    source: AudioSource,
    *,
    emotion: str | None = None,
    window: float = 1.0,
    bands: int = 8,
) -> Explanation:
    """See :meth:`affekt.Model.explain`."""
    if not 0 < window < math.inf:
        raise ConfigError(f"window is {window:g} s, expected a length above 0")
    if bands < 1:
        raise ConfigError(f"bands is {bands}, expected 1 or more")
    if emotion is not None and emotion not in model.labels:
        raise ConfigError(f"{emotion!r} is none of the model's emotions: {', '.join(model.labels)}")
    rate = model.config.sample_rate
    samples = load_audio(source, sample_rate=rate)
    if len(samples) > LONGEST * rate:
        raise AudioError(
            f"the recording is {len(samples) / rate:.0f} s long, and {LONGEST:g} s can be "
            "explained: cut out what matters"
        )
    whole = model.predict((samples, rate))
    emotion = emotion or whole.label
    size = _window_size(len(samples), rate, window, model.config.minimum_duration)
    edges = _stretches(len(samples), size)
    windows = list(zip(edges[:-STEPS], edges[STEPS:], strict=True))
    limits = mel_edges(bands - 1, LOWEST_HZ, rate / 2)
    variants = [
        *(without_stretch(samples, rate, *pair) for pair in windows),
        *(without_band(samples, rate, *pair) for pair in pairwise(limits)),
    ]
    odds = _log_odds(whole, emotion)
    answers = model.predict_each((sound, rate) for sound in variants)
    falls = [odds - _log_odds(answer, emotion) for answer in answers]
    return Explanation(
        emotion=emotion,
        probability=whole.scores[emotion],
        times=tuple(
            StretchEvidence(start / rate, end / rate, _mean_around(index, falls[: len(windows)]))
            for index, (start, end) in enumerate(pairwise(edges))
        ),
        bands=tuple(
            BandEvidence(float(low), float(high), fall)
            for (low, high), fall in zip(pairwise(limits), falls[len(windows) :], strict=True)
        ),
    )


def without_stretch(samples: Floats, rate: int, start: int, end: int) -> Floats:
    """Return samples [samples] without those from start to end; the cut is faded over."""
    fade = min(round(_FADE * rate), start, len(samples) - end)
    rest = np.concatenate([samples[:start], samples[end:]])
    if fade:
        ramp = np.linspace(0, 1, fade, dtype=np.float32)
        rest[start - fade : start] += ramp * (
            samples[end - fade : end] - samples[start - fade : start]
        )
    return rest


def without_band(samples: Floats, rate: int, low: float, high: float) -> Floats:
    """Return samples [samples] without the frequencies from low to high, in Hz."""
    spectrum = np.fft.rfft(samples)
    hz = np.fft.rfftfreq(len(samples), 1 / rate)
    slope = _SLOPE * (high - low)
    outside = np.maximum(low - hz, hz - high) / slope  # negative inside, 1 where all passes
    spectrum *= np.clip(outside, 0, 1)
    return np.fft.irfft(spectrum, len(samples)).astype(np.float32)


def _window_size(count: int, rate: int, window: float, shortest: float) -> int:
    """Return the samples of a window: half of a recording at most, as much as it can do without.

    Raises
    ------
    AudioError
        If too little would be left without one.
    """
    size = min(round(window * rate), count // 2, count - math.ceil(shortest * rate))
    if size < _FADE * rate:
        raise AudioError(
            f"the recording is {count / rate:.2g} s long: without a part of it, too little is left "
            f"for the model, which needs {shortest:g} s"
        )
    return size


def _stretches(count: int, size: int) -> list[int]:
    """Return where stretches begin, a fourth of a window long, and where the last one ends."""
    step = size // STEPS
    return [*range(0, count - step + 1, step), count]


def _mean_around(stretch: int, falls: Sequence[float]) -> float:
    """Return the mean over the windows that a stretch is part of: those that begin up to there."""
    around = falls[max(0, stretch - STEPS + 1) : stretch + 1]
    return sum(around) / len(around)


def _log_odds(answer: Prediction | AudioError, emotion: str) -> float:
    """Return the log odds of an emotion; of what is silent without a part, those of chance."""
    if isinstance(answer, AudioError):
        return 0.0
    probability = min(max(answer.scores[emotion], _LEAST), 1 - _LEAST)
    return math.log(probability / (1 - probability))
