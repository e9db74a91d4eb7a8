"""What speaks for an emotion is found where it was put."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import affekt as command
from tiny_network import RATE, voice

import affekt
from affekt.errors import AudioError, ConfigError
from affekt.runtime.explain import LONGEST, Explanation, without_band, without_stretch

SPEAKER = "1040"  # a test actor of CREMA-D


@pytest.fixture(scope="module")
def model() -> affekt.Model:
    """The quickest one."""
    return affekt.load_model("nano", threads=1)


def test_an_angry_second_among_neutral_ones_is_found(data_root: Path) -> None:
    model, speaker = affekt.load_model(threads=1), SPEAKER
    audio = data_root / "cremad" / "audio"
    neutral = [affekt.load_audio(audio / f"{speaker}_{s}_NEU_XX.ogg") for s in ("ITS", "TSI")]
    angry = affekt.load_audio(audio / f"{speaker}_IEO_ANG_HI.ogg")
    loudest = int(np.convolve(angry**2, np.ones(RATE), "valid").argmax())
    mixed = np.concatenate(neutral)
    mixed[2 * RATE : 3 * RATE] = angry[loudest : loudest + RATE]
    found = model.explain((mixed, RATE), emotion="angry")
    peak = found.peak
    assert 2 <= (peak.start + peak.end) / 2 <= 3
    assert peak.contribution > 0.5
    outside = [one.contribution for one in found.times if one.end <= 1.25 or one.start >= 3.75]
    assert peak.contribution > max(outside) + 0.5


def test_what_a_band_holds_is_found_in_it(model: affekt.Model) -> None:
    rng = np.random.default_rng(0)
    clean = voice(3.0)
    hum = rng.normal(0, 1, len(clean)).astype(np.float32)
    hum -= without_band(hum, RATE, 2600, 3600)
    noisy = clean + 0.3 * np.float32(np.abs(clean).max()) * hum / np.abs(hum).max()
    before, after = model.predict((clean, RATE)).scores, model.predict((noisy, RATE)).scores
    grown = max(model.labels, key=lambda name: np.log(after[name] / before[name]))
    found = model.explain((noisy, RATE), emotion=grown)
    most = max(found.bands, key=lambda one: one.contribution)
    assert most.low < 3600
    assert most.high > 2600
    assert most.contribution > 0


def test_parts_are_left_out_and_nothing_else() -> None:
    sound = voice(2.0)
    rest = without_stretch(sound, RATE, RATE // 2, RATE)
    assert len(rest) == len(sound) - RATE // 2
    assert np.array_equal(rest[: RATE // 2 - RATE // 100], sound[: RATE // 2 - RATE // 100])
    assert np.array_equal(rest[RATE // 2 :], sound[RATE:])
    time = np.arange(RATE) / RATE
    low, high = (np.sin(2 * np.pi * hz * time).astype(np.float32) for hz in (440, 3000))
    np.testing.assert_allclose(without_band(low + high, RATE, 2000, 4000), low, atol=1e-3)


def test_an_explanation_is_whole(model: affekt.Model) -> None:
    sound = voice(2.6)
    found = model.explain((sound, RATE), bands=3)
    answer = model.predict((sound, RATE))
    assert (found.emotion, found.probability) == (answer.label, answer.confidence)
    assert [one.start for one in found.times[1:]] == [one.end for one in found.times[:-1]]
    assert (found.times[0].start, found.times[-1].end) == (0, len(sound) / RATE)
    assert [one.low for one in found.bands[1:]] == [one.high for one in found.bands[:-1]]
    assert Explanation.from_dict(json.loads(json.dumps(found.to_dict()))).emotion == found.emotion


def test_what_cannot_be_explained_is_said(model: affekt.Model) -> None:
    with pytest.raises(ConfigError, match="'tired' is none of the model's emotions: angry, "):
        model.explain((voice(2.0), RATE), emotion="tired")
    for changes, words in (({"window": 0.0}, "window is 0 s"), ({"bands": 0}, "bands is 0")):
        with pytest.raises(ConfigError, match=words):
            model.explain((voice(2.0), RATE), **changes)
    with pytest.raises(AudioError, match="121 s long, and 120 s can be explained"):
        model.explain((np.zeros(round((LONGEST + 1) * RATE), np.float32), RATE))
    shortest = model.config.minimum_duration
    with pytest.raises(AudioError, match="without a part of it, too little is left"):
        model.explain((voice(shortest), RATE))


def test_the_command_tells_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    model = ("--model", "nano")
    file = Path(__file__).parents[2] / "examples" / "recordings" / "english-man-angry.wav"
    plot = tmp_path / "a.png"
    said = command(
        capsys, "explain", file, *model, "--emotion", "angry", "--plot", plot, "--bands", 2
    )
    assert "angry, " in said.out
    assert "0.00 to 0.25 s" in said.out
    assert " Hz  " in said.out
    assert plot.read_bytes().startswith(b"\x89PNG")
    found = json.loads(command(capsys, "explain", file, *model, "-f", "json", "--bands", 1).out)
    assert len(found["bands"]) == 1
    assert found["times"][0]["start"] == 0
