"""A protocol over made-up voices, for tests of benchmarks without the real corpora."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tone_corpus import EMOTIONS

from affekt.data import Clip
from affekt.evaluation import Fold, Protocol

TESTED = {"1": "ab", "2": "cd"}
"""Fold to the speakers that it tests."""


@dataclass(frozen=True)
class ToneProtocol(Protocol):
    """Two folds over made-up voices; everything but the reading is as for the real ones."""

    clips: tuple[Clip, ...] = ()

    def load(self, root: object = None) -> list[Clip]:
        return list(self.clips)


def two_folds(clips: Sequence[Clip]) -> list[Fold]:
    """Test on a and b, then on c and d; h always validates."""
    return [
        Fold(
            name,
            train=[clip for clip in clips if clip.speaker not in tested + "h"],
            validation=[clip for clip in clips if clip.speaker == "h"],
            test=[clip for clip in clips if clip.speaker in tested],
        )
        for name, tested in TESTED.items()
    ]


def leaking_folds(clips: Sequence[Clip]) -> list[Fold]:
    """Test on one take of a speaker whose other takes train."""
    return [
        replace(fold, train=[*fold.train, fold.test[0]], test=fold.test[1:])
        for fold in two_folds(clips)
    ]


def tone_protocol(
    clips: Sequence[Clip], split: Callable[[list[Clip]], list[Fold]] = two_folds
) -> ToneProtocol:
    """Return the protocol over clips of the speakers a to h."""
    # The name is that of a real one, because only those have results.
    return ToneProtocol(
        "emodb-loso",
        "made-up voices",
        ("tones",),
        EMOTIONS,
        {"tones": tuple("abcdefgh")},
        split,
        clips=tuple(clips),
    )
