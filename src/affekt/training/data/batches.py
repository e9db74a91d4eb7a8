"""Batches: the clips of a step, and their augmentation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from affekt.audio.mel import mel_edges
from affekt.augment.warp import shifted, stretched
from affekt.data import Clip
from affekt.errors import DataError
from affekt.training.data.features import FeatureStore, pad, variants_of
from affekt.training.recipe.imbalance import SHUFFLE, draw_probabilities
from affekt.training.recipe.schema import Recipe
from affekt.training.recipe.tasks import head_targets


@dataclass(frozen=True)
class Batch:
    """Inputs and targets of one training step.

    Attributes
    ----------
    features : Tensor [batch, rows, frames]
        What the frontend's first stage gives: log-mel and what it puts below, or a waveform.
    lengths : Tensor [batch]
        Frames that are not padding.
    targets : Tensor [batch, classes]
        Probability of each class; rows sum to 1.
    allowed : Tensor [batch, classes], bool
        Classes of the clip's corpus; the others take no part in the loss.
    numbers : Tensor [batch, heads]
        Targets of the other heads, such as the intensity; NaN where that is not known.
    identity : Tensor [batch], int64
        Who an adversary would find; ``UNKNOWN`` where that is not known.
    embedding : Tensor [batch, values]
        What the teachers' embeddings are; without values where nobody asks.
    """

    features: Tensor
    lengths: Tensor
    targets: Tensor
    allowed: Tensor
    numbers: Tensor
    identity: Tensor
    embedding: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device."""
        return Batch(**{name: tensor.to(device) for name, tensor in vars(self).items()})

    def rows(self, chosen: slice) -> Batch:
        """Some of the clips."""
        return Batch(**{name: tensor[chosen] for name, tensor in vars(self).items()})


class Batches:
    """Draws and augments the batches of a training run.

    Every random choice follows from the seed, the epoch and the step alone, so a resumed run
    sees exactly what an uninterrupted one would have seen.

    Parameters
    ----------
    clips : sequence of Clip
        All readable, their features prepared in ``store`` at the recipe's speeds, or in its
        variants.
    labels : sequence of str
        Order of the classes.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        labels: Sequence[str],
        recipe: Recipe,
        store: FeatureStore,
        seed: int,
    ) -> None:
        self.clips = list(clips)
        self.recipe = recipe
        self.store = store
        self.seed = seed
        self.variants = variants_of(recipe, seed)
        self.targets = hard_targets(clips, labels)
        self.soft_targets = soft_targets(clips, labels, recipe.imbalance.votes)
        self.allowed = allowed_classes(clips, labels)
        self.numbers = head_targets(clips, recipe.tasks)
        self.identities = identity_targets(clips, recipe.tasks.adversary)
        self.embeddings = np.zeros((len(clips), 0), dtype=np.float32)
        weights = np.array([recipe.data.weights.get(clip.corpus, 1.0) for clip in clips])
        self.weights = draw_probabilities(self.targets, weights, recipe.imbalance.sampler)
        size = recipe.training.batch_size
        drawn = recipe.training.clips_per_epoch or len(self.clips)
        if len(self.clips) < 2:
            raise DataError(f"training needs two or more clips, got {len(self.clips)}")
        self.batch_size = min(size, len(self.clips), drawn)
        self.steps_per_epoch = drawn // self.batch_size
        self.crop_frames = max(1, round(recipe.training.crop * store.frames_per_second))

    def class_sizes(self) -> np.ndarray:
        """Clips of each class ``[classes]``; with a sampler, the probability of drawing it."""
        drawn = None if self.recipe.imbalance.sampler == SHUFFLE else self.weights
        return np.bincount(self.targets, weights=drawn, minlength=self.allowed.shape[1])

    def class_weights(self) -> np.ndarray:
        """Inverse size of each class ``[classes]``, with mean 1 over what is drawn."""
        sizes = self.class_sizes()
        present = sizes > 0
        weights = np.zeros(len(sizes), dtype=np.float32)
        weights[present] = sizes.sum() / (present.sum() * sizes[present])
        return weights

    def epoch(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, from a step within it on."""
        order = self._order(epoch)
        for step in range(first_step, self.steps_per_epoch):
            rng = np.random.default_rng([self.seed, 1, epoch, step])
            yield self._batch(order[step * self.batch_size : (step + 1) * self.batch_size], rng)

    def _order(self, epoch: int) -> np.ndarray:
        rng = np.random.default_rng([self.seed, 0, epoch])
        drawn = self.steps_per_epoch * self.batch_size
        if self.weights is not None:
            return rng.choice(len(self.clips), size=drawn, p=self.weights)
        rounds = -(-drawn // len(self.clips))
        return np.concatenate([rng.permutation(len(self.clips)) for _ in range(rounds)])[:drawn]

    def _batch(self, chosen: np.ndarray, rng: np.random.Generator) -> Batch:
        augment = self.recipe.augment
        cropped = [self._cropped(self.clips[index], rng) for index in chosen]
        features, lengths = pad(cropped, self._silence(len(cropped[0])))
        targets = self.soft_targets[chosen]
        allowed = self.allowed[chosen]
        numbers, identity = self.numbers[chosen], self.identities[chosen]
        embedding = self.embeddings[chosen]
        if augment.enabled:
            if self.recipe.model.frontend.spectral:
                features = self._changed(features, rng)
            cut = augment.cutmix.draw(lengths, rng)
            if cut:
                taken, partner, left = cut
                features = np.where(taken[:, None], features[partner], features)
                targets = left[:, None] * targets + (1 - left[:, None]) * targets[partner]
                allowed = allowed | allowed[partner]
                numbers = left[:, None] * numbers + (1 - left[:, None]) * numbers[partner]
                embedding = left[:, None] * embedding + (1 - left[:, None]) * embedding[partner]
                identity = np.where(identity == identity[partner], identity, UNKNOWN)
            else:
                share, partner = augment.mixup.draw(len(chosen), rng)
                if share < 1:
                    features = share * features + (1 - share) * features[partner]
                    targets = share * targets + (1 - share) * targets[partner]
                    lengths = np.maximum(lengths, lengths[partner])
                    allowed = allowed | allowed[partner]
                    numbers = share * numbers + (1 - share) * numbers[partner]
                    embedding = share * embedding + (1 - share) * embedding[partner]
                    identity = np.where(identity == identity[partner], identity, UNKNOWN)
        return Batch(
            torch.from_numpy(features.astype(np.float32)),
            torch.from_numpy(lengths),
            torch.from_numpy(targets.astype(np.float32)),
            torch.from_numpy(allowed),
            torch.from_numpy(numbers.astype(np.float32)),
            torch.from_numpy(identity),
            torch.from_numpy(embedding.astype(np.float32)),
        )

    def _changed(self, log_mel: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Spectral augmentations of ``[batch, rows, frames]``; same shape out."""
        augment, frontend = self.recipe.augment, self.recipe.model.frontend
        floor = np.float32(frontend.floor)
        # Pitch and the like lie below the log-mel, and are left as they were measured.
        log_mel, below = log_mel[:, : frontend.n_mels], log_mel[:, frontend.n_mels :]
        power = recorded = np.maximum(np.exp(log_mel) - floor, 0)
        for transform in (
            augment.babble,
            augment.moving_noise,
            augment.band_limit,
            augment.noise_floor,
        ):
            power = transform(power, rng)
        if augment.relevel:
            power = self._relevelled(power, recorded)
        power = augment.channel_tilt(power, rng)
        log_mel = np.log(power + floor)
        log_mel = augment.spec_augment(log_mel, rng, fill=self.fill)
        return np.concatenate([log_mel, below], axis=1)

    def _relevelled(self, power: np.ndarray, recorded: np.ndarray) -> np.ndarray:
        """Give each clip's mel power ``[batch, n_mels, frames]`` the level it was recorded at."""
        config = self.recipe.model.frontend
        edges = mel_edges(config.n_mels, config.f_min, config.f_max)
        widths = (edges[2:] - edges[:-2])[:, None]  # the bands have equal area, not equal height
        before, after = ((widths * p).sum(axis=(1, 2), keepdims=True) for p in (recorded, power))
        gain = np.divide(before, after, out=np.ones_like(after), where=after > 0)
        return np.asarray(power * gain.astype(power.dtype))

    fill: float = 0.0
    """What hidden log-mel is set to: the mean of the training data."""

    def _silence(self, rows: int) -> np.ndarray:
        """A frame of silence ``[rows]``: no power in any band, nothing below them."""
        frontend = self.recipe.model.frontend
        if not frontend.spectral:
            return np.zeros(rows)
        return np.where(np.arange(rows) < frontend.n_mels, np.log(frontend.floor), 0.0)

    def _cropped(self, clip: Clip, rng: np.random.Generator) -> np.ndarray:
        if self.variants:
            drawn = self.variants[rng.integers(len(self.variants))]
            features = self.store.get_variant(clip, drawn)
        else:
            speeds = self.recipe.training.speeds
            features = self.store.get(clip, speeds[rng.integers(len(speeds))])
        tempo, frequency = self.recipe.augment.warp.draw(rng) if self._warps else (1.0, 1.0)
        wanted = max(1, round(self.crop_frames * tempo))
        surplus = features.shape[1] - wanted
        start = rng.integers(surplus + 1) if surplus > 0 else 0
        features = features[:, start : start + wanted]
        return self._warped(features, tempo, frequency) if self._warps else features

    @property
    def _warps(self) -> bool:
        return self.recipe.augment.enabled and self.recipe.augment.warp.probability > 0

    def _warped(self, features: np.ndarray, tempo: float, frequency: float) -> np.ndarray:
        """Faster and higher; pitch and the like below the log-mel only become faster."""
        config = self.recipe.model.frontend
        if tempo != 1:
            features = stretched(features, tempo)
        if frequency != 1:
            log_mel, below = features[: config.n_mels], features[config.n_mels :]
            log_mel = shifted(log_mel, frequency, config.f_min, config.f_max)
            features = np.concatenate([log_mel, below])
        return features


def allowed_classes(clips: Sequence[Clip], labels: Sequence[str]) -> np.ndarray:
    """For each clip the classes that occur in its corpus ``[clips, classes]``, bool."""
    known: dict[str, set[str]] = {}
    for clip in clips:
        known.setdefault(clip.corpus, set()).add(clip.emotion)
    return np.array([[label in known[clip.corpus] for label in labels] for clip in clips])


# --- targets ---


def hard_targets(clips: Sequence[Clip], labels: Sequence[str]) -> np.ndarray:
    """Class of each clip by its label ``[clips]``, int."""
    return np.array([labels.index(clip.emotion) for clip in clips], dtype=np.int64)


def soft_targets(
    clips: Sequence[Clip], labels: Sequence[str], vote_weight: float = 0.0
) -> np.ndarray:
    """Probability of each label for each clip, float32 ``[clips, classes]``; rows sum to 1.

    ``(1 - vote_weight)`` times the intended label plus ``vote_weight`` times the fractions of the
    clip's raters that chose each emotion. Votes for emotions that are not among the labels are
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


UNKNOWN = -1
"""Number of a speaker or gender that is not known."""


def identity_targets(clips: Sequence[Clip], kind: str) -> np.ndarray:
    """Number of each clip's speaker or gender ``[clips]``, int64; ``UNKNOWN`` where not known."""
    names = [clip.gender if kind == "gender" else clip.speaker_id for clip in clips]
    known = {name: number for number, name in enumerate(sorted(set(names) - {""}))}
    return np.array([known.get(name, UNKNOWN) for name in names], dtype=np.int64)
