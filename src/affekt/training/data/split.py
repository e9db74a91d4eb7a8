"""The clips of a run: for training, validation and test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from affekt.data import CORPORA, Clip, load_corpus, open_data
from affekt.data.splits import leaking_speakers, split_speakers
from affekt.errors import ConfigError, DataError
from affekt.evaluation import get_protocol
from affekt.labels import EMOTIONS, OWN_LABELS, check_labels
from affekt.training.recipe.schema import DataConfig


@dataclass(frozen=True)
class Split:
    """The clips of a training run; no speaker is in two of its parts."""

    train: tuple[Clip, ...]
    validation: tuple[Clip, ...]
    test: tuple[Clip, ...]

    def all(self) -> list[Clip]:
        """Every clip, with its part in `Clip.split`."""
        return [
            replace(clip, split=side)
            for side in ("train", "validation", "test")
            for clip in getattr(self, side)
        ]


def choose_split(config: DataConfig, root: Path | None = None) -> Split:
    """Read the sources of a recipe and split them by speaker.

    A source whose clips name their split keeps it; a corpus of the recipe's protocol is split
    as the first fold of that protocol; every other source is split by its speakers.

    Raises
    ------
    DataError
        If a source is missing, its clips cannot be split, nothing is left to train on, or a
        speaker is on two split.
    """
    if not config.sources:
        raise ConfigError("the recipe names no data: set data.sources, or give --source")
    clips: list[Clip] = []
    for source in config.sources:
        clips += _split_source(source, _wanted(open_data(source, root), config), config)
    clips += [replace(clip, split="train") for clip in extra_clips(config, root)]
    check_labels(dict.fromkeys(clip.emotion for clip in clips), "the data of the recipe")
    leaking = leaking_speakers(clips)
    if leaking:
        names = ", ".join(sorted(leaking)[:5])
        raise DataError(
            f"{len(leaking)} speakers are on two sides of the split ({names}): "
            "give every speaker one side, or leave the split column empty"
        )
    split = Split(*(_side(clips, name) for name in ("train", "validation", "test")))
    learned = sorted({clip.emotion for clip in split.train})
    if absent := [name for name in config.labels if name not in {*learned, *EMOTIONS}]:
        raise DataError(
            f"data.labels: no clip to train on is labelled {', '.join(absent)}; the sources have "
            f"{', '.join(learned) or 'none of the labels'}"
        )
    if len(learned) < 2:
        found = f"all {len(split.train)} are {learned[0]}" if learned else "there are none"
        raise DataError(
            f"training needs clips of two or more emotions: of those to train on in "
            f"{', '.join(config.sources)}, {found}"
        )
    return split


def extra_clips(
    config: DataConfig, root: Path | None = None, under_test: Iterable[str] = ()
) -> list[Clip]:
    """Training clips of the corpora that a recipe borrows.

    Parameters
    ----------
    under_test : iterable of str
        Corpora that may not lend clips, because they are being tested on.
    """
    clips: list[Clip] = []
    for name in config.extra:
        if name in under_test:
            raise ConfigError(f"data.extra: {name} is under test and lends its own training side")
        if name not in CORPORA:
            raise ConfigError(f"data.extra: unknown corpus {name!r}: {', '.join(CORPORA)}")
        clips += _wanted(load_corpus(name, root), config)
    return clips


def _wanted(clips: Sequence[Clip], config: DataConfig) -> list[Clip]:
    """Clips with the labels that a recipe learns, renamed; by default, all but levels."""
    if config.rename:
        clips = [
            replace(
                clip,
                emotion=config.rename.get(clip.emotion, clip.emotion),
                votes=clip.votes and _renamed(clip.votes, config.rename),
            )
            for clip in clips
        ]
    if config.labels:
        return [clip for clip in clips if clip.emotion in config.labels]
    return [clip for clip in clips if clip.emotion not in OWN_LABELS.get(clip.corpus, ())]


def _renamed(votes: Mapping[str, float], names: Mapping[str, str]) -> dict[str, float]:
    """Votes under their new names; those that come to have one name are added."""
    added: dict[str, float] = {}
    for label, share in votes.items():
        name = names.get(label, label)
        added[name] = added.get(name, 0.0) + share
    return added


def _split_source(source: str, clips: list[Clip], config: DataConfig) -> list[Clip]:
    unsplit = sum(not clip.split for clip in clips)
    if unsplit < len(clips):
        if unsplit:
            raise DataError(
                f"{source}: {unsplit} of {len(clips)} clips have no split: "
                "fill the column for every clip, or for none"
            )
        return clips
    protocol = get_protocol(config.protocol) if config.protocol else None
    if protocol and clips and clips[0].corpus in protocol.corpora:
        fold = protocol.folds(clips)[0]
        return Split(tuple(fold.train), tuple(fold.validation), tuple(fold.test)).all()
    if not clips or (not config.validation and not config.test):
        return [replace(clip, split="train") for clip in clips]
    unknown = [clip for clip in clips if not clip.speaker]
    if unknown:
        raise DataError(
            f"{source}: {len(unknown)} of {len(clips)} clips have no speaker, the first is "
            f"{unknown[0].file}: give every speaker a sub-folder (happy/anna/1.wav) or fill the "
            "manifest's speaker column, so that no speaker is on two sides; or set "
            "data.validation and data.test to 0, to train on everything and measure nothing"
        )
    return split_speakers(
        clips, validation=config.validation, test=config.test, seed=config.split_seed
    )


def _side(clips: Sequence[Clip], name: str) -> tuple[Clip, ...]:
    return tuple(clip for clip in clips if clip.split == name)
