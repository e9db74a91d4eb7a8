"""Targets: the intended label of a clip, or a blend with what its raters heard."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from affekt.data import Clip


def hard_targets(clips: Sequence[Clip], labels: Sequence[str]) -> np.ndarray:
    """Class of each clip by its label ``[clips]``, int."""
    return np.array([labels.index(clip.emotion) for clip in clips], dtype=np.int64)


def soft_targets(
    clips: Sequence[Clip], labels: Sequence[str], vote_weight: float = 0.0
) -> np.ndarray:
    """Probability of each label for each clip, float32 ``[clips, classes]``; rows sum to 1.

    ``(1 - vote_weight)`` times the intended label plus ``vote_weight`` times the fractions of the
    clip's raters that heard each emotion. Votes for emotions that are not among the labels are
    left out and the others made to sum to 1; a clip without votes keeps its intended label.

    Parameters
    ----------
    clips : sequence of Clip
        Each with an emotion that is among the labels.
    labels : sequence of str
    vote_weight : float
        From 0, the intended label alone, to 1, the votes alone.
    """
    intended = np.array([labels.index(clip.emotion) for clip in clips])
    targets: np.ndarray = np.eye(len(labels), dtype=np.float32)[intended]
    if vote_weight == 0:
        return targets
    for row, clip in zip(targets, clips, strict=True):
        votes = np.array([(clip.votes or {}).get(label, 0.0) for label in labels])
        if votes.sum() > 0:
            row[:] = (1 - vote_weight) * row + vote_weight * votes / votes.sum()
    return targets
