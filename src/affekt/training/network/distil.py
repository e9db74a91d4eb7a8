"""Distillation: what a recipe says about the models that a network learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from affekt.data import Clip
from affekt.errors import ConfigError

if TYPE_CHECKING:
    from affekt.training.data.features import Progress

_RAREST = 1e-8  # probability; what a teacher rules out keeps a finite logarithm


@dataclass(frozen=True)
class DistilConfig:
    """Who teaches, and how much they count.

    Parameters
    ----------
    teachers : tuple of str
        Model directories; the mean of their answers teaches. Empty: nobody.
    weight : float
        Share of the teachers in the targets, from 0 to 1; the labels have the rest.
    temperature : float
        The teachers' logits are divided by it: above 1, what they find next likely counts more.
    embedding : float
        Weight of guessing the teachers' embeddings, too: how a clip sounds to them, whatever its
        emotion (Romero et al., "FitNets: Hints for Thin Deep Nets", 2015).
    """

    teachers: tuple[str, ...] = ()
    weight: float = 0.7
    temperature: float = 2.0
    embedding: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 1:
            raise ConfigError(f"distil.weight must be in [0, 1], got {self.weight:g}")
        if self.temperature <= 0:
            raise ConfigError(f"distil.temperature must be positive, got {self.temperature:g}")
        if not 0 <= self.embedding < float("inf"):
            raise ConfigError(f"distil.embedding must be 0 or more, got {self.embedding:g}")


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
        Classes that the clip's corpus knows; the teachers' others are left out.

    Returns
    -------
    np.ndarray [shape=(clips, classes), float32]
        Rows sum to 1.
    """
    softened = np.maximum(answers, _RAREST) ** (1 / config.temperature) * allowed
    softened = softened / softened.sum(axis=1, keepdims=True)
    return np.asarray((1 - config.weight) * own + config.weight * softened, dtype=np.float32)
