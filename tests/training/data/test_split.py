"""Who trains, who chooses, who tests: never the same speaker twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_corpus import make_official, write_sound
from tone_corpus import EMOTIONS, make_tones

torch = pytest.importorskip("torch")

from affekt.data import Clip, open_data, write_manifest  # noqa: E402
from affekt.errors import AffektError, ConfigError, DataError  # noqa: E402
from affekt.evaluation import get_protocol  # noqa: E402
from affekt.training.data.split import Split, choose_split, extra_clips  # noqa: E402
from affekt.training.recipe.schema import DataConfig  # noqa: E402

SIDES = ("train", "validation", "test")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tones(tmp_path_factory.mktemp("recordings"), takes=1)


def speakers(split: Split) -> list[set[str]]:
    return [{clip.speaker_id for clip in getattr(split, side)} for side in SIDES]


def config(*sources: Path | str, **fields: object) -> DataConfig:
    return DataConfig(sources=tuple(map(str, sources)), **fields)  # type: ignore[arg-type]


def test_a_folder_is_split_by_its_speakers(recordings: Path) -> None:
    split = choose_split(config(recordings, validation=0.25, test=0.25))
    train, validation, test = speakers(split)
    assert (len(train), len(validation), len(test)) == (4, 2, 2)
    assert not train & validation | train & test | validation & test
    assert len(split.all()) == 24
    assert {clip.split for clip in split.test} == {"test"}
    other = choose_split(config(recordings, validation=0.25, test=0.25, split_seed=1))
    assert speakers(other) != [train, validation, test]


def test_a_manifest_keeps_the_split_it_names(recordings: Path, tmp_path: Path) -> None:
    by_speaker = dict(zip("abcdefgh", ["test", "validation", *["train"] * 6], strict=True))
    clips = [replace(c, split=by_speaker[c.speaker]) for c in open_data(recordings)]
    write_manifest(clips, tmp_path / "own.csv")
    split = choose_split(config(tmp_path / "own.csv"))
    assert speakers(split) == [set("cdefgh"), {"b"}, {"a"}]


def test_a_leaking_manifest_is_refused(recordings: Path, tmp_path: Path) -> None:
    clips = open_data(recordings)
    leaking = [replace(c, split="test" if c.emotion == "sad" else "train") for c in clips]
    write_manifest(leaking, tmp_path / "leaking.csv")
    with pytest.raises(DataError, match=r"8 speakers are on two sides of the split \(a, b, c"):
        choose_split(config(tmp_path / "leaking.csv"))


def test_half_a_split_is_refused(recordings: Path, tmp_path: Path) -> None:
    clips = open_data(recordings)
    write_manifest([replace(clips[0], split="train"), *clips[1:]], tmp_path / "half.csv")
    with pytest.raises(DataError, match=r"half\.csv: 23 of 24 clips have no split: fill the col"):
        choose_split(config(tmp_path / "half.csv"))


@pytest.fixture
def nameless(tmp_path: Path) -> Path:
    """Recordings of nobody in particular."""
    for emotion in EMOTIONS:
        for take in range(3):
            write_sound(tmp_path / "nameless" / emotion / f"{take}.wav")
    return tmp_path / "nameless"


def test_recordings_without_speakers_are_told_what_to_do(nameless: Path) -> None:
    with pytest.raises(DataError) as error:
        choose_split(config(nameless))
    for part in (
        "9 of 9 clips have no speaker",
        "give every speaker a sub-folder (happy/anna/1.wav)",
        "the manifest's speaker column",
        "or set data.validation and data.test to 0",
    ):
        assert part in str(error.value)


def test_they_can_all_train(nameless: Path) -> None:
    split = choose_split(config(nameless, validation=0.0, test=0.0))
    assert (len(split.train), len(split.validation), len(split.test)) == (9, 0, 0)
    assert {clip.split for clip in split.train} == {"train"}


def test_sources_add_up_and_unwanted_labels_stay_out(recordings: Path, tmp_path: Path) -> None:
    more = [Clip(c.file, "neutral", c.speaker, corpus="more") for c in open_data(recordings)]
    write_manifest(more, tmp_path / "more.csv")
    both = choose_split(config(recordings, tmp_path / "more.csv"))
    assert len(both.all()) == 48
    some = choose_split(config(recordings, tmp_path / "more.csv", labels=("happy", "neutral")))
    assert {clip.emotion for clip in some.all()} == {"happy", "neutral"}
    assert len(some.all()) == 8 + 24


def test_labels_may_be_any_words_and_are_renamed(recordings: Path, tmp_path: Path) -> None:
    names = {"happy": "Vergnügt", "sad": "traurig"}
    own = [replace(c, emotion=names.get(c.emotion, c.emotion)) for c in open_data(recordings)]
    own = [replace(c, votes={"Vergnügt": 0.5, "calm": 0.5}) for c in own]
    write_manifest(own, tmp_path / "own.csv")
    plain = choose_split(config(tmp_path / "own.csv"))
    assert {clip.emotion for clip in plain.all()} == {"Vergnügt", "angry", "sad"}
    rename = {"Wut": "frustriert", "vergnu\u0308gt": "Vergnügt", "Vergnügt": "calm"}
    renamed = choose_split(config(tmp_path / "own.csv", rename=rename))
    assert {clip.emotion for clip in renamed.all()} == {"calm", "frustriert", "sad"}
    assert renamed.train[0].votes == {"calm": 1.0}
    some = choose_split(config(tmp_path / "own.csv", labels=("Vergnügt", "sad")))
    assert {clip.emotion for clip in some.all()} == {"Vergnügt", "sad"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (DataConfig(), "names no data: set data.sources, or give --source"),
        (DataConfig(sources=("nowhere",)), "'nowhere' is neither a corpus"),
        (DataConfig(sources=("FOLDER",), extra=("nonsense",)), "data.extra: unknown corpus 'nons"),
        (DataConfig(sources=("FOLDER",), protocol="nonsense"), "unknown protocol 'nonsense'"),
        (DataConfig(sources=("FOLDER",), test=0.9, validation=0.2), "validation .0.2. and test"),
        (DataConfig(sources=("FOLDER",), labels=("sad", "hapy")), "is labelled hapy; the sources"),
        (DataConfig(sources=("FOLDER",), labels=("calm",)), "to train on in .*, there are none"),
        (DataConfig(sources=("FOLDER",), labels=("sad",)), "of two or more emotions: .* are sad"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_is_named(wrong: DataConfig, message: str, recordings: Path) -> None:
    named = replace(
        wrong, sources=tuple(str(recordings) if s == "FOLDER" else s for s in wrong.sources)
    )
    with pytest.raises(AffektError, match=message):
        choose_split(named)


def test_a_protocol_splits_its_own_corpus(data_root: Path) -> None:
    split = choose_split(config("emodb", protocol="emodb-loso"), data_root)
    assert speakers(split)[2] == {"emodb/03"}
    fold = get_protocol("emodb-loso").folds(open_data("emodb", data_root))[0]
    assert [clip.file for clip in split.train] == [clip.file for clip in fold.train]
    assert [clip.file for clip in split.validation] == [clip.file for clip in fold.validation]


def test_extra_corpora_train_and_nothing_else(data_root: Path, recordings: Path) -> None:
    split = choose_split(config(recordings, extra=("emodb",), labels=("angry", "sad")), data_root)
    assert {clip.corpus for clip in split.train} == {"", "emodb"}
    assert {clip.corpus for clip in (*split.validation, *split.test)} == {""}
    assert {clip.emotion for clip in split.all()} == {"angry", "sad"}
    with pytest.raises(DataError, match="speakers are on two sides"):
        choose_split(config("emodb", extra=("emodb",)), data_root)


def test_a_corpus_under_test_lends_nothing() -> None:
    with pytest.raises(ConfigError, match=r"data\.extra: emodb is under test and lends its own"):
        extra_clips(DataConfig(extra=("emodb",)), under_test=("emodb",))


def test_levels_of_expression_are_no_emotions_to_learn(tmp_path: Path) -> None:
    make_official("baved", tmp_path / "baved")
    with pytest.raises(DataError, match="to train on in baved, there are none"):
        choose_split(config("baved", validation=0, test=0), tmp_path)


def test_one_speaker_cannot_be_split(tmp_path: Path) -> None:
    make_official("thorsten_emotional", tmp_path / "thorsten_emotional")
    with pytest.raises(DataError, match="1 speakers cannot be divided into 3 sides"):
        choose_split(config("thorsten_emotional"), tmp_path)
    alone = choose_split(config("thorsten_emotional", validation=0, test=0), tmp_path)
    assert {clip.emotion for clip in alone.train} == {"disgust", "neutral"}
