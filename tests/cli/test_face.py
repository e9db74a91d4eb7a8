"""``affekt face``, and ``affekt predict`` with a face beside the voice of a video."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from command_line import affekt

SAMPLE_RATE = 16000
VIDEO_RATE = 25


def video(path: Path, seconds: float = 2.0) -> Path:
    """Write a grey picture of 25 frames per second with noise as its sound."""
    sound = np.random.default_rng(0).normal(0, 0.1, (1, int(seconds * SAMPLE_RATE)))
    with av.open(str(path), "w") as container:
        picture: Any = container.add_stream("mpeg4", rate=VIDEO_RATE)
        picture.width = picture.height = 32
        picture.pix_fmt = "yuv420p"
        speech: Any = container.add_stream("aac", rate=SAMPLE_RATE)
        speech.layout = "mono"
        for index in range(int(seconds * VIDEO_RATE)):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 99, np.uint8), format="rgb24")
            frame.pts = index
            frame.time_base = Fraction(1, VIDEO_RATE)
            container.mux(picture.encode(frame))
        frames = av.AudioFrame.from_ndarray(sound.astype(np.float32), format="fltp", layout="mono")
        frames.sample_rate = SAMPLE_RATE
        frames.pts = 0
        container.mux(speech.encode(frames))
        container.mux(picture.encode())
        container.mux(speech.encode())
    return path


def openface(path: Path, frames: int, rate: float = VIDEO_RATE) -> Path:
    lines = ["frame, timestamp, success, AU04_r, AU12_r"]
    lines += [f"{n + 1}, {n / rate:.3f}, 1, 0.10, 2.00" for n in range(frames)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Four people, happy with raised corners of the mouth, angry with lowered brows."""
    generator = np.random.default_rng(0)
    rows, units = ["file,emotion,speaker"], ["clip,AU04_r,AU12_r"]
    for index in range(32):
        happy, name = index % 2, f"clip{index}"
        samples = generator.normal(0, 0.1 + 0.1 * happy, SAMPLE_RATE // 2)
        soundfile.write(tmp_path / f"{name}.wav", samples, SAMPLE_RATE)
        rows.append(f"{name}.wav,{'happy' if happy else 'angry'},s{index // 8}")
        brow, mouth = generator.normal([2.0, 0.1] if not happy else [0.1, 2.0], 0.3)
        units.append(f"{name},{brow:.3f},{mouth:.3f}")
    (tmp_path / "clips.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    path = tmp_path / "units.csv"
    path.write_text("\n".join(units) + "\n", encoding="utf-8")
    return path


def test_a_face_model_is_learned_and_fused(
    corpus: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, voice = tmp_path / "face.json", ("--model", tiny_model)
    words = ("face", corpus, "--corpus", tmp_path / "clips.csv", "--out", model, *voice)
    done = affekt(capsys, *words, "--format", "json")
    assert done.status == 0, done.errors
    row = json.loads(done.out)
    assert (row["clips"], row["speakers"]) == (32, 4)
    assert row["uar"] > 0.9
    assert row["weight_face"] > row["weight_voice"] >= 0

    talk = video(tmp_path / "talk.mp4")
    frames = openface(tmp_path / "talk.csv", 50)
    face = ("--face", frames, "--face-model", model)
    done = affekt(capsys, "predict", talk, *voice, *face, "--format", "json")
    assert done.status == 0, done.errors
    answer = json.loads(done.out)
    assert answer["label"] == "happy"
    assert set(answer["scores"]) == {"angry", "happy"}
    assert answer["modalities"]["face"] > 0.5
    table = affekt(capsys, "predict", talk, *voice, *face, "--format", "csv").out.splitlines()
    cells = dict(zip(table[0].split(","), table[1].replace('"', "").split(","), strict=False))
    assert cells["modalities"].startswith("voice ")

    done = affekt(capsys, "predict", talk, *voice, "--face", frames)
    done.is_one_line("it holds face units alone", "--face-model")
    done = affekt(capsys, "predict", talk, *voice, "--face-model", model)
    done.is_one_line("give them with --face")


@pytest.mark.parametrize(
    ("frames", "rate", "message"),
    [
        (100, 25.0, "it is 4.0 s long, "),
        (60, 30.0, "it has 30 frames per second, "),
    ],
)
def test_the_table_of_another_video_is_refused(
    frames: int,
    rate: float,
    message: str,
    tiny_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    talk = video(tmp_path / "talk.mp4")
    table = openface(tmp_path / "other.csv", frames, rate)
    done = affekt(capsys, "predict", talk, "--model", tiny_model, "--face", table)
    done.is_one_line("other.csv: ", message)


def test_scores_of_another_tool_are_fused(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 9000), 16000)
    scores = tmp_path / "face.json"
    scores.write_text('{"sad": 0.9, "happy": 0.05, "angry": 0.05}', encoding="utf-8")
    words = ("predict", tmp_path / "a.wav", "--model", tiny_model, "--face", scores)
    answer = json.loads(affekt(capsys, *words, "--format", "json").out)
    alone = json.loads(affekt(capsys, *words[:-2], "--format", "json").out)
    assert "modalities" not in alone
    odds = [one["scores"]["sad"] / one["scores"]["happy"] for one in (answer, alone)]
    assert odds[0] / odds[1] == pytest.approx(0.9 / 0.05, rel=1e-3)
    assert set(answer["modalities"]) == {"voice", "face"}


def test_words_are_fused(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    for name in ("a", "b", "c", "d"):
        samples = np.random.default_rng(0).normal(0, 0.1, 9000)
        soundfile.write(tmp_path / f"{name}.wav", samples, SAMPLE_RATE)
    (texts / "a.txt").write_text("I am so sad, I cried all night.", encoding="utf-8")
    (texts / "b.txt").write_text("", encoding="utf-8")
    (texts / "c.txt").write_text("Das habe ich nun wirklich nicht gewusst.", encoding="utf-8")
    (texts / "c.srt").write_text("", encoding="utf-8")
    sounds = [tmp_path / f"{name}.wav" for name in ("a", "b", "c", "d")]
    words = ("predict", *sounds, "--model", tiny_model, "--format", "json")
    done = affekt(capsys, *words, "--text", texts)
    assert done.status == 1
    first, empty, twice, none = map(json.loads, done.out.splitlines())
    plain = json.loads(affekt(capsys, *words).out.splitlines()[0])
    assert first["scores"]["sad"] > plain["scores"]["sad"]
    assert set(first["modalities"]) == {"voice", "text"}
    assert "the text is empty" in empty["error"]
    assert "it holds 2 of c.txt, c.srt" in twice["error"]
    assert "it holds none of d.txt" in none["error"]
    done = affekt(capsys, "predict", sounds[0], "--model", tiny_model, "--text", texts / "c.txt")
    done.is_one_line("c.txt: the text seems to be of another language")
    scores = tmp_path / "scores.json"
    scores.write_text('{"joy": 0.5, "sadness": 0.5}', encoding="utf-8")
    done = affekt(capsys, "predict", sounds[0], "--model", tiny_model, "--text", scores)
    assert done.status == 0, done.errors
