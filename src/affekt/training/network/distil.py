"""Distillation: targets and embeddings of other models, which a network learns from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from affekt.data import Clip
from affekt.training.recipe.schema import DistilConfig

if TYPE_CHECKING:
    from affekt.training.data.features import Progress

_RAREST = 1e-8  # probability; what a teacher rules out keeps a finite logarithm


class Teaching(Protocol):
    """Whoever answers for a student's clips."""

    def answers(
        self, clips: Sequence[Clip], labels: Sequence[str], progress: Progress | None = None
    ) -> np.ndarray:
        """Mean probability of each label for each clip ``[clips, classes]``."""

    def embeddings(self, clips: Sequence[Clip], progress: Progress | None = None) -> np.ndarray:
        """Embeddings of each clip, those of all teachers side by side ``[clips, values]``."""


def standardised(embeddings: np.ndarray) -> np.ndarray:
    """Each value with mean 0 and variance 1 over the clips ``[clips, values]``, float32."""
    scale = embeddings.std(axis=0, dtype=np.float64)
    centred = embeddings - embeddings.mean(axis=0, dtype=np.float64)
    return np.asarray(centred / np.where(scale > 0, scale, 1), dtype=np.float32)


def blended(
    config: DistilConfig, own: np.ndarray, answers: np.ndarray, allowed: np.ndarray
) -> np.ndarray:
    """Blend the targets of the labels with those of the teachers.

    Parameters
    ----------
    config : DistilConfig
    own : np.ndarray [shape=(clips, classes)]
        Probabilities that follow from the labels.
    answers : np.ndarray [shape=(clips, classes)]
        Those of the teachers.
    allowed : np.ndarray of bool [shape=(clips, classes)]
        Classes of the clip's corpus; others of the teachers are left out.

    Returns
    -------
    np.ndarray [shape=(clips, classes), float32]
        Rows sum to 1.
    """
    softened = np.maximum(answers, _RAREST) ** (1 / config.temperature) * allowed
    softened = softened / softened.sum(axis=1, keepdims=True)
    return np.asarray((1 - config.weight) * own + config.weight * softened, dtype=np.float32)
