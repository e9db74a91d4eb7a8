"""Scoring a model that runs: on whom, over which emotions, and in spite of bad files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_corpus import RATE, sound, write_sound
from tiny_model import write_tiny_model

from affekt import load_model
from affekt.data import Clip
from affekt.errors import ConfigError, DataError
from affekt.runtime import Model
from affekt.runtime.config import ModelConfig
from affekt.runtime.score import clips_of_split, score_model

pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Model:
    return load_model(tiny_model, threads=1)


def config(**speakers: list[str]) -> ModelConfig:
    return ModelConfig("tiny", ("angry", "sad"), RATE, raw={"speakers": speakers})


def clip(speaker: str, corpus: str = "emodb", **fields: Any) -> Clip:
    return Clip(Path(f"{speaker}.wav"), "sad", speaker, corpus=corpus, **fields)


TRAINED = config(train=["emodb/03", "emodb/08"], validation=["emodb/09"], test=["emodb/10"])


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        ("train", ["03", "08"]),
        ("validation", ["09"]),
        ("test", ["10", "16"]),  # 16 was nowhere, so it was not heard either
        ("all", ["03", "08", "09", "10", "16"]),
    ],
)
def test_the_model_says_who_was_where(side: str, expected: list[str]) -> None:
    clips = [clip(speaker) for speaker in ("03", "08", "09", "10", "16")]
    assert [found.speaker for found in clips_of_split(TRAINED, clips, side)] == expected


def test_its_own_word_counts_more_than_a_manifest() -> None:
    lying = [clip("03", split="test"), clip("10", split="train")]
    assert [found.speaker for found in clips_of_split(TRAINED, lying, "test")] == ["10"]


def test_a_corpus_that_it_never_saw_is_a_test() -> None:
    clips = [clip("03", corpus="ravdess"), clip("03", corpus="ravdess", split="train")]
    assert clips_of_split(TRAINED, clips, "test") == clips[:1]
    assert clips_of_split(TRAINED, clips, "train") == clips[1:]


def test_own_recordings_have_no_corpus_yet_their_speakers_are_known() -> None:
    own = config(train=["anna", "bert"], validation=["carl"], test=["dora"])
    clips = [clip(name, corpus="") for name in ("anna", "bert", "carl", "dora", "emil")]
    assert [found.speaker for found in clips_of_split(own, clips, "test")] == ["dora", "emil"]
    assert [found.speaker for found in clips_of_split(own, clips, "train")] == ["anna", "bert"]


def test_a_model_that_names_nobody_is_tested_on_all() -> None:
    silent = replace(TRAINED, raw={})
    assert len(clips_of_split(silent, [clip("03"), clip("08")], "test")) == 2


def test_sides_that_are_not() -> None:
    with pytest.raises(ConfigError, match="unknown split 'dev': expected one of train, valid"):
        clips_of_split(TRAINED, [clip("03")], "dev")
    with pytest.raises(DataError, match="the model has no clips of its validation split there"):
        clips_of_split(TRAINED, [clip("03")], "validation")


def recorded(folder: Path, emotions: list[str], **fields: Any) -> list[Clip]:
    """Make a recording of another loudness for each emotion in turn."""
    made = []
    for number, emotion in enumerate(emotions):
        level = 0.05 * (1 + number % 7)
        path = write_sound(folder / f"{number}.wav", level * sound(str(number)))
        made.append(Clip(path, emotion, f"speaker {number % 3}", corpus="noise", **fields))
    return made


def test_answers_are_those_of_predict(model: Model, tmp_path: Path) -> None:
    clips = recorded(tmp_path, ["angry", "happy", "sad", "neutral", "fearful", "disgust"] * 3)
    advanced: list[float] = []
    scored = score_model(model, clips, advanced.append)
    answers = [model.predict(clip.file) for clip in clips]
    assert np.allclose(scored.probabilities, [[*a.scores.values()] for a in answers], atol=1e-6)
    hits = [a.label == c.emotion for a, c in zip(answers, clips, strict=True)]
    assert scored.metrics.wa == pytest.approx(np.mean(hits))
    assert [model.labels[target] for target in scored.targets] == [c.emotion for c in clips]
    assert sum(advanced) == len(clips)
    assert scored.errors == {}
    assert "uar" in scored.metrics.ci95  # over the three speakers


def test_emotions_of_one_side_alone_are_left_out(model: Model, tmp_path: Path) -> None:
    clips = recorded(tmp_path, ["angry", "boredom", "sad", "calm"] * 3)
    scored = score_model(model, clips)
    assert scored.metrics.labels == ("angry", "sad")
    assert scored.metrics.n == 6
    assert scored.probabilities.shape == (6, 2)
    assert scored.probabilities.sum(axis=1) == pytest.approx(1)
    answer = model.predict(clips[0].file).scores
    expected = answer["angry"] / (answer["angry"] + answer["sad"])
    assert scored.probabilities[0, 0] == pytest.approx(expected)


def test_too_little_in_common(model: Model, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="of these the data has only none"):
        score_model(model, recorded(tmp_path, ["boredom", "calm"]))
    with pytest.raises(DataError, match="of these the data has only sad"):
        score_model(model, recorded(tmp_path, ["sad", "calm"]))


def test_bad_clips_are_reported_and_the_others_scored(model: Model, tmp_path: Path) -> None:
    clips = recorded(tmp_path, ["angry", "sad"] * 5)
    clips[2].file.write_text("no sound at all")
    clips[5].file.unlink()
    write_sound(clips[6].file, np.zeros(RATE, dtype=np.float32))
    clips[7] = replace(clips[7], start=0.2, end=0.25)  # too short
    clips[2] = replace(clips[2], start=0.1, end=0.4)  # a stretch of what cannot be read
    scored = score_model(model, clips)
    assert scored.metrics.n == 6
    faults = {Path(file).name: text for file, text in scored.errors.items()}
    assert faults.keys() == {"2.wav", "5.wav", "6.wav", "7.wav"}
    assert "it is not audio that can be read" in faults["2.wav"]
    assert "no such file" in faults["5.wav"]
    assert "silent" in faults["6.wav"]
    assert "too short" in faults["7.wav"]


def test_nothing_can_be_scored(model: Model, tmp_path: Path) -> None:
    clips = recorded(tmp_path, ["angry", "sad"])
    for bad in clips:
        bad.file.write_bytes(b"")
    with pytest.raises(DataError, match=r"none of 2 clips can be scored: .*0\.wav: it is empty"):
        score_model(model, clips)


def test_a_stretch_is_scored_alone(model: Model, tmp_path: Path) -> None:
    loud, quiet = sound("a", 1.0), 0.1 * sound("b", 1.0)
    path = write_sound(tmp_path / "both.wav", np.concatenate([loud, quiet]))
    clips = [
        Clip(path, "angry", "a", start=0.0, end=1.0),
        Clip(path, "sad", "a", start=1.0, end=None),
        Clip(path, "sad", "a", end=0.5),
    ]
    scored = score_model(model, clips)
    written = [
        write_sound(tmp_path / "loud.wav", loud),
        write_sound(tmp_path / "quiet.wav", quiet),
        write_sound(tmp_path / "half.wav", loud[: RATE // 2]),
    ]
    expected = []
    for file in written:
        scores = model.predict(file).scores
        expected.append(scores["angry"] / (scores["angry"] + scores["sad"]))
    assert scored.probabilities[:, 0] == pytest.approx(expected, abs=1e-3)
    assert np.ptp(expected) > 0.05


def test_without_all_speakers_there_are_no_intervals_over_them(
    model: Model, tmp_path: Path
) -> None:
    clips = recorded(tmp_path, ["angry", "sad"] * 4)
    clips[0] = replace(clips[0], speaker="")
    known = score_model(model, clips[1:]).metrics
    unknown = score_model(model, clips).metrics
    assert known.ci95
    assert not unknown.ci95
    assert unknown.n == known.n + 1


def test_the_columns_follow_the_model(tmp_path: Path) -> None:
    """The labels of the model, not those of the data, decide on the columns."""
    labels = ("sad", "happy", "neutral", "disgust", "fearful", "angry")
    turned = {str(index): label for index, label in enumerate(labels)}
    model = load_model(write_tiny_model(tmp_path / "turned", id2label=turned), threads=1)
    scored = score_model(model, recorded(tmp_path, ["angry", "sad"] * 2))
    assert scored.metrics.labels == ("sad", "angry")
    answer = model.predict(tmp_path / "0.wav").scores
    assert scored.probabilities[0, 0] == pytest.approx(
        answer["sad"] / (answer["sad"] + answer["angry"])
    )
