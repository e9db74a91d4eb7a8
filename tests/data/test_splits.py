from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from affekt.data import Clip, load_corpus
from affekt.data.splits import leaking_speakers, speaker_folds, split_speakers
from affekt.errors import DataError


def clips_of(speakers: int, each: int = 6, corpus: str = "c") -> list[Clip]:
    emotions = ("angry", "happy", "sad")
    return [
        Clip(
            Path(f"{corpus}{speaker}-{number}.wav"),
            emotions[number % 3],
            speaker=f"s{speaker}",
            gender=("female", "male")[speaker % 2],
            corpus=corpus,
        )
        for speaker in range(speakers)
        for number in range(each)
    ]


def share(clips: list[Clip], split: str) -> float:
    return sum(clip.split == split for clip in clips) / len(clips)


def test_no_speaker_is_on_two_sides_and_all_clips_stay() -> None:
    clips = clips_of(20)
    result = split_speakers(clips)
    assert [replace(clip, split="") for clip in result] == clips
    assert leaking_speakers(result) == {}
    assert {clip.split for clip in result} == {"train", "validation", "test"}
    assert share(result, "test") == share(result, "validation") == 0.15


def test_sides_are_alike_in_emotion_and_gender() -> None:
    # Speakers who say different things: only a deal by content makes the sides alike.
    clips = [
        clip
        for clip in clips_of(40)
        if not (int(clip.speaker[1:]) % 4 == 0 and clip.emotion == "sad")
    ]
    result = split_speakers(clips, validation=0.25, test=0.25)
    for split in ("validation", "test"):
        side = [clip for clip in result if clip.split == split]
        emotions, genders = Counter(c.emotion for c in side), Counter(c.gender for c in side)
        for emotion, count in Counter(clip.emotion for clip in clips).items():
            assert emotions[emotion] / count == pytest.approx(0.25, abs=0.05)
        for gender, count in Counter(clip.gender for clip in clips).items():
            assert genders[gender] / count == pytest.approx(0.25, abs=0.05)


def test_the_seed_decides() -> None:
    clips = clips_of(20)
    assert split_speakers(clips, seed=3) == split_speakers(clips, seed=3)
    assert split_speakers(clips, seed=3) != split_speakers(clips, seed=4)
    test_speakers = {clip.speaker for clip in split_speakers(clips) if clip.split == "test"}
    assert test_speakers == {"s19", "s2", "s9"}  # the same on every machine


def test_the_order_of_the_clips_does_not_decide() -> None:
    clips = clips_of(20)
    sides = {clip.file: clip.split for clip in split_speakers(clips)}
    assert {clip.file: clip.split for clip in split_speakers(clips[::-1])} == sides


def test_a_side_can_be_left_out() -> None:
    result = split_speakers(clips_of(10), validation=0, test=0.3)
    assert {clip.split for clip in result} == {"train", "test"}
    assert share(result, "test") == pytest.approx(0.3)


def test_the_same_name_in_two_corpora_is_two_people() -> None:
    clips = clips_of(8, corpus="a") + clips_of(8, corpus="b")
    result = split_speakers(clips, validation=0.25, test=0.25)
    assert leaking_speakers(result) == {}
    for corpus in "ab":
        side = [clip for clip in result if clip.corpus == corpus]
        assert share(side, "test") == pytest.approx(0.25)


def test_three_speakers_are_enough_for_three_sides() -> None:
    assert {clip.split for clip in split_speakers(clips_of(3))} == {"train", "validation", "test"}


def test_too_few_speakers() -> None:
    with pytest.raises(DataError, match="2 speakers cannot be divided into 3 sides"):
        split_speakers(clips_of(2))
    with pytest.raises(DataError, match="4 speakers cannot be divided into 5 sides"):
        speaker_folds(clips_of(4), 5)


def test_unknown_speakers() -> None:
    clips = [*clips_of(5), Clip(Path("who.wav"), "sad")]
    with pytest.raises(DataError, match=r"1 of 31 clips have no speaker, the first is who\.wav"):
        split_speakers(clips)


@pytest.mark.parametrize(("validation", "test"), [(0.5, 0.5), (-0.1, 0.2), (float("nan"), 0.1)])
def test_impossible_shares(validation: float, test: float) -> None:
    with pytest.raises(DataError, match="must be from 0 up and leave a share"):
        split_speakers(clips_of(5), validation=validation, test=test)


def test_an_emotion_missing_on_a_side_is_said(caplog: pytest.LogCaptureFixture) -> None:
    clips = [*clips_of(6), Clip(Path("x.wav"), "calm", speaker="s0", corpus="c")]
    with caplog.at_level(logging.WARNING, "affekt.data"):
        split_speakers(clips)
    assert caplog.text.count("is calm") == 2  # only one side can have the only calm clip


def test_each_clip_is_tested_in_one_fold() -> None:
    clips = clips_of(11)
    folds = speaker_folds(clips, 5)
    assert sorted(index for fold in folds for index in fold) == list(range(len(clips)))
    assert all(fold == sorted(fold) for fold in folds)
    speakers = [{clips[index].speaker for index in fold} for fold in folds]
    assert sum(map(len, speakers)) == 11
    assert sorted(map(len, speakers)) == [2, 2, 2, 2, 3]


def test_one_fold_is_none() -> None:
    with pytest.raises(DataError, match="there must be at least 2"):
        speaker_folds(clips_of(4), 1)


def test_leaking_speakers_are_named_with_their_sides() -> None:
    clips = [replace(clip, split="train") for clip in clips_of(2)]
    clips[0] = replace(clips[0], split="test")
    clips.append(Clip(Path("x.wav"), "sad", speaker="s1", corpus="other", split="test"))
    clips.append(Clip(Path("y.wav"), "sad", split="test"))
    assert leaking_speakers(clips) == {"c/s0": {"train", "test"}}


@pytest.mark.parametrize("name", ["ravdess", "emodb", "cremad"])
def test_real_corpora_split_well(data_root: Path, name: str) -> None:
    result = split_speakers(load_corpus(name, data_root))
    assert leaking_speakers(result) == {}
    for split in ("validation", "test"):
        side = [clip for clip in result if clip.split == split]
        assert len(side) / len(result) == pytest.approx(0.15, abs=0.04)
        assert {clip.emotion for clip in side} == {clip.emotion for clip in result}
        assert {clip.gender for clip in side} == {"female", "male"}


def test_folds_of_emodb_by_speaker(data_root: Path) -> None:
    clips = load_corpus("emodb", data_root)
    folds = speaker_folds(clips, 10)
    assert [len({clips[index].speaker for index in fold}) for fold in folds] == [1] * 10
