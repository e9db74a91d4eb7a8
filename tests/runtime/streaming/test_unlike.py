"""Time lines and streams say where they hear what is unlike speech, as a prediction does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import affekt
from affekt import TimelineOptions
from affekt.results import Segment, mean_numbers

RATE = 16000
VOICE = Path(__file__).parents[3] / "examples" / "recordings" / "english-man-angry.wav"
ALONE = TimelineOptions(window=60, hop=60, vad="off", threshold=0)


@pytest.fixture(scope="module")
def model() -> affekt.Model:
    return affekt.load_model("live")


@pytest.fixture(scope="module")
def mixed() -> np.ndarray:
    """A voice, and noise after it."""
    voice = affekt.load_audio(VOICE)
    noise = np.random.default_rng(0).normal(0, 0.1, 6 * RATE).astype(np.float32)
    return np.concatenate([voice, voice, noise])


def _mean(segments: list[Segment]) -> float | None:
    return mean_numbers(segments, [one.duration for one in segments])["ood_score"]


def test_one_window_scores_as_predict_does(model: affekt.Model) -> None:
    (segment,) = model.timeline(VOICE, ALONE)
    answer = model.predict(VOICE)
    assert segment.ood_score == pytest.approx(answer.ood_score, rel=5e-3)  # whole steps
    assert segment.warnings == ()


def test_what_is_unlike_speech_is_told_where_it_is(model: affekt.Model, mixed: np.ndarray) -> None:
    options = TimelineOptions(vad="off", threshold=0)
    hops = list(model.measure((mixed, RATE), options))
    assert hops[1].warnings == ()
    assert hops[-2].ood_score > 1
    assert hops[-2].warnings[0].startswith("unlike the speech it was trained on: score ")
    segments = list(model.timeline((mixed, RATE), options))
    assert segments[0].ood_score < segments[-1].ood_score
    total = sum(hop.ood_score * (hop.end - hop.start) for hop in hops)
    assert _mean(segments) == pytest.approx(total / hops[-1].end, rel=1e-6)


def test_a_stream_tells_what_the_time_line_does(model: affekt.Model, mixed: np.ndarray) -> None:
    options = TimelineOptions(vad="off")
    stream = model.stream(options, sample_rate=RATE)
    found = []
    for start in range(0, len(mixed), 1234):
        found += stream.push(mixed[start : start + 1234])
    found += stream.flush()
    whole = list(model.timeline((mixed, RATE), options))
    assert [one.warnings for one in found] == [one.warnings for one in whole]
    for one, other in zip(found, whole, strict=True):
        assert one.ood_score == pytest.approx(other.ood_score, rel=1e-4)


def test_less_than_a_second_has_no_score(model: affekt.Model) -> None:
    voice = affekt.load_audio(VOICE)[: int(0.8 * RATE)]
    (segment,) = model.timeline((voice, RATE), ALONE)
    assert segment.ood_score is None
    assert _mean([segment]) is None


def test_the_mean_is_over_what_has_a_score() -> None:
    segments = [
        Segment(0, 3, "sad", 0.9, {}, ood_score=1.0),
        Segment(3, 4, "sad", 0.9, {}, ood_score=2.0),
        Segment(4, 9, "sad", 0.9, {}),
    ]
    assert _mean(segments) == 1.25
