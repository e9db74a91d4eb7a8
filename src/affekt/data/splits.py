"""Splits and folds in which no speaker is on two sides.

A model that was trained on a speaker recognises the person, not the emotion, in the test;
the figures then say nothing about anybody else. So whole speakers are dealt out, such that every
side gets its share of every emotion and of both genders, corpus by corpus.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from affekt.data.manifest import SPLITS, Clip
from affekt.errors import DataError

log = logging.getLogger("affekt.data")

_MOST_REFINED = 1000  # speakers; beyond that the law of large numbers balances well enough


def split_speakers(
    clips: Sequence[Clip], *, validation: float = 0.15, test: float = 0.15, seed: int = 0
) -> list[Clip]:
    """Deal the speakers to training, validation and test.

    Parameters
    ----------
    clips : sequence of Clip
        All with a known speaker.
    validation, test : float
        The share of the clips, from 0 to 1, that each should get; 0 leaves that side out.
    seed : int
        Another seed deals other speakers; the same seed deals the same ones on every machine.

    Returns
    -------
    list of Clip
        The same clips in the same order, each with its ``split``.

    Raises
    ------
    DataError
        If a speaker is unknown, there are fewer speakers than sides, or the shares leave nothing
        to train on.
    """
    if not (validation >= 0 and test >= 0 and validation + test < 1):
        raise DataError(
            f"validation ({validation:g}) and test ({test:g}) must be from 0 up and leave a share "
            f"of the clips for training"
        )
    shares = {"train": 1 - validation - test, "validation": validation, "test": test}
    sides = [side for side in SPLITS if shares[side] > 0]
    dealt = _deal(clips, [shares[side] for side in sides], seed)
    result = [replace(clip, split=sides[dealt[clip.speaker_id]]) for clip in clips]
    _warn_of_gaps(result, sides)
    return result


def speaker_folds(clips: Sequence[Clip], n: int, seed: int = 0) -> list[list[int]]:
    """Deal the speakers to ``n`` folds of about equal size.

    Returns
    -------
    list of list of int
        Per fold, the indices into ``clips`` that it tests, ascending; each clip is in one fold.

    Raises
    ------
    DataError
        If a speaker is unknown, or there are fewer speakers than folds.
    """
    if n < 2:
        raise DataError(f"{n} folds: there must be at least 2")
    dealt = _deal(clips, [1 / n] * n, seed)
    folds: list[list[int]] = [[] for _ in range(n)]
    for index, clip in enumerate(clips):
        folds[dealt[clip.speaker_id]].append(index)
    return folds


def leaking_speakers(clips: Sequence[Clip]) -> dict[str, set[str]]:
    """Return the speakers that are on more than one side, with these sides.

    Clips without a split or without a known speaker do not count.
    """
    sides: dict[str, set[str]] = {}
    for clip in clips:
        if clip.split and clip.speaker_id:
            sides.setdefault(clip.speaker_id, set()).add(clip.split)
    return {speaker: found for speaker, found in sorted(sides.items()) if len(found) > 1}


def _deal(clips: Sequence[Clip], shares: Sequence[float], seed: int) -> dict[str, int]:
    """Return the side, as an index into ``shares``, of each speaker."""
    unknown = [clip for clip in clips if not clip.speaker]
    if unknown:
        raise DataError(
            f"{len(unknown)} of {len(clips)} clips have no speaker, the first is "
            f"{unknown[0].file}: a split without shared speakers needs all of them"
        )
    speakers = sorted({clip.speaker_id for clip in clips}, key=lambda name: _draw(seed, name))
    if len(speakers) < len(shares):
        raise DataError(
            f"{len(speakers)} speakers cannot be divided into {len(shares)} sides: each side needs "
            f"a speaker of its own"
        )
    counts = _count(clips, speakers)
    sides = _refine(_greedy(counts, np.asarray(shares)), counts, np.asarray(shares))
    return dict(zip(speakers, sides.tolist(), strict=True))


def _draw(seed: int, speaker: str) -> bytes:
    """Return a key whose order is random; a hash does not change with the library's version."""
    return hashlib.sha256(f"{seed}/{speaker}".encode()).digest()


def _count(clips: Sequence[Clip], speakers: Sequence[str]) -> NDArray[np.float64]:
    """Return per speaker the share of all clips of each emotion and of each gender.

    Returns
    -------
    np.ndarray [shape=(speakers, columns)]
        Every column, such as "angry in EMO-DB" or "women in EMO-DB", sums to 1.
    """
    row = {speaker: index for index, speaker in enumerate(speakers)}
    column: dict[tuple[str, str], int] = {}
    cells = []
    for clip in clips:
        for trait in (clip.emotion, clip.gender or "unknown gender"):
            place = column.setdefault((clip.corpus, trait), len(column))
            cells.append((row[clip.speaker_id], place))
    counts = np.zeros((len(speakers), len(column)))
    np.add.at(counts, tuple(np.array(cells).T), 1.0)
    return np.asarray(counts / counts.sum(axis=0))


def _greedy(counts: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.intp]:
    """Give each speaker, in the order drawn, to the side that misses them most."""
    sides = np.full(len(counts), -1)
    missing = np.tile(shares[:, None], (1, counts.shape[1]))  # [sides, columns]
    for speaker, own in enumerate(counts):
        # The squared error falls by 2 m.c - c.c when a side that misses m receives c.
        relief = _even(missing @ own)
        filled = np.isin(np.arange(len(shares)), sides)
        if np.count_nonzero(~filled) >= len(counts) - speaker:
            relief[filled] = -np.inf  # the last speakers are needed where there is none yet
        sides[speaker] = relief.argmax()
        missing[sides[speaker]] -= own
    return sides


def _refine(
    sides: NDArray[np.intp], counts: NDArray[np.float64], shares: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Move the speaker, or swap the two, that helps most, until nothing helps."""
    if len(counts) > _MOST_REFINED:
        return sides
    sides = sides.copy()
    norms = (counts**2).sum(axis=1)
    distance = norms[:, None] + norms[None, :] - 2 * counts @ counts.T  # |c_j - c_i|^2
    for _ in range(10 * len(counts)):
        excess = np.stack([counts[sides == side].sum(axis=0) for side in range(len(shares))])
        pull = counts @ (excess - shares[:, None]).T  # c_i.e_side  [speakers, sides]
        own = np.take_along_axis(pull, sides[:, None], axis=1)
        # By how much half the squared error changes if i moves, or if i and j swap.
        move = _even(pull - own + norms[:, None])
        move[np.bincount(sides, minlength=len(shares))[sides] == 1] = np.inf
        move[np.arange(len(sides)), sides] = np.inf
        across = pull[:, sides]  # c_i.e_j
        swap = _even(across + across.T - own - own.T + distance)
        swap[sides[:, None] == sides[None, :]] = np.inf
        if min(move.min(), swap.min()) >= 0:
            break
        if move.min() < swap.min():
            speaker, side = np.unravel_index(move.argmin(), move.shape)
            sides[speaker] = side
        else:
            first, second = np.unravel_index(swap.argmin(), swap.shape)
            sides[first], sides[second] = sides[second], sides[first]
    return sides


def _even(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round away what depends on the machine's order of adding, so that ties stay ties."""
    return np.asarray(values.round(9))


def _warn_of_gaps(clips: Sequence[Clip], sides: Sequence[str]) -> None:
    emotions = {clip.emotion for clip in clips}
    for side in sides:
        absent = emotions - {clip.emotion for clip in clips if clip.split == side}
        if absent:
            log.warning("no clip of %s is %s", side, ", ".join(sorted(absent)))
