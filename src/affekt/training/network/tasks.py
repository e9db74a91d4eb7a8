"""What a network learns beside the emotions: how strong they are, and to forget who speaks."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from affekt.errors import ConfigError, DataError
from affekt.models import Network
from affekt.models.layers.heads import AdversarialHead
from affekt.training.data.batches import UNKNOWN
from affekt.training.recipe.tasks import HEADS, TasksConfig


class Tasks(nn.Module):
    """The losses beside that of the emotions, and the adversary, which no model keeps.

    Parameters
    ----------
    config : TasksConfig
    network : Network
    identities : np.ndarray [shape=(clips,)]
        See :func:`identity_targets`.
    taught : int
        Values of the teachers' embeddings; 0 without any.
    taught_weight : float
        Weight of guessing these.

    Raises
    ------
    DataError
        If no clip says what a task needs.
    """

    def __init__(
        self,
        config: TasksConfig,
        network: Network,
        identities: np.ndarray,
        taught: int = 0,
        taught_weight: float = 0.0,
    ) -> None:
        super().__init__()
        self.config = config
        self.taught_weight = taught_weight
        self.guess = nn.Linear(network.embedding_size, taught) if taught else None
        self.adversary: AdversarialHead | None = None
        self.masked: MaskedPrediction | None = None
        if config.adversary:
            count = int(identities.max()) + 1
            if count < 2:
                raise DataError(
                    f"tasks.adversary needs clips of two or more: no such {config.adversary} in "
                    "the training data"
                )
            self.adversary = AdversarialHead(network.embedding_size, count)
        if config.masked:
            frontend, encoder = network.config.frontend, network.encoder
            if encoder.still:
                raise ConfigError(
                    "tasks.masked: an encoder that stays as it is learns nothing from it: set "
                    "model.options.train = 'top' or 'all'"
                )
            self.masked = MaskedPrediction(
                encoder.output_channels,
                frontend.channels,
                encoder.time_stride,
                config.masked_share,
                max(1, round(config.masked_seconds * frontend.frames_per_second)),
            )

    def forward(
        self,
        network: Network,
        embedding: Tensor,
        targets: Tensor,
        identity: Tensor,
        taught: Tensor | None = None,
    ) -> Tensor:
        """Return the weighted sum of the losses beside the emotion's.

        Each loss is the mean over the clips that have its target.

        Parameters
        ----------
        network : Network
        embedding : Tensor [batch, embedding]
        targets : Tensor [batch, heads]
            Of the other heads; NaN where it is not known.
        identity : Tensor [batch], int64
            ``UNKNOWN`` where it is not known.
        taught : Tensor [batch, values], optional
            The teachers' embeddings, where they are to be guessed.

        Returns
        -------
        Tensor []
        """
        loss = embedding.new_zeros(())
        for column, (name, head) in enumerate(network.scalar_heads.items()):
            known = ~torch.isnan(targets[:, column])
            # Of all clips, because its norm needs a batch.
            found = head(embedding)[:, 0].float()
            # Without asking whether there are any, which a GPU would be waited for.
            errors = HEADS[name].loss(found, targets[:, column].nan_to_num(), known)
            loss = loss + getattr(self.config, name) * _mean(errors, known)
        if self.adversary is not None:
            known = identity != UNKNOWN
            found = self.adversary(embedding).float()
            errors = nn.functional.cross_entropy(found, identity.clamp_min(0), reduction="none")
            loss = loss + self.config.adversary_weight * _mean(errors, known)
        if self.guess is not None and taught is not None:
            guessed = self.guess(embedding).float()
            loss = loss + self.taught_weight * nn.functional.mse_loss(guessed, taught)
        return loss


def _mean(errors: Tensor, known: Tensor) -> Tensor:
    """Mean of what is known; 0 where nothing is."""
    return (errors * known).sum() / known.sum().clamp_min(1)


# --- masked frames ---


class MaskedPrediction(nn.Module):
    """Masks frames of features, and computes the error of their prediction.

    Parameters
    ----------
    embedding : int
        Channels of the encoder's frames.
    rows : int
        Channels of the features.
    stride : int
        Feature frames per frame of the encoder.
    share : float
        Of the frames that are hidden, about.
    span : int
        Length of a hidden stretch, in feature frames.
    """

    def __init__(self, embedding: int, rows: int, stride: int, share: float, span: int) -> None:
        super().__init__()
        self.rows, self.stride, self.share, self.span = rows, stride, share, span
        self.guess = nn.Conv1d(embedding, rows * stride, 1)

    def hide(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Set stretches to zero, the mean of standardised features.

        Parameters
        ----------
        features : Tensor [batch, rows, frames]

        Returns
        -------
        Tensor [batch, rows, frames]
        Tensor [batch, 1, frames], bool
            Where something is hidden.
        """
        batch, _, frames = features.shape
        # Stretches may overlap: with this rate of beginnings, the share is hidden in the mean.
        rate = 1 - (1 - self.share) ** (1 / self.span)
        begins = torch.rand(batch, 1, frames, device=features.device) < rate
        reach = nn.functional.pad(begins.to(features.dtype), (self.span - 1, 0))
        hidden = nn.functional.max_pool1d(reach, self.span, stride=1) > 0
        return features.masked_fill(hidden, 0.0), hidden

    def forward(self, frames: Tensor, features: Tensor, hidden: Tensor) -> Tensor:
        """Mean squared error of the predicted masked features.

        Parameters
        ----------
        frames : Tensor [batch, embedding, ceil(frames / stride)]
        features : Tensor [batch, rows, frames]
            Before anything was hidden.
        hidden : Tensor [batch, 1, frames], bool
            Where it counts.

        Returns
        -------
        Tensor []
        """
        batch, _, count = frames.shape
        guessed = self.guess(frames).reshape(batch, self.rows, self.stride, count)
        guessed = guessed.transpose(2, 3).reshape(batch, self.rows, count * self.stride)
        errors = (guessed[..., : features.shape[2]].float() - features.float()) ** 2
        mean = errors.mean(dim=1, keepdim=True)  # [batch, 1, frames]
        return torch.div((mean * hidden).sum(), hidden.sum().clamp_min(1))
