"""Who trains, validates and tests in each fold of each protocol.

Each function takes the clips of a protocol, sorted by `sort_key`, and returns its folds. The
same clips give the same folds on every machine: nothing here depends on a random generator's
version or on the container of the audio files.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from affekt.labels import EMOTIONS

if TYPE_CHECKING:
    from affekt.data.manifest import Clip

RAVDESS_MEN = tuple(f"{actor:02}" for actor in range(1, 25, 2))
RAVDESS_WOMEN = tuple(f"{actor:02}" for actor in range(2, 25, 2))
EMODB_MEN = ("03", "10", "11", "12", "15")
EMODB_WOMEN = ("08", "09", "13", "14", "16")
CREMAD_SPEAKERS = tuple(str(actor) for actor in range(1001, 1092))

LUNA5: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
    ((2, 5, 14, 15, 16), (3, 6)),
    ((3, 6, 7, 13, 18), (10, 11)),
    ((10, 11, 12, 19, 20), (8, 17)),
    ((8, 17, 21, 23, 24), (1, 14)),
    ((1, 4, 9, 22), (2, 5)),
)
"""Test and validation actors of each fold; the test actors are those of Luna-Jiménez et al.,
"A Proposal for Multimodal Emotion Recognition Using Aural Transformers and Action Units on
RAVDESS Dataset" (2022)."""

EMOBOX6: tuple[tuple[int, ...], ...] = (
    (1, 11, 20, 21),
    (4, 10, 12, 14),
    (8, 9, 19, 23),
    (3, 5, 7, 24),
    (2, 15, 16, 18),
    (6, 13, 17, 22),
)
"""Test actors of each fold, as in Ma et al., "EmoBox" (2024)."""

CREMAD_TEST = tuple(
    str(actor)
    for actor in (
        *(1010, 1013, 1022, 1026, 1037, 1038, 1040, 1045, 1047, 1048, 1059, 1065, 1066, 1068),
        *(1071, 1073, 1084, 1086, 1088),
    )
)
CREMAD_VALIDATION = tuple(
    str(actor) for actor in (1015, 1020, 1021, 1030, 1050, 1070, 1079, 1089, 1090)
)
"""The split of TensorFlow Datasets; the other 63 actors train."""

CROSS_VALIDATION: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"ravdess": ("01", "02"), "emodb": ("03", "08"), "cremad": CREMAD_VALIDATION}
)
"""Speakers that validate when their corpus trains: about a tenth, at least a man and a woman."""

DEVELOPMENT: tuple[str, ...] = (
    *("savee", "emotale", "ased"),
    *("emotiontts_ko", "turev", "indian_emospeech"),
)
"""The corpora on which methods are chosen: those that hold words and at least three of the six
shared emotions, beside the three that are kept for final figures."""

KSHOT: tuple[str, ...] = ("ravdess", "emodb", "savee", "emotale")
"""The corpora on which few-shot learning is measured."""

VALIDATION_SHARE = 0.1  # of the speakers of a development corpus that trains

UNFIT_FOR_TRAINING = frozenset(
    {
        "1076_MTI_SAD_XX",  # silent
        "1006_TIE_HAP_XX",  # each of these pairs is one recording under two labels
        "1006_TIE_NEU_XX",
        "1013_WSI_DIS_XX",
        "1013_WSI_SAD_XX",
        "1017_IWW_ANG_XX",
        "1017_IWW_FEA_XX",
        "1067_IEO_DIS_LO",  # the same take as the next one, 15 samples earlier
        "1067_IEO_FEA_LO",
    }
)
"""Clips of CREMA-D that are dropped from training and validation. Test sides keep them, so that
figures stay comparable with everybody else's."""

RANDOM_FOLDS = 10
RANDOM_SEED = 0


@dataclass(frozen=True)
class Fold:
    """One round of a protocol: learn from `train`, choose on `validation`, score `test` once.

    `validation` is empty in protocols that train a fixed number of epochs.
    """

    name: str
    train: list[Clip]
    validation: list[Clip]
    test: list[Clip]


def _by_speaker(
    name: str, clips: Iterable[Clip], test: Iterable[str], validation: Iterable[str]
) -> Fold:
    """Build a fold of one corpus from its test and validation speakers."""
    test, validation = set(test), set(validation)
    fold = Fold(name, [], [], [])
    for clip in clips:
        if clip.speaker in test:
            fold.test.append(clip)
        elif clip.file.stem not in UNFIT_FOR_TRAINING:
            (fold.validation if clip.speaker in validation else fold.train).append(clip)
    return fold


def luna5(clips: list[Clip]) -> list[Fold]:
    """Hold out four or five actors of RAVDESS at a time, validate on two others."""
    return [
        _by_speaker(str(number), clips, _actors(test), _actors(validation))
        for number, (test, validation) in enumerate(LUNA5, start=1)
    ]


def emobox6(clips: list[Clip]) -> list[Fold]:
    """Hold out four actors of RAVDESS at a time, validate on two of a following fold."""
    return [
        _by_speaker(str(number + 1), clips, _actors(test), _actors(_emobox6_validation(number)))
        for number, test in enumerate(EMOBOX6)
    ]


def _emobox6_validation(number: int) -> tuple[int, int]:
    """Return the woman and the man that validate fold `number` (from 0) of ``ravdess-emobox6``.

    They are the first of the next fold. The second fold tests women only, so the first one
    takes its man from the fold after that.
    """
    following = [actor for shift in (1, 2) for actor in EMOBOX6[(number + shift) % len(EMOBOX6)]]
    woman = next(actor for actor in following if actor % 2 == 0)
    man = next(actor for actor in following if actor % 2 == 1)
    return woman, man


def loso(clips: list[Clip]) -> list[Fold]:
    """Leave one speaker of EMO-DB out at a time, validate on two others."""
    return [
        _by_speaker(speaker, clips, [speaker], _emodb_validation(speaker))
        for speaker in sorted(EMODB_MEN + EMODB_WOMEN)
    ]


def _emodb_validation(speaker: str) -> tuple[str, str]:
    """Return the woman and the man that validate when `speaker` of EMO-DB is left out.

    The next speaker of the same gender, and the one of the other gender with the same rank: so
    each speaker validates in exactly two folds.
    """
    own, other = (EMODB_MEN, EMODB_WOMEN) if speaker in EMODB_MEN else (EMODB_WOMEN, EMODB_MEN)
    rank = own.index(speaker)
    pair = (own[(rank + 1) % len(own)], other[rank])
    return (pair[1], pair[0]) if speaker in EMODB_MEN else pair


def sessions(clips: list[Clip]) -> list[Fold]:
    """Leave the two speakers of a session out at a time; those of the next session validate."""
    by_session: dict[str, set[str]] = {}
    for clip in clips:
        by_session.setdefault(re.sub(r"\D", "", clip.speaker), set()).add(clip.speaker)
    numbers = sorted(by_session)
    following = dict(zip(numbers, (*numbers[1:], numbers[0]), strict=True))
    return [
        _by_speaker(number, clips, by_session[number], by_session[following[number]])
        for number in numbers
    ]


def each_speaker(clips: list[Clip]) -> list[Fold]:
    """Leave one speaker out at a time; the next by name validates."""
    names = sorted({clip.speaker for clip in clips})
    return [
        _by_speaker(name, clips, [name], [names[(place + 1) % len(names)]])
        for place, name in enumerate(names)
    ]


def official(clips: list[Clip]) -> list[Fold]:
    """The parts that the corpus itself names; clips of unknown speakers train or are left out."""
    parts: dict[str, list[Clip]] = {"train": [], "validation": [], "test": []}
    for clip in clips:
        if clip.split in parts and (clip.speaker or clip.split == "train"):
            parts[clip.split].append(clip)
    return [Fold("1", **parts)]


def random10(clips: list[Clip]) -> list[Fold]:
    """Deal the clips of each class, in an order drawn by hashing their names, to ten folds."""
    order = sorted(clips, key=lambda clip: (EMOTIONS.index(clip.emotion), _hash_key(clip)))
    parts = [sorted(order[part::RANDOM_FOLDS], key=sort_key) for part in range(RANDOM_FOLDS)]
    return [
        Fold(
            str(number + 1),
            train=sorted((c for part in parts if part is not test for c in part), key=sort_key),
            validation=[],
            test=test,
        )
        for number, test in enumerate(parts)
    ]


def tfds(clips: list[Clip]) -> list[Fold]:
    """Hold out the actors of CREMA-D that TensorFlow Datasets holds out."""
    return [_by_speaker("1", clips, CREMAD_TEST, CREMAD_VALIDATION)]


def cross(clips: list[Clip]) -> list[Fold]:
    """Train on two corpora, test on all of the third."""
    folds = []
    for tested in CROSS_VALIDATION:
        fold = Fold(f"test-{tested}", [], [], [c for c in clips if c.corpus == tested])
        for corpus, speakers in CROSS_VALIDATION.items():
            if corpus != tested:
                own = [clip for clip in clips if clip.corpus == corpus]
                part = _by_speaker(corpus, own, test=(), validation=speakers)
                fold.train.extend(part.train)
                fold.validation.extend(part.validation)
        folds.append(fold)
    return folds


def loco(clips: list[Clip]) -> list[Fold]:
    """Leave each development corpus out once; train on the five others and on the three."""
    return _leave_out(clips, DEVELOPMENT, (*CROSS_VALIDATION, *DEVELOPMENT))


def loco_all(clips: list[Clip]) -> list[Fold]:
    """Leave each of the nine corpora out once; train on all others."""
    every = (*CROSS_VALIDATION, *DEVELOPMENT)
    return _leave_out(clips, every, every)


def loco_from3(clips: list[Clip]) -> list[Fold]:
    """Train on RAVDESS, EMO-DB and CREMA-D; test on each development corpus."""
    return _leave_out(clips, DEVELOPMENT, tuple(CROSS_VALIDATION))


def kshot(clips: list[Clip]) -> list[Fold]:
    """Leave each corpus of `KSHOT` out once; train the encoder on all others."""
    return _leave_out(clips, KSHOT, (*CROSS_VALIDATION, *DEVELOPMENT))


def _leave_out(clips: list[Clip], tested: Sequence[str], trained: Sequence[str]) -> list[Fold]:
    """Return a fold for each corpus that is tested: all others that train, train."""
    by_corpus = {name: [c for c in clips if c.corpus == name] for name in {*tested, *trained}}
    folds = []
    for left_out in tested:
        fold = Fold(f"test-{left_out}", [], [], by_corpus[left_out])
        for corpus in trained:
            if corpus != left_out:
                own = by_corpus[corpus]
                speakers = CROSS_VALIDATION.get(corpus) or validation_speakers(own)
                part = _by_speaker(corpus, own, test=(), validation=speakers)
                fold.train.extend(part.train)
                fold.validation.extend(part.validation)
        folds.append(fold)
    return folds


def validation_speakers(clips: Iterable[Clip]) -> set[str]:
    """Return the speakers of a development corpus that validate when it trains.

    About a tenth of the women and of the men, at least one of each, in an order drawn by hashing
    their names. Speakers that may be one person (`_person`) stay together.
    """
    people: dict[str, dict[str, set[str]]] = {}  # by gender, then person
    for clip in clips:
        if clip.speaker:
            group = people.setdefault(clip.gender, {})
            group.setdefault(_person(clip), set()).add(clip.speaker)
    chosen: set[str] = set()
    for group in people.values():
        order = sorted(group, key=lambda name: hashlib.sha256(name.encode()).digest())
        for name in order[: max(1, round(VALIDATION_SHARE * len(order)))]:
            chosen |= group[name]
    return chosen


def _person(clip: Clip) -> str:
    # ema and nea of the Korean corpus may be one person: their makers do not say.
    speaker = clip.speaker[2:] if clip.corpus == "emotiontts_ko" else clip.speaker
    return f"{clip.corpus}/{speaker}"


def _actors(numbers: Iterable[int]) -> list[str]:
    return [f"{number:02}" for number in numbers]


def sort_key(clip: Clip) -> tuple[str, str, float, str]:
    """Order clips by what they are, not by where they lie or how they are stored."""
    # The speaker is last: it only tells apart files of one name in the folders of two speakers.
    return clip.corpus, clip.file.stem, clip.start or 0.0, clip.speaker


def _hash_key(clip: Clip) -> str:
    # Without the speaker, as the folds have always been dealt.
    return hashlib.sha256(f"{RANDOM_SEED}/{sort_key(clip)[:3]}".encode()).hexdigest()
