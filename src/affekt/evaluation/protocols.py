"""The ways quality is measured: which clips train, which choose, which are scored.

A protocol turns the clips of its corpora into folds. Nothing is ever chosen on a fold's test
clips: epochs, learning rates and temperatures are chosen on its validation clips. Speakers
never cross the sides of a fold, unless the protocol says so (`Protocol.speakers_shared`).
The speakers of each fold are listed in `affekt.evaluation.folds`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from os import PathLike
from types import MappingProxyType
from typing import TYPE_CHECKING

from affekt.errors import ConfigError, DataError
from affekt.evaluation import folds
from affekt.evaluation.folds import Fold, sort_key
from affekt.labels import EMOTIONS, SHARED_EMOTIONS

if TYPE_CHECKING:
    from affekt.data.manifest import Clip

__all__ = ["PROTOCOLS", "Fold", "Protocol", "check_fold", "get_protocol"]

RAVDESS_EMOTIONS = tuple(emotion for emotion in EMOTIONS if emotion != "boredom")
EMODB_EMOTIONS = tuple(emotion for emotion in EMOTIONS if emotion not in ("calm", "surprised"))


@dataclass(frozen=True)
class Protocol:
    """A named way of measuring.

    Attributes
    ----------
    name : str
        The name that every figure carries.
    description : str
        One line for tables.
    corpora : tuple of str
        Names of the corpora it needs.
    labels : tuple of str
        Its classes, in the order of the columns of probabilities; other clips are left out.
    speakers : mapping of str to tuple of str
        By corpus, the speakers that must be there. A corpus that is not named may have any.
    speakers_shared : bool
        True if speakers occur on both sides of a fold: such figures only serve to compare with
        others obtained so.
    mean_of_folds : bool
        True if its scores are means over folds, so that each corpus counts the same; else the
        predictions of all folds are pooled and scored.
    kind : str
        ``"plain"``; ``"adapted"``, with unlabelled clips of the test speakers
        (`affekt.evaluation.adapted`); or ``"kshot"``, with a few labelled clips
        (`affekt.evaluation.kshot`).
    base : str
        The protocol with the same folds, of which this is a variant, or ``""``.
    nameless : tuple of str
        Corpora with clips of unknown speakers. Those of a corpus stay on one side.
    validates : bool
        False if folds have no validation clips: train a fixed number of epochs, keep the last.
    """

    name: str
    description: str
    corpora: tuple[str, ...]
    labels: tuple[str, ...]
    speakers: Mapping[str, tuple[str, ...]]
    split: Callable[[list[Clip]], list[Fold]] = field(repr=False)
    speakers_shared: bool = False
    validates: bool = True
    mean_of_folds: bool = False
    nameless: tuple[str, ...] = ()
    kind: str = "plain"
    base: str = ""

    def folds(self, clips: Sequence[Clip]) -> list[Fold]:
        """Return the folds.

        Parameters
        ----------
        clips : sequence of Clip
            All clips of all `corpora`, in any order; clips of other corpora or with other
            labels are left out, and so are labels that a corpus leaves unsettled.

        Raises
        ------
        DataError
            If a speaker that the protocol names has no clips, an unknown speaker has some, or
            a fold breaks the rules of `check_fold`.
        """
        from affekt.data import CORPORA

        wanted = [
            clip
            for clip in clips
            if clip.corpus in self.corpora
            and clip.emotion in self.labels
            and not (clip.corpus in CORPORA and clip.emotion in CORPORA[clip.corpus].unsettled)
        ]
        for corpus in self.corpora:
            self._check_speakers(corpus, {clip.speaker for clip in wanted if clip.corpus == corpus})
        made = self.split(sorted(wanted, key=sort_key))
        for fold in made:
            check_fold(fold, self)
        return made

    def load(self, root: str | PathLike[str] | None = None) -> list[Clip]:
        """Read the clips of all `corpora` below `root` (default: ``$AFFEKT_DATA``, else the cache).

        Raises
        ------
        DataError
            If a corpus is missing or incomplete: a figure on half a corpus is no figure.
        """
        from affekt.data import load_corpus

        return [clip for corpus in self.corpora for clip in load_corpus(corpus, root, whole=True)]

    def _check_speakers(self, corpus: str, found: set[str]) -> None:
        if not found and corpus not in self.speakers:
            raise DataError(f"the protocol {self.name} needs clips of {corpus}: there are none")
        expected = set(self.speakers.get(corpus, found))
        if found == expected:
            return
        missing, unknown = sorted(expected - found), sorted(found - expected)
        parts = [f"lacks clips of {', '.join(missing)}"] if missing else []
        parts += [f"has clips of {', '.join(map(repr, unknown))}"] if unknown else []
        raise DataError(
            f"the protocol {self.name} fixes the {len(expected)} speakers of {corpus}, but the "
            f"data {' and '.join(parts)}: give it the complete corpus"
        )


def check_fold(fold: Fold, protocol: Protocol) -> None:
    """Refuse a fold that would make its figure worthless.

    Raises
    ------
    DataError
        If a clip stands on two sides, a side that must hold clips is empty, or, unless the
        protocol shares speakers, a speaker stands on two sides or is unknown.
    """
    where = f"{protocol.name}, fold {fold.name}"
    sides = {"train": fold.train, "validation": fold.validation, "test": fold.test}
    for side, clips in sides.items():
        if not clips and (side != "validation" or protocol.validates):
            raise DataError(f"{where}: there are no {side} clips")
    for (one, clips), (other, others) in combinations(sides.items(), 2):
        same = {sort_key(clip) for clip in clips} & {sort_key(clip) for clip in others}
        if same:
            raise DataError(f"{where}: {min(same)[1]} is in both {one} and {other}")
        if not protocol.speakers_shared:
            shared = sorted(
                _speakers_of(clips, where, protocol) & _speakers_of(others, where, protocol)
            )
            if shared:
                names = ", ".join(f"{corpus}/{speaker}" for corpus, speaker in shared)
                raise DataError(f"{where}: speakers in both {one} and {other}: {names}")


def get_protocol(name: str) -> Protocol:
    """Return a protocol by its name, or raise ConfigError that lists them all."""
    if name not in PROTOCOLS:
        raise ConfigError(f"unknown protocol {name!r}: expected one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def _speakers_of(clips: Iterable[Clip], where: str, protocol: Protocol) -> set[tuple[str, str]]:
    speakers = set()
    for clip in clips:
        if not clip.speaker and clip.corpus not in protocol.nameless:
            raise DataError(f"{where}: the speaker of {clip.file.name} is unknown")
        speakers.add((clip.corpus, clip.speaker))
    return speakers


_SPEAKERS = {
    "ravdess": folds.RAVDESS_MEN + folds.RAVDESS_WOMEN,
    "emodb": folds.EMODB_MEN + folds.EMODB_WOMEN,
    "cremad": folds.CREMAD_SPEAKERS,
    "iemocap": tuple(f"Ses{session:02}{gender}" for session in range(1, 6) for gender in "FM"),
    "msp_improv": tuple(f"{gender}{session:02}" for session in range(1, 7) for gender in "FM"),
}
_FOUR = ("angry", "happy", "neutral", "sad")

_ALL = (
    Protocol(
        "ravdess-luna5",
        "RAVDESS, 8 classes, 5 folds of actors (Luna-Jiménez)",
        ("ravdess",),
        RAVDESS_EMOTIONS,
        _SPEAKERS,
        folds.luna5,
    ),
    Protocol(
        "ravdess-emobox6",
        "RAVDESS, 8 classes, 6 folds of actors (EmoBox)",
        ("ravdess",),
        RAVDESS_EMOTIONS,
        _SPEAKERS,
        folds.emobox6,
    ),
    Protocol(
        "ravdess-random10",
        "RAVDESS, 8 classes, 10 random folds, speakers shared: for comparison only",
        ("ravdess",),
        RAVDESS_EMOTIONS,
        _SPEAKERS,
        folds.random10,
        speakers_shared=True,
        validates=False,
    ),
    Protocol(
        "emodb-loso",
        "EMO-DB, 7 classes, leave one of 10 speakers out",
        ("emodb",),
        EMODB_EMOTIONS,
        _SPEAKERS,
        folds.loso,
    ),
    Protocol(
        "emodb-random10",
        "EMO-DB, 7 classes, 10 random folds, speakers shared: for comparison only",
        ("emodb",),
        EMODB_EMOTIONS,
        _SPEAKERS,
        folds.random10,
        speakers_shared=True,
        validates=False,
    ),
    Protocol(
        "cremad-tfds",
        "CREMA-D, 6 classes, intended labels, the actors of TensorFlow Datasets",
        ("cremad",),
        SHARED_EMOTIONS,
        _SPEAKERS,
        folds.tfds,
    ),
    Protocol(
        "cross",
        "train on two of RAVDESS, EMO-DB, CREMA-D, test on the third, 6 shared classes",
        ("ravdess", "emodb", "cremad"),
        SHARED_EMOTIONS,
        _SPEAKERS,
        folds.cross,
    ),
    *(
        Protocol(
            name,
            description,
            (*folds.CROSS_VALIDATION, *folds.DEVELOPMENT),
            SHARED_EMOTIONS,
            _SPEAKERS,
            split,
            mean_of_folds=True,
            nameless=("indian_emospeech",),
        )
        for name, description, split in (
            (
                "loco",
                "leave one of six development corpora out, train on all others, 6 classes",
                folds.loco,
            ),
            (
                "loco-from3",
                "train on RAVDESS, EMO-DB, CREMA-D, test on six development corpora, 6 classes",
                folds.loco_from3,
            ),
            (
                "loco-all",
                "leave one of all nine corpora out, train on the others, 6 classes",
                folds.loco_all,
            ),
        )
    ),
    Protocol(
        "emotale-loso",
        "EmoTale, 5 classes, leave one of 18 speakers out",
        ("emotale",),
        ("angry", "boredom", "happy", "neutral", "sad"),
        {},
        folds.each_speaker,
    ),
    Protocol(
        "iemocap-5",
        "IEMOCAP, 4 classes, leave one of 5 sessions out",
        ("iemocap",),
        _FOUR,
        _SPEAKERS,
        folds.sessions,
    ),
    Protocol(
        "msp-improv-6",
        "MSP-Improv, 4 classes, leave one of 6 sessions out",
        ("msp_improv",),
        _FOUR,
        _SPEAKERS,
        folds.sessions,
    ),
    Protocol(
        "msp-podcast",
        "MSP-Podcast, 8 classes, its own parts: Train, Development, Test1",
        ("msp_podcast",),
        tuple(sorted({*EMOTIONS, "contempt"} - {"boredom", "calm"})),
        {},
        folds.official,
        nameless=("msp_podcast",),
    ),
)

_ADAPTED = tuple(
    replace(
        protocol,
        name=f"{protocol.name}-adapted",
        description=f"{protocol.description}; unlabelled clips of the test speakers",
        kind="adapted",
        base=protocol.name,
    )
    for protocol in _ALL
    if not protocol.speakers_shared
)

_KSHOT = Protocol(
    "kshot",
    "RAVDESS, EMO-DB, SAVEE, EmoTale: a few labelled clips, an encoder not trained on the corpus",
    (*folds.CROSS_VALIDATION, *folds.DEVELOPMENT),
    EMOTIONS,
    _SPEAKERS,
    folds.kshot,
    mean_of_folds=True,
    nameless=("indian_emospeech",),
    kind="kshot",
)

PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {protocol.name: protocol for protocol in (*_ALL, *_ADAPTED, _KSHOT)}
)
"""All protocols by name."""
