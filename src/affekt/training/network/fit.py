"""From clips to a fitted, calibrated network: what ``train`` and ``benchmark`` share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from affekt.data import Clip
from affekt.errors import ConfigError, DataError
from affekt.evaluation.calibration import (
    COVERAGE,
    fit_least_probability,
    fit_temperature,
    negative_log_likelihood,
)
from affekt.evaluation.metrics import uar
from affekt.models import Network, NetworkConfig, build_network
from affekt.models.registry import find_architecture
from affekt.training.data.batches import Batches, hard_targets
from affekt.training.data.features import FeatureStore, Progress, Variant, variants_of
from affekt.training.network.infer import embed_clips, score_clips
from affekt.training.network.linear import (
    HeldOutAnswers,
    Lesson,
    answers_elsewhere,
    fit_confidence,
    fit_linear,
)
from affekt.training.network.loop import Epoch, Reporter, Trainer
from affekt.training.network.processes import choose_device
from affekt.training.network.smote import refit_head
from affekt.training.network.teachers import Teaching, blended, standardised
from affekt.training.recipe.fingerprint import run_fingerprint
from affekt.training.recipe.schema import DistilConfig, LinearConfig, Recipe


@dataclass(frozen=True)
class FitResult:
    """A fitted network and how it came about.

    Attributes
    ----------
    network : Network
        The epoch that the recipe keeps, calibrated on the validation clips, on the CPU.
    history : tuple of Epoch
    best_epoch : int
        Epoch with the best validation UAR, counted from 1.
    train : tuple of Clip
        The clips that could be read and were learned from.
    least_probability : float or None
        Of the emotions in a prediction set, where it was fitted on more than validation clips.
    """

    network: Network
    history: tuple[Epoch, ...]
    best_epoch: int
    train: tuple[Clip, ...]
    least_probability: float | None = None


def fit(
    recipe: Recipe,
    train: Sequence[Clip],
    validation: Sequence[Clip],
    folder: Path,
    *,
    seed: int = 0,
    store: FeatureStore | None = None,
    start: Mapping[str, Tensor] | None = None,
    teachers: Teaching | None = None,
    reporter: Reporter | None = None,
    progress: Progress | None = None,
) -> FitResult:
    """Train a network, or continue where an earlier call with the same arguments stopped.

    Parameters
    ----------
    recipe : Recipe
    train : sequence of Clip
        Clips with labels that the recipe leaves out are passed over.
    validation : sequence of Clip
        Chooses the epoch and the temperature; may be empty, then the last epoch is kept and
        nothing is calibrated.
    folder : Path
        Gets the checkpoints.
    seed : int
        Weights, order and augmentation follow from it.
    store : FeatureStore, optional
        Shared between folds so that features are computed once.
    start : mapping of str to Tensor, optional
        Weights and statistics to start from, see :mod:`affekt.training.network.pretrain`.
    teachers : Teaching, optional
        Models to learn from besides the labels.

    Raises
    ------
    DataError
        If there is too little to learn from, or a speaker is in two parts.
    KeyboardInterrupt
        After Ctrl-C, with everything saved.
    """
    refuse_without_network(recipe)
    if recipe.taught_by and teachers is None:
        raise ConfigError(
            f"there is no teacher: train {recipe.taught_by.name} first, or leave it out"
        )
    device = choose_device(recipe.training.device)
    fingerprint = run_fingerprint(recipe, train, validation, seed)
    shared = {clip.speaker_id for clip in train} & {clip.speaker_id for clip in validation} - {""}
    if shared:
        raise DataError(f"in training and validation at once: {', '.join(sorted(shared)[:5])}")
    labels = recipe.data.labels or tuple(sorted({clip.emotion for clip in train}))
    train = [clip for clip in train if clip.emotion in labels]
    validation = [clip for clip in validation if clip.emotion in labels]
    if len({clip.emotion for clip in train}) < 2:
        raise DataError("training needs clips of two or more emotions")
    # Before the audio is read: an impossible network should not cost minutes.
    network = new_network(recipe, labels, seed)
    if start is not None:
        network.load_state_dict({**network.state_dict(), **start})
    network.to(device)
    store = (store or FeatureStore(recipe.model.frontend)).through(network.encoder)
    variants = variants_of(recipe, seed)
    speeds = (1.0,) if variants else recipe.training.speeds
    train = store.prepare(train, speeds, progress, variants)
    validation = store.prepare(validation, (1.0,), progress)

    if start is None:
        mean, scale = store.statistics(train)
        network.feature_mean.copy_(torch.from_numpy(mean))
        network.feature_scale.copy_(torch.from_numpy(scale))
    batches = Batches(train, labels, recipe, store, seed)
    if recipe.linear:
        versions: tuple[float | Variant, ...] = (*speeds, *variants)
        statistics = np.stack([[store.version(c, v)[:, 0] for c in train] for v in versions])
        lesson = Lesson(
            train,
            statistics.astype(np.float32),
            batches.soft_targets,
            batches.allowed,
            recipe.data.weights,
        )
        fit_linear(network.cpu(), recipe.linear, lesson, batches.numbers)
        network.eval()
        unseen = _answers(network, recipe.linear, lesson, validation, store)
        least = None
        if unseen is not None:
            calibrated = fit_confidence(network, unseen)
            least = fit_least_probability(calibrated, unseen.targets, COVERAGE, unseen.weights)
        return FitResult(network, (), 0, tuple(train), least)
    batches.fill = store.mean_log_mel(train)
    if teachers:
        answers = teachers.answers(train, labels, progress)
        distil = recipe.distil or DistilConfig()
        batches.soft_targets = blended(distil, batches.soft_targets, answers, batches.allowed)
        if distil.embedding:
            batches.embeddings = standardised(teachers.embeddings(train, progress))
    trainer = Trainer(
        network,
        batches,
        recipe.training,
        folder,
        fingerprint,
        lambda candidate: validation_scores(candidate, validation, store),
        seed,
        reporter,
    )
    trainer.run()
    network.cpu().eval()
    if recipe.imbalance.smote:
        refit_head(
            network,
            embed_clips(network, train, store),
            batches.targets,
            batches.allowed,
            l2=recipe.imbalance.smote_l2,
            seed=seed,
        )
    if validation:
        calibrate(network, validation, store)
    return FitResult(network, tuple(trainer.history), trainer.best_epoch, tuple(train))


def _answers(
    network: Network,
    config: LinearConfig,
    lesson: Lesson,
    validation: Sequence[Clip],
    store: FeatureStore,
) -> HeldOutAnswers | None:
    """What the confidence of a linear classifier is fitted on; None where there is nothing."""
    parts = []
    if validation:
        embeddings = embed_clips(network, validation, store)
        targets = hard_targets(validation, network.config.labels)
        parts.append(HeldOutAnswers.of(network.head, embeddings, targets))
    if config.calibration == "corpora":
        parts.append(answers_elsewhere(config, lesson, network.embedding_size))
    return HeldOutAnswers.together(parts) if parts else None


def calibrate(network: Network, validation: Sequence[Clip], store: FeatureStore) -> None:
    """Set the temperature with which confidence means frequency on the validation clips."""
    logits = score_clips(network, validation, store)
    targets = hard_targets(validation, network.config.labels)
    network.temperature.fill_(fit_temperature(logits, targets))


def refuse_without_network(recipe: Recipe) -> None:
    """Raise ConfigError for a recipe that only a benchmark can use, or whose network is unknown."""
    for table in ("classical", "ensemble"):
        if getattr(recipe, table):
            raise ConfigError(
                f"a recipe with [{table}] makes no network: give it to affekt benchmark"
            )
    find_architecture(recipe.model.architecture)


def new_network(recipe: Recipe, labels: Sequence[str], seed: int) -> Network:
    """The network of a recipe, with the random weights of a seed."""
    torch.manual_seed(seed)
    return build_network(
        NetworkConfig(
            labels=tuple(labels),
            architecture=recipe.model.architecture,
            options=dict(recipe.model.options),
            frontend=recipe.model.frontend,
            pooling=recipe.model.pooling,
            head_dropout=recipe.model.head_dropout,
            heads=recipe.tasks.heads,
        )
    )


def validation_scores(
    network: Network, clips: Sequence[Clip], store: FeatureStore
) -> tuple[float, float]:
    """Loss in nats, and UAR: the mean over corpora so that the largest does not drown the others.

    Both are NaN without clips.
    """
    if not clips:
        return math.nan, math.nan
    logits = score_clips(network, clips, store)
    targets = hard_targets(clips, network.config.labels)
    corpora = [clip.corpus for clip in clips]
    return negative_log_likelihood(logits, targets), mean_uar(logits, targets, corpora)


def mean_uar(logits: np.ndarray, targets: np.ndarray, corpora: Sequence[str]) -> float:
    """UAR of validation: the mean over corpora, each among the emotions that it has.

    Parameters
    ----------
    logits : np.ndarray [shape=(clips, classes)]
    targets : np.ndarray [shape=(clips,)]
    corpora : sequence of str
        Of each clip.
    """
    names, classes = np.array(corpora), logits.shape[1]
    scores = []
    for corpus in np.unique(names):
        own = names == corpus
        known = np.isin(np.arange(classes), targets[own])
        predicted = np.where(known, logits[own], -np.inf).argmax(axis=1)
        scores.append(uar(targets[own], predicted, classes))
    return float(np.mean(scores))
