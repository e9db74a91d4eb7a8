"""What every model of the package must handle: any length and rate, silence, streams."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soxr

import affekt
from affekt import AudioError, TimelineOptions
from affekt.runtime.bundle import SHIPPED

RATE = 16_000
OPTIONS = TimelineOptions(vad="off")


@pytest.fixture(scope="module", params=SHIPPED)
def model(request: pytest.FixtureRequest) -> affekt.Model:
    return affekt.load_model(request.param, threads=1)


@pytest.fixture(scope="module")
def voice(recordings: list[Path]) -> np.ndarray:
    return np.concatenate([affekt.load_audio(file) for file in recordings[:4]])[: 7 * RATE]


@pytest.mark.parametrize("seconds", [0.1, 0.33, 1.0, 7.0])
def test_lengths(model: affekt.Model, voice: np.ndarray, seconds: float) -> None:
    answer = model.predict((voice[RATE : RATE + round(seconds * RATE)], RATE))
    assert sum(answer.scores.values()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("samples", "part"),
    [(np.zeros(0), "no samples"), (np.full(800, 0.1), "too short"), (np.zeros(RATE), "silent")],
)
def test_what_cannot_be_predicted(model: affekt.Model, samples: np.ndarray, part: str) -> None:
    with pytest.raises(AudioError, match=part):
        model.predict((samples.astype(np.float32), RATE))


def test_telephone_rate(model: affekt.Model, voice: np.ndarray) -> None:
    answer = model.predict((soxr.resample(voice, RATE, 8000), 8000))
    assert answer.duration == pytest.approx(7)
    assert set(answer.scores) == set(model.labels)


def test_a_stream_is_the_time_line(model: affekt.Model, voice: np.ndarray) -> None:
    stream = model.stream(OPTIONS, provisional=True)
    segments, early, measured = [], [], []
    for start, end in pairwise([0, 100, 9000, 40_001, len(voice)]):
        segments += stream.push(voice[start:end])
        early += stream.provisional
        measured += stream.measurements
    segments += stream.flush()
    measured += stream.measurements
    whole = list(model.measure((voice, RATE), OPTIONS))
    assert [(one.start, one.end) for one in measured] == [(one.start, one.end) for one in whole]
    for one, other in zip(measured, whole, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-4)
    assert [(s.start, s.end, s.label) for s in segments] == [
        (s.start, s.end, s.label) for s in model.timeline((voice, RATE), OPTIONS)
    ]
    assert early
    first = early[0]
    expected = model.predict((voice[: round(first.end * RATE)], RATE))
    assert first.scores == pytest.approx(expected.scores, abs=1e-4)
