"""Time lines of turns: what predict says of each, for every speaker by their own baseline."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import affekt
from affekt import Turn
from affekt.errors import AudioError, DataError
from affekt.results import UNCERTAIN, summarise_speakers
from affekt.runtime import TimelineOptions
from affekt.runtime.adapted import adapt_predictions

RATE = 16_000
RECORDINGS = Path(__file__).parents[3] / "examples" / "recordings"
NAMED = TimelineOptions(threshold=0)


@pytest.fixture(scope="module")
def model() -> affekt.Model:
    return affekt.load_model(threads=1)


@pytest.fixture(scope="module")
def talk() -> tuple[np.ndarray, list[Turn]]:
    """Two voices in turns, eight of them, with a pause after each."""
    names = ["english-man-angry.wav", "english-woman-happy.flac"]
    names += ["english-man-neutral.wav", "english-woman-sad.ogg"]
    parts, turns, at = [], [], 0
    for name in names * 2:
        samples = affekt.load_audio(RECORDINGS / name)[: 2 * RATE]
        parts += [samples, np.zeros(RATE // 2, np.float32)]
        turns.append(Turn(at / RATE, (at + len(samples)) / RATE, "M" if "-man" in name else "W"))
        at += len(samples) + RATE // 2
    return np.concatenate(parts), turns


def cut(samples: np.ndarray, turn: Turn) -> tuple[np.ndarray, int]:
    return samples[round(turn.start * RATE) : round(turn.end * RATE)], RATE


def test_a_turn_gets_what_predict_says_of_it(
    model: affekt.Model, talk: tuple[np.ndarray, list[Turn]]
) -> None:
    samples, turns = talk
    line = model.timeline((samples, RATE), NAMED, turns=turns, adapt=False)
    found = list(line)
    assert [(one.start, one.end, one.speaker) for one in found] == [
        (one.start, one.end, one.speaker) for one in turns
    ]
    for one, turn in zip(found, turns, strict=True):
        answer = model.predict(cut(samples, turn))
        assert one.label == answer.label
        assert one.scores == pytest.approx(answer.scores, abs=1e-5)
    assert line.warnings == ()
    assert line.duration == len(samples) / RATE


def test_each_speaker_is_answered_by_their_own_baseline(
    model: affekt.Model, talk: tuple[np.ndarray, list[Turn]]
) -> None:
    samples, turns = talk
    line = model.sentences((samples, RATE), turns, NAMED)
    found = list(line)
    assert "M" in line.adapted
    for speaker in ("M", "W"):
        plain = [model.predict(cut(samples, one)) for one in turns if one.speaker == speaker]
        own = [one for one in found if one.speaker == speaker]
        for one, answer in zip(own, adapt_predictions(model.config, plain), strict=True):
            assert one.scores == pytest.approx(answer.scores, abs=1e-4)
        unmoved = own[0].scores == pytest.approx(plain[0].scores, abs=1e-5)
        assert unmoved is (speaker not in line.adapted)  # no more than chance leaves


def test_a_baseline_needs_speech_enough(
    model: affekt.Model, talk: tuple[np.ndarray, list[Turn]]
) -> None:
    samples, turns = talk
    few = turns[:7]  # three of W
    line = model.sentences((samples, RATE), few, NAMED)
    found = list(line)
    assert line.adapted == ("M",)
    assert found[1].scores == pytest.approx(model.predict(cut(samples, few[1])).scores, abs=1e-5)
    voice = model.baseline([cut(samples, one) for one in turns])
    adapted = model.with_baseline(voice).sentences((samples, RATE), turns, NAMED)
    assert list(adapted)
    assert adapted.adapted == ()  # the baseline that was asked for


def test_a_long_turn_may_change_but_a_sentence_has_one_answer(model: affekt.Model) -> None:
    parts = [affekt.load_audio(RECORDINGS / "english-man-neutral.wav")] * 5
    parts += [affekt.load_audio(RECORDINGS / "english-man-angry.wav") * 0.7] * 5
    samples = np.concatenate(parts)
    turn = Turn(0, len(samples) / RATE, "A")
    found = list(model.timeline((samples, RATE), NAMED, turns=[turn]))
    assert found[0].start == 0
    assert found[-1].end == pytest.approx(turn.end, abs=1e-3)
    assert all(a.end == b.start and a.label != b.label for a, b in pairwise(found))
    line = model.sentences((samples, RATE), [turn], NAMED)
    (whole,) = line
    assert line.answers == {0: whole}
    seconds = np.array([one.duration for one in found])
    mean = np.average([list(one.scores.values()) for one in found], axis=0, weights=seconds)
    assert list(whole.scores.values()) == pytest.approx(mean, abs=1e-5)
    doubtful = list(model.timeline((samples, RATE), TimelineOptions(threshold=1), turns=[turn]))
    assert [one.label for one in doubtful] == [UNCERTAIN]


def test_turns_that_overlap_are_all_answered(
    model: affekt.Model, talk: tuple[np.ndarray, list[Turn]]
) -> None:
    samples, _ = talk
    turns = [Turn(0, 4, "A"), Turn(1, 3, "B"), Turn(1.5, 2.5), Turn(3.5, 5, "A"), Turn(5, 6.5, "B")]
    line = model.timeline((samples, RATE), NAMED, turns=turns, adapt=False)
    assert [(one.start, one.end, one.speaker) for one in line] == [
        (0, 5, "A"),
        (1, 3, "B"),
        (1.5, 2.5, ""),
        (5, 6.5, "B"),
    ]
    assert "turns: 1 overlap with another one of the same speaker: joined" in line.warnings
    assert "turns: more than one person speaks at a time in 2.0 s" in line.warnings
    assert "turns: 1 have no speaker" in line.warnings


def test_turns_that_leave_the_recording_are_cut(
    model: affekt.Model, talk: tuple[np.ndarray, list[Turn]]
) -> None:
    samples = talk[0][: 4 * RATE]
    turns = [Turn(-1, 1, "A"), Turn(3, 9, "B"), Turn(20, 22, "A")]
    line = model.timeline((samples, RATE), NAMED, turns=turns)
    assert [(one.start, one.end) for one in line] == [(0, 1), (3, 4)]
    told = "\n".join(line.warnings)
    assert "2 leave the recording and are cut there" in told
    assert "1 of 3 begin after the recording ends at 4.0 s, and have no answer" in told
    with pytest.raises(DataError, match=r"ends at 4.0 s, and all 2 turns begin later"):
        list(model.timeline((samples, RATE), turns=[Turn(4, 5, "A"), Turn(6, 7, "A")]))


def test_an_open_end_is_that_of_the_recording(
    model: affekt.Model, talk: tuple[np.ndarray, list[Turn]]
) -> None:
    samples, _ = talk
    line = model.sentences((samples, RATE), [Turn(1, math.inf, "A")], NAMED)
    (one,) = line
    assert (one.start, one.end) == (1, pytest.approx(len(samples) / RATE))
    assert line.warnings == ()


def test_silence_and_slivers(model: affekt.Model, talk: tuple[np.ndarray, list[Turn]]) -> None:
    samples, _ = talk
    turns = [Turn(0.5, 0.53, "A"), Turn(2.1, 2.4, "A"), Turn(1, 1, "A")]
    line = model.timeline((samples, RATE), NAMED, turns=turns)
    (short,) = line
    assert (short.start, short.end) == (0.5, 0.53)
    assert "short: 0.03 s" in short.warnings
    assert line.warnings == ("turns: 2 have no sound and no answer, at 1.0 s, 2.1 s",)


def test_nobody_speaks(model: affekt.Model, talk: tuple[np.ndarray, list[Turn]]) -> None:
    line = model.timeline((talk[0], RATE), turns=[])
    assert list(line) == []
    assert line.warnings == ("turns: there are none, so that nobody speaks",)
    with pytest.raises(AudioError, match="too short"):
        list(model.timeline((talk[0][:100], RATE), turns=[]))


def test_fifty_speakers(model: affekt.Model, talk: tuple[np.ndarray, list[Turn]]) -> None:
    samples, _ = talk
    turns = [Turn(0.3 * i, 0.3 * i + 1, f"S{i:02}") for i in range(50)]
    found = list(model.timeline((samples, RATE), NAMED, turns=turns))
    assert [one.speaker for one in found] == [one.speaker for one in turns]
    summaries = summarise_speakers(found)
    assert summaries is not None
    assert [one.speaker for one in summaries] == [f"S{i:02}" for i in range(50)]
    assert all(sum(one.shares.values()) == pytest.approx(1) for one in summaries)
