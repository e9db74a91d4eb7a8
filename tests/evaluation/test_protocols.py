"""Folds hold what the protocols say, and no speaker crosses them."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from affekt.data.manifest import Clip
from affekt.errors import ConfigError, DataError
from affekt.evaluation import folds
from affekt.evaluation.protocols import PROTOCOLS, Fold, Protocol, check_fold, get_protocol

SPEAKER_INDEPENDENT = [name for name, one in PROTOCOLS.items() if not one.speakers_shared]
ONE_CORPUS_WHOLE = ["ravdess-luna5", "ravdess-emobox6", "ravdess-random10", "emodb-loso"]
ONE_CORPUS_WHOLE += ["emodb-random10"]
LOCO_SIZES = (420, 640, 637, 300, 340, 586)


@cache
def corpora() -> tuple[Clip, ...]:
    """Return three small corpora: every real speaker says every class of the corpus three times."""
    clips = []
    speakers = PROTOCOLS["cross"].speakers
    emotions = {
        "ravdess": PROTOCOLS["ravdess-luna5"].labels,
        "emodb": PROTOCOLS["emodb-loso"].labels,
        "cremad": PROTOCOLS["cremad-tfds"].labels,
        "iemocap": (*PROTOCOLS["iemocap-5"].labels, "frustrated"),
        "msp_improv": PROTOCOLS["msp-improv-6"].labels,
        "msp_podcast": PROTOCOLS["msp-podcast"].labels,
    }
    people = {**speakers, "msp_podcast": ("", *(f"{n}" for n in range(9)))}
    parts = ("train", "validation", "test", "")
    for corpus in folds.DEVELOPMENT:
        emotions[corpus] = ("angry", "happy", "neutral")
        people[corpus] = tuple(f"{kind}{letter}" for kind in ("em", "ne") for letter in "abcdefgh")
    for corpus, names in people.items():
        for speaker in names:
            for emotion in emotions[corpus]:
                for take in range(3):
                    file = Path(corpus, f"{speaker}-{emotion}-{take}.wav")
                    part = parts[int(speaker or take) % 4] if corpus == "msp_podcast" else ""
                    clip = Clip(file, emotion, speaker=speaker, corpus=corpus, split=part)
                    clips.append(clip)
    return tuple(clips)


def names(clips: list[Clip]) -> list[str]:
    return [f"{clip.corpus}/{clip.file.stem}" for clip in clips]


def speakers(clips: list[Clip]) -> set[str]:
    return {clip.speaker for clip in clips}


def test_the_names_are_those_that_figures_carry() -> None:
    assert list(PROTOCOLS) == [
        *("ravdess-luna5", "ravdess-emobox6", "ravdess-random10"),
        *("emodb-loso", "emodb-random10", "cremad-tfds", "cross"),
        *("loco", "loco-from3", "loco-all"),
        *("emotale-loso", "iemocap-5", "msp-improv-6", "msp-podcast"),
        *("ravdess-luna5-adapted", "ravdess-emobox6-adapted", "emodb-loso-adapted"),
        *("cremad-tfds-adapted", "cross-adapted"),
        *("loco-adapted", "loco-from3-adapted", "loco-all-adapted"),
        *("emotale-loso-adapted", "iemocap-5-adapted", "msp-improv-6-adapted"),
        "msp-podcast-adapted",
        "kshot",
    ]
    assert all(name == protocol.name for name, protocol in PROTOCOLS.items())
    assert [len(protocol.labels) for protocol in PROTOCOLS.values()] == [
        *(8, 8, 8, 7, 7, 6, 6, 6, 6, 6, 5, 4, 4, 8),
        *(8, 8, 7, 6, 6, 6, 6, 6, 5, 4, 4, 8, 9),
    ]


@pytest.mark.parametrize("name", ONE_CORPUS_WHOLE)
def test_every_clip_is_tested_exactly_once(name: str) -> None:
    protocol = PROTOCOLS[name]
    tested = Counter(clip for fold in protocol.folds(corpora()) for clip in fold.test)
    assert set(tested.values()) == {1}
    assert set(tested) == {clip for clip in corpora() if clip.corpus == protocol.corpora[0]}


@pytest.mark.parametrize("name", SPEAKER_INDEPENDENT)
def test_no_speaker_crosses_a_fold(name: str) -> None:
    for fold in PROTOCOLS[name].folds(corpora()):
        sides = [
            {clip.speaker_id for clip in side} for side in (fold.train, fold.validation, fold.test)
        ]
        assert all(sides)
        assert sum(map(len, sides)) == len(set.union(*sides))


@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_folds_depend_neither_on_order_nor_on_where_and_how_files_are_stored(name: str) -> None:
    shuffled = [
        replace(clip, file=Path("elsewhere", clip.file.with_suffix(".flac").name))
        for clip in corpora()
    ]
    random.Random(0).shuffle(shuffled)
    for one, other in zip(
        PROTOCOLS[name].folds(corpora()), PROTOCOLS[name].folds(shuffled), strict=True
    ):
        assert one.name == other.name
        assert names(one.train) == names(other.train)
        assert names(one.validation) == names(other.validation)
        assert names(one.test) == names(other.test)


def test_luna5() -> None:
    made = PROTOCOLS["ravdess-luna5"].folds(corpora())
    assert [sorted(map(int, speakers(fold.test))) for fold in made] == [
        [2, 5, 14, 15, 16],
        [3, 6, 7, 13, 18],
        [10, 11, 12, 19, 20],
        [8, 17, 21, 23, 24],
        [1, 4, 9, 22],
    ]
    assert [sorted(map(int, speakers(fold.validation))) for fold in made] == [
        *([3, 6], [10, 11], [8, 17], [1, 14], [2, 5])
    ]
    assert [len(speakers(fold.train)) for fold in made] == [17, 17, 17, 17, 18]


def test_emobox6() -> None:
    made = PROTOCOLS["ravdess-emobox6"].folds(corpora())
    assert [len(speakers(fold.test)) for fold in made] == [4] * 6
    assert speakers(made[0].test) == {"01", "11", "20", "21"}
    # The second fold has no man: the first fold takes man 09 from the third.
    assert [sorted(speakers(fold.validation)) for fold in made] == [
        *(["04", "09"], ["08", "09"], ["03", "24"], ["02", "15"], ["06", "13"], ["01", "20"])
    ]


def test_loso_validates_with_a_woman_and_a_man_and_with_everybody_twice() -> None:
    validated: Counter[str] = Counter()
    for fold in PROTOCOLS["emodb-loso"].folds(corpora()):
        assert speakers(fold.test) == {fold.name}
        assert len(speakers(fold.validation) & set(folds.EMODB_WOMEN)) == 1
        assert len(speakers(fold.validation) & set(folds.EMODB_MEN)) == 1
        assert len(speakers(fold.train)) == 7
        validated.update(speakers(fold.validation))
    assert set(validated.values()) == {2}
    assert len(validated) == 10


@pytest.mark.parametrize("name", ["ravdess-random10", "emodb-random10"])
def test_random_folds_are_stratified_and_have_no_validation(name: str) -> None:
    protocol = PROTOCOLS[name]
    made = protocol.folds(corpora())
    assert len(made) == 10
    assert not protocol.validates
    for fold in made:
        assert fold.validation == []
        assert set(fold.train).isdisjoint(fold.test)
    for label in protocol.labels:
        counts = [sum(clip.emotion == label for clip in fold.test) for fold in made]
        assert max(counts) - min(counts) <= 1
    sizes = [len(fold.test) for fold in made]
    assert max(sizes) - min(sizes) <= 1


def test_random_folds_mix_the_speakers() -> None:
    for fold in PROTOCOLS["ravdess-random10"].folds(corpora()):
        assert len(speakers(fold.test)) > 12


def test_tfds_speakers_are_disjoint_and_complete() -> None:
    (fold,) = PROTOCOLS["cremad-tfds"].folds(corpora())
    test, validation = set(folds.CREMAD_TEST), set(folds.CREMAD_VALIDATION)
    assert (len(folds.CREMAD_TEST), len(folds.CREMAD_VALIDATION)) == (19, 9)
    assert test.isdisjoint(validation)
    assert test | validation < set(folds.CREMAD_SPEAKERS)
    assert speakers(fold.test) == test
    assert speakers(fold.validation) == validation
    assert len(speakers(fold.train)) == 63


def test_cross_trains_on_two_corpora_and_tests_on_all_of_the_third() -> None:
    made = PROTOCOLS["cross"].folds(corpora())
    assert [fold.name for fold in made] == ["test-ravdess", "test-emodb", "test-cremad"]
    for fold in made:
        tested = fold.name.removeprefix("test-")
        assert {clip.corpus for clip in fold.test} == {tested}
        others = set(PROTOCOLS["cross"].corpora) - {tested}
        assert {clip.corpus for clip in fold.train} == others
        assert {clip.corpus for clip in fold.validation} == others
        assert {clip.emotion for clip in fold.test} == set(PROTOCOLS["cross"].labels)
        wanted = [clip for clip in corpora() if clip.corpus == tested]
        assert len(fold.test) == sum(clip.emotion in PROTOCOLS["cross"].labels for clip in wanted)


def test_loco_leaves_each_development_corpus_out() -> None:
    made = PROTOCOLS["loco"].folds(corpora())
    assert [fold.name for fold in made] == [f"test-{name}" for name in folds.DEVELOPMENT]
    for fold in made:
        tested = fold.name.removeprefix("test-")
        assert {clip.corpus for clip in fold.test} == {tested}
        assert len(fold.test) == 16 * 3 * 3
        others = set(PROTOCOLS["loco"].corpora) - {tested}
        assert len(others) == 8
        assert {clip.corpus for clip in fold.train} == others
        assert {clip.corpus for clip in fold.validation} == others
        assert {clip.emotion for clip in fold.train} == set(PROTOCOLS["loco"].labels)


def test_sessions_and_speakers_are_left_out_in_turn() -> None:
    for name, count, people in (
        ("iemocap-5", 5, 2),
        ("msp-improv-6", 6, 2),
        ("emotale-loso", 16, 1),
    ):
        made = PROTOCOLS[name].folds(corpora())
        assert len(made) == count
        for fold in made:
            assert len(speakers(fold.test)) == len(speakers(fold.validation)) == people
        assert {clip.emotion for clip in made[0].test} <= set(PROTOCOLS[name].labels)


def test_a_corpus_that_names_its_parts_keeps_them_and_unknown_speakers_only_train() -> None:
    (fold,) = PROTOCOLS["msp-podcast"].folds(corpora())
    assert speakers(fold.train) == {"", "0", "4", "8"}
    assert speakers(fold.validation) == {"1", "5"}
    assert speakers(fold.test) == {"2", "6"}


def test_variants_have_the_folds_of_their_protocol() -> None:
    variants = [one for one in PROTOCOLS.values() if one.base]
    assert len(variants) == 12
    for one in variants:
        assert one.kind == "adapted"
        base = PROTOCOLS[one.base]
        for variant, plain in zip(one.folds(corpora()), base.folds(corpora()), strict=True):
            assert variant == plain


def test_kshot_trains_on_all_but_the_corpus_and_keeps_its_classes() -> None:
    made = PROTOCOLS["kshot"].folds(corpora())
    assert [fold.name for fold in made] == [f"test-{name}" for name in folds.KSHOT]
    assert len({clip.emotion for clip in made[0].test}) == 8
    assert len({clip.emotion for clip in made[1].test}) == 7
    for fold in made:
        tested = fold.name.removeprefix("test-")
        assert len({clip.corpus for clip in fold.train} | {tested}) == 9
        assert tested not in {clip.corpus for clip in fold.train}


def test_its_relatives() -> None:
    every = PROTOCOLS["loco-all"].folds(corpora())
    assert [fold.name for fold in every] == [
        *("test-ravdess", "test-emodb", "test-cremad"),
        *(f"test-{name}" for name in folds.DEVELOPMENT),
    ]
    from3 = PROTOCOLS["loco-from3"].folds(corpora())
    assert [fold.name for fold in from3] == [f"test-{name}" for name in folds.DEVELOPMENT]
    for fold in from3:
        assert {clip.corpus for clip in fold.train} == {"ravdess", "emodb", "cremad"}
        assert names(fold.train) == names(from3[0].train)
    by_name = {fold.name: fold for fold in every}
    for fold in PROTOCOLS["loco"].folds(corpora()):
        assert names(fold.train) == names(by_name[fold.name].train)


def test_who_may_be_one_person_validates_together() -> None:
    clips = [clip for clip in corpora() if clip.corpus == "emotiontts_ko"]
    chosen = folds.validation_speakers(clips)
    assert len(chosen) == 2
    assert len({speaker[2:] for speaker in chosen}) == 1


def test_a_woman_and_a_man_validate() -> None:
    genders = {"savee": "", "emotale": "female"}
    clips = [
        replace(clip, gender=genders[clip.corpus] or ("male", "female")[clip.speaker < "f"])
        for clip in corpora()
        if clip.corpus in genders
    ]
    by_name = {clip.speaker_id: clip.gender for clip in clips}
    chosen = folds.validation_speakers([clip for clip in clips if clip.corpus == "savee"])
    assert sorted(by_name[f"savee/{speaker}"] for speaker in chosen) == ["female", "male"]


def test_unsettled_labels_neither_train_nor_are_scored() -> None:
    doubtful = [
        Clip(Path(f"{emotion}.wav"), emotion, speaker="ema", corpus="ased")
        for emotion in ("sad", "fearful")
    ]
    for name in ("loco", "loco-from3", "loco-all"):
        for fold in PROTOCOLS[name].folds([*corpora(), *doubtful]):
            assert not {*fold.train, *fold.validation, *fold.test} & set(doubtful)


def test_nobody_knows_some_speakers_of_one_corpus() -> None:
    anonymous = [
        Clip(Path(f"x{number}.wav"), "angry", corpus="indian_emospeech") for number in range(3)
    ]
    for fold in PROTOCOLS["loco"].folds([*corpora(), *anonymous]):
        side = fold.test if fold.name == "test-indian_emospeech" else fold.train
        assert set(anonymous) <= set(side)
    with pytest.raises(DataError, match=r"the speaker of x\.wav is unknown"):
        PROTOCOLS["loco"].folds([*corpora(), Clip(Path("x.wav"), "angry", corpus="turev")])


def test_a_development_corpus_that_is_not_there() -> None:
    rest = [clip for clip in corpora() if clip.corpus != "turev"]
    with pytest.raises(DataError, match="loco needs clips of turev: there are none"):
        PROTOCOLS["loco"].folds(rest)


def test_files_of_one_name_in_the_folders_of_two_speakers() -> None:
    twins = [Clip(Path(who, "a01.wav"), "happy", speaker=who, corpus="savee") for who in "xy"]
    made = PROTOCOLS["loco"].folds([*corpora(), *twins])
    assert set(twins) <= set(made[0].test)


@pytest.fixture
def with_quirks() -> list[Clip]:
    """The corpora and the clips of CREMA-D that are silent or have two labels."""
    codes = {"ANG": "angry", "DIS": "disgust", "FEA": "fearful", "HAP": "happy"}
    codes |= {"NEU": "neutral", "SAD": "sad"}
    unfit = [
        Clip(Path(f"{name}.ogg"), codes[name[9:12]], speaker=name[:4], corpus="cremad")
        for name in sorted(folds.UNFIT_FOR_TRAINING)
    ]
    return [*corpora(), *unfit]


@pytest.mark.parametrize("name", ["cremad-tfds", "cross"])
def test_silent_and_contradictory_clips_never_train(name: str, with_quirks: list[Clip]) -> None:
    for fold in PROTOCOLS[name].folds(with_quirks):
        learnt = {clip.file.stem for clip in [*fold.train, *fold.validation]}
        assert learnt.isdisjoint(folds.UNFIT_FOR_TRAINING)


def test_but_they_are_tested(with_quirks: list[Clip]) -> None:
    (fold,) = PROTOCOLS["cremad-tfds"].folds(with_quirks)
    tested = {clip.file.stem for clip in fold.test} & folds.UNFIT_FOR_TRAINING
    assert tested == {"1013_WSI_DIS_XX", "1013_WSI_SAD_XX"}
    by_name = {fold.name: fold for fold in PROTOCOLS["cross"].folds(with_quirks)}
    tested = {clip.file.stem for clip in by_name["test-cremad"].test}
    assert tested > folds.UNFIT_FOR_TRAINING


def test_clips_of_other_corpora_and_classes_are_left_out() -> None:
    stranger = Clip(Path("own/x.wav"), "happy", speaker="me", corpus="own")
    calm = [clip for clip in corpora() if clip.emotion == "calm"]
    made = PROTOCOLS["cross"].folds([*corpora(), stranger])
    everything = {clip for fold in made for clip in [*fold.train, *fold.validation, *fold.test]}
    assert stranger not in everything
    assert calm
    assert everything.isdisjoint(calm)


def test_an_incomplete_corpus_is_refused() -> None:
    partly = [clip for clip in corpora() if clip.speaker not in ("07", "24")]
    with pytest.raises(
        DataError, match=r"fixes the 24 speakers of ravdess, .* lacks clips of 07, 24"
    ):
        PROTOCOLS["ravdess-luna5"].folds(partly)
    with pytest.raises(DataError, match="lacks clips of 01, 02"):
        PROTOCOLS["ravdess-luna5"].folds([])


def test_unknown_speakers_are_refused() -> None:
    extra = [
        Clip(Path("x.wav"), "happy", speaker="25", corpus="ravdess"),
        Clip(Path("y.wav"), "happy", corpus="ravdess"),
    ]
    with pytest.raises(DataError, match="has clips of '', '25'"):
        PROTOCOLS["ravdess-luna5"].folds([*corpora(), *extra])


class TestCheckFold:
    """A fold that would make its figure worthless is refused."""

    @pytest.fixture
    def fold(self) -> Fold:
        return PROTOCOLS["ravdess-luna5"].folds(corpora())[0]

    @pytest.fixture
    def protocol(self) -> Protocol:
        return PROTOCOLS["ravdess-luna5"]

    @pytest.mark.parametrize("side", ["train", "validation"])
    def test_refuses_shared_speakers_by_name(
        self, side: str, fold: Fold, protocol: Protocol
    ) -> None:
        crossing, *rest = fold.test
        getattr(fold, side).append(crossing)
        leaking = replace(fold, test=rest)
        with pytest.raises(
            DataError,
            match=f"luna5, fold 1: speakers in both {side} and test: ravdess/{crossing.speaker}",
        ):
            check_fold(leaking, protocol)
        check_fold(leaking, replace(protocol, speakers_shared=True))

    def test_refuses_a_clip_on_two_sides_even_when_speakers_are_shared(
        self, fold: Fold, protocol: Protocol
    ) -> None:
        doubled = replace(fold, train=[*fold.train, fold.test[0]])
        with pytest.raises(DataError, match=f"{fold.test[0].file.stem} is in both train and test"):
            check_fold(doubled, replace(protocol, speakers_shared=True))

    def test_refuses_unknown_speakers(self, fold: Fold, protocol: Protocol) -> None:
        fold.train.append(Clip(Path("x.wav"), "happy", corpus="ravdess"))
        with pytest.raises(DataError, match=r"the speaker of x\.wav is unknown"):
            check_fold(fold, protocol)

    @pytest.mark.parametrize("side", ["train", "validation", "test"])
    def test_refuses_empty_sides(self, side: str, fold: Fold, protocol: Protocol) -> None:
        emptied = Fold(**{**vars(fold), side: []})
        with pytest.raises(DataError, match=f"there are no {side} clips"):
            check_fold(emptied, protocol)


def test_an_unknown_protocol_is_named_with_the_known_ones() -> None:
    assert get_protocol("cross") is PROTOCOLS["cross"]
    with pytest.raises(ConfigError, match="unknown protocol 'luna': expected one of ravdess-luna5"):
        get_protocol("luna")


@pytest.mark.parametrize(
    ("name", "tested", "sizes"),
    [
        ("ravdess-luna5", 1440, [(1020, 120, 300)] * 4 + [(1080, 120, 240)]),
        ("ravdess-emobox6", 1440, [(1080, 120, 240)] * 6),
        ("ravdess-random10", 1440, [(1296, 0, 144)] * 10),
        ("emodb-loso", 535, None),
        ("emodb-random10", 535, None),
        ("cremad-tfds", 1558, [(5139, 738, 1558)]),
        ("cross", 1056 + 454 + 7442, None),
        ("loco", 420 + 640 + 637 + 300 + 340 + 586, None),
        ("loco-from3", 420 + 640 + 637 + 300 + 340 + 586, [(8025, 918, n) for n in LOCO_SIZES]),
        ("loco-all", 1056 + 454 + 7442 + 420 + 640 + 637 + 300 + 340 + 586, None),
    ],
)
def test_real_corpora(
    name: str, tested: int, sizes: list[tuple[int, int, int]] | None, data_root: Path
) -> None:
    protocol = PROTOCOLS[name]
    if name.startswith("loco") and not (data_root.parent / "corpora" / "savee").is_dir():
        pytest.skip("needs the development corpora in a folder 'corpora' beside the data")
    made = protocol.folds(protocol.load(data_root))
    assert sum(len(fold.test) for fold in made) == tested
    assert {clip.emotion for fold in made for clip in fold.test} == set(protocol.labels)
    if sizes:
        assert [(len(fold.train), len(fold.validation), len(fold.test)) for fold in made] == sizes


def test_half_a_corpus_cannot_be_measured(data_root: Path, tmp_path: Path) -> None:
    for speaker in folds.EMODB_MEN + folds.EMODB_WOMEN:
        file = next((data_root / "emodb" / "wav").glob(f"{speaker}*"))
        (tmp_path / "emodb" / "wav").mkdir(parents=True, exist_ok=True)
        (tmp_path / "emodb" / "wav" / file.name).symlink_to(file)
    with pytest.raises(DataError, match=r"10 .*535"):
        PROTOCOLS["emodb-loso"].load(tmp_path)
