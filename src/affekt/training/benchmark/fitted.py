"""A system that was trained on a fold, with its embedding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
        The mean over training speakers of their mean embeddings; each training corpus counts as
        it did in the training.
    parameters, bytes : int
        Size of the model.
    """

    system: EmbeddingSystem
    prior: np.ndarray
    parameters: int
    bytes: int


class CentredSystem:
    """A system that is scored with baselines.

    Where it was trained without, a speaker's baseline is replaced by the mean of the training
    speakers: what the classifier gets lies where it has always been. Where it was also trained on
    embeddings with the speaker's mean taken out, the baseline is taken out.

    Parameters
    ----------
    embed : function of clips
        Gives ``[clips, dim]``.
    logits : function of embeddings
        Gives calibrated logits ``[clips, classes]``.
    train : sequence of Clip
        What it was trained on.
    weights : mapping of str to float, optional
        Of the training corpora that weighed more or less than 1.
    centred : bool
        It was also trained on embeddings with the speaker's mean taken out.
    """

    def __init__(
        self,
        embed: Callable[[Sequence[Clip]], np.ndarray],
        logits: Callable[[np.ndarray], np.ndarray],
        train: Sequence[Clip],
        weights: Mapping[str, float] | None = None,
        *,
        centred: bool = False,
    ) -> None:
        self._embed = embed
        self._logits = logits
        names = np.array([clip.corpus for clip in train])
        embeddings, corpora = embed(train), np.unique(names).tolist()
        means = [
            speaker_mean(
                embeddings[names == corpus],
                [clip.speaker_id for clip in train if clip.corpus == corpus],
            )
            for corpus in corpora
        ]
        shares = [(weights or {}).get(corpus, 1.0) for corpus in corpora]
        self.prior = np.average(means, axis=0, weights=shares)
        self._kept = np.zeros_like(self.prior) if centred else self.prior

    def embed(self, clips: Sequence[Clip]) -> np.ndarray:
        """Embeddings ``[clips, dim]``."""
        return self._embed(clips)

    def scores(self, embeddings: np.ndarray, baseline: np.ndarray | None) -> np.ndarray:
        """Calibrated logits ``[clips, classes]``, see `EmbeddingSystem.scores`."""
        if baseline is not None:
            embeddings = embeddings - baseline + self._kept
        return self._logits(embeddings)
