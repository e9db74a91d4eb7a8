"""Streams: what comes out does not depend on how the sound was cut into chunks."""

from __future__ import annotations

import runpy
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import affekt
from affekt import AudioError, ConfigError, Measurement, Segment, Stream, TimelineOptions

RATE = 16000  # Hz
QUICK = TimelineOptions(window=1.0, hop=0.25, min_duration=0.5, max_pause=0.5, vad="off")


def sounds(seconds: float = 6.0, rate: int = RATE) -> np.ndarray:
    """Return noise in swelling loudness, with a pause: [samples]."""
    rng = np.random.default_rng(0)
    time = np.arange(round(seconds * rate)) / rate
    loudness = 0.05 + 0.15 * np.sin(np.pi * time / 2.5) ** 2
    loudness[round(2.6 * rate) : round(4.4 * rate)] = 0.0
    return (loudness * rng.normal(0, 1, len(time))).clip(-1, 1).astype(np.float32)


def listen(stream: Stream, samples: np.ndarray, cuts: list[int]) -> tuple[list, list]:
    segments: list[Segment] = []
    measurements: list[Measurement] = []
    for start, end in pairwise([0, *cuts, len(samples)]):
        segments += stream.push(samples[start:end])
        measurements += stream.measurements
    segments += stream.flush()
    return segments, measurements + stream.measurements


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> affekt.Model:
    return affekt.load_model(tiny_model, threads=1)


@given(cuts=st.lists(st.integers(0, 6 * RATE), max_size=40).map(sorted))
@settings(max_examples=25, deadline=None)
def test_every_chunking_gives_the_same(model: affekt.Model, cuts: list[int]) -> None:
    samples = sounds()
    whole = listen(model.stream(QUICK), samples, [])
    assert listen(model.stream(QUICK), samples, cuts) == whole
    assert len(whole[0]) > 1
    assert len(whole[1]) > 5


def test_chunks_of_one_sample(model: affekt.Model) -> None:
    samples = sounds(1.2)
    stream = model.stream(QUICK)
    assert listen(stream, samples, list(range(len(samples)))) == listen(
        model.stream(QUICK), samples, []
    )


def test_the_time_line_of_the_whole_is_the_same(model: affekt.Model) -> None:
    samples = sounds()
    segments, measurements = listen(model.stream(QUICK), samples, [100, 30_000])
    assert list(model.timeline((samples, RATE), QUICK)) == segments
    assert list(model.measure((samples, RATE), QUICK)) == measurements


def test_a_silence_ends_a_segment_and_nothing_is_said_of_it(model: affekt.Model) -> None:
    segments, measurements = listen(model.stream(QUICK), sounds(), [])
    assert any(a.end <= 2.9 and b.start >= 4.1 for a, b in pairwise(segments))
    assert not [one for one in measurements if 3.2 < one.start < 3.6]
    assert segments[0].start == 0.0
    assert segments[-1].end == 6.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e6])
def test_a_chunk_that_is_no_sound_is_refused_and_the_stream_goes_on(
    model: affekt.Model, bad: float
) -> None:
    samples = sounds()
    stream = model.stream(QUICK)
    segments = stream.push(samples[:RATE])
    with pytest.raises(AudioError, match="stream: "):
        stream.push(np.array([0.0, bad]))
    segments += stream.push(samples[RATE:])
    assert segments + stream.flush() == listen(model.stream(QUICK), samples, [])[0]


def test_after_flush_comes_reset(model: affekt.Model) -> None:
    stream = model.stream(QUICK)
    first = listen(stream, sounds(), [1000])
    assert stream.flush() == []
    with pytest.raises(AudioError, match="reset"):
        stream.push(sounds(0.1))
    stream.reset()
    assert stream.duration == 0
    assert listen(stream, sounds(), [1000]) == first


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window": 0}, "window must be seconds above 0, got 0"),
        ({"hop": float("nan")}, "hop must be seconds above 0, got nan"),
        ({"min_duration": -1}, "min_duration must be seconds from 0 up, got -1"),
        ({"threshold": 1.5}, "threshold must be from 0 to 1, got 1.5"),
        ({"window": 1, "hop": 2}, r"hop \(2 s\) is longer than window \(1 s\)"),
        ({"vad": "on"}, "unknown vad 'on': expected one of auto, silero, off"),
    ],
)
def test_impossible_options_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TimelineOptions(**changes)


def test_an_impossible_rate_is_refused(model: affekt.Model) -> None:
    with pytest.raises(AudioError, match="a sample rate of 0 Hz"):
        model.stream(sample_rate=0)


def test_the_example_runs(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    example = repository / "examples" / "stream.py"
    monkeypatch.setattr("sys.argv", [str(example)])
    runpy.run_path(str(example))
    said = capsys.readouterr().out.splitlines()
    assert "s pushed, " in said[0]
    assert said[-1].endswith("%")
