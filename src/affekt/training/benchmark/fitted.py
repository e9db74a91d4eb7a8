"""A system that was trained on a fold, with its embedding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from affekt.data import Clip
from affekt.evaluation.adapted import EmbeddingSystem, speaker_mean


@dataclass(frozen=True)
class Fitted:
    """A system that was trained on a fold, with its embedding.

    Attributes
    ----------
    system : EmbeddingSystem
        Over the requested labels.
    prior : np.ndarray [shape=(dim,)]
        The mean over training speakers of their mean embeddings.
    parameters, bytes : int
        Size of the model.
    """

    system: EmbeddingSystem
    prior: np.ndarray
    parameters: int
    bytes: int


class CentredSystem:
    """A system that was trained without baselines, scored with them.

    A speaker's baseline is replaced by the mean of the training speakers: what the classifier gets
    lies where it has always been.

    Parameters
    ----------
    embed : function of clips
        Gives ``[clips, dim]``.
    logits : function of embeddings
        Gives calibrated logits ``[clips, classes]``.
    train : sequence of Clip
        What it was trained on.
    """

    def __init__(
        self,
        embed: Callable[[Sequence[Clip]], np.ndarray],
        logits: Callable[[np.ndarray], np.ndarray],
        train: Sequence[Clip],
    ) -> None:
        self._embed = embed
        self._logits = logits
        self.prior = speaker_mean(embed(train), [clip.speaker_id for clip in train])

    def embed(self, clips: Sequence[Clip]) -> np.ndarray:
        """Embeddings ``[clips, dim]``."""
        return self._embed(clips)

    def scores(self, embeddings: np.ndarray, baseline: np.ndarray | None) -> np.ndarray:
        """Calibrated logits ``[clips, classes]``, see `EmbeddingSystem.scores`."""
        if baseline is not None:
            embeddings = embeddings - baseline + self.prior
        return self._logits(embeddings)
