"""What a benchmark measures: a network or a classical system, trained on a fold and scored."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor

from affekt.data import Clip
from affekt.errors import ConfigError, DataError
from affekt.evaluation import Fold
from affekt.export.graph.onnx import export_onnx
from affekt.models import Network, checkpoint, describe
from affekt.training.benchmark.fitted import CentredSystem, Fitted
from affekt.training.data.features import FEATURES, FeatureStore, Progress
from affekt.training.network.fit import fit, new_network
from affekt.training.network.infer import embed_clips, score_clips
from affekt.training.network.loop import Reporter
from affekt.training.network.pretrain import pretrain
from affekt.training.network.teachers import Teaching
from affekt.training.recipe.classical import ClassicalConfig
from affekt.training.recipe.fingerprint import run_fingerprint
from affekt.training.recipe.schema import Recipe

if TYPE_CHECKING:
    from affekt.training.classic.fit import Classical

NETWORK = "network.safetensors"
"""The weights that a fold ended with."""


@dataclass(frozen=True)
class SystemPredictions:
    """What a system said of the test clips of a fold.

    Attributes
    ----------
    logits : np.ndarray [shape=(clips, classes)]
        Over the requested labels.
    temperature : float
        To divide them by before the softmax.
    parameters, bytes : int
        Size of the model that answered.
    """

    logits: np.ndarray
    temperature: float
    parameters: int
    bytes: int


class System(Protocol):
    """Learns from the training side of a fold, may choose by its validation side, answers."""

    def answer(
        self,
        fold: Fold,
        labels: Sequence[str],
        place: Path,
        seed: int,
        teachers: Teaching | None = None,
    ) -> SystemPredictions:
        """Train on a fold and score its test clips once.

        Parameters
        ----------
        fold : Fold
        labels : sequence of str
            Classes of the answer, in the order of its columns.
        place : Path
            A folder for whatever helps to go on after an interruption.
        seed : int
        teachers : Teaching, optional
            Of the training side of the fold, for a recipe with a teacher.
        """

    def fitted(
        self,
        fold: Fold,
        labels: Sequence[str],
        place: Path,
        seed: int,
        teachers: Teaching | None = None,
    ) -> Fitted:
        """Train on a fold; give what was trained, with its embedding. Parameters as `answer`."""


class NetworkSystem:
    """A network of the registry, trained by :func:`affekt.training.fit`.

    Parameters
    ----------
    recipe : Recipe
    store : FeatureStore
        Of the recipe's frontend.
    start : function of a seed, optional
        Gives the weights to start from.
    """

    def __init__(
        self,
        recipe: Recipe,
        store: FeatureStore,
        reporter: Reporter | None = None,
        progress: Progress | None = None,
        start: Callable[[int], dict[str, Tensor] | None] | None = None,
    ) -> None:
        self.recipe = recipe
        self.start = start
        self.store = store
        self.reporter = reporter
        self.progress = progress
        self._bytes: dict[tuple[str, ...], int] = {}  # by labels: weights do not change a size

    def answer(
        self,
        fold: Fold,
        labels: Sequence[str],
        place: Path,
        seed: int,
        teachers: Teaching | None = None,
    ) -> SystemPredictions:
        """Train, or continue from ``place``, and score."""
        network = self.network(fold, place, seed, teachers)
        own = [network.config.labels.index(label) for label in labels]
        return SystemPredictions(
            logits=score_clips(network, fold.test, self.store)[:, own],
            temperature=float(network.temperature),
            parameters=describe(network).parameters,
            bytes=self._size(network),
        )

    def fitted(
        self,
        fold: Fold,
        labels: Sequence[str],
        place: Path,
        seed: int,
        teachers: Teaching | None = None,
    ) -> Fitted:
        """Train, or continue from ``place``."""
        network = self.network(fold, place, seed, teachers)
        own = [network.config.labels.index(label) for label in labels]
        device = next(network.parameters()).device

        @torch.inference_mode()
        def logits(embeddings: np.ndarray) -> np.ndarray:
            vectors = torch.from_numpy(embeddings.astype(np.float32)).to(device)
            answers = network.logits(vectors) / network.temperature
            return np.asarray(answers.double().cpu().numpy()[:, own])

        def embed(clips: Sequence[Clip]) -> np.ndarray:
            return embed_clips(network, clips, self.store).astype(np.float64)

        readable = self.store.prepare(fold.train, (1.0,), self.progress)
        centred = self.recipe.linear is not None and self.recipe.linear.centred > 0
        weights = self.recipe.data.weights
        system = CentredSystem(embed, logits, readable, weights, centred=centred)
        return Fitted(system, system.prior, describe(network).parameters, self._size(network))

    def _size(self, network: Network) -> int:
        learned = network.config.labels
        if learned not in self._bytes:
            self._bytes[learned] = _exported_bytes(network)
        return self._bytes[learned]

    def network(
        self, fold: Fold, place: Path, seed: int, teachers: Teaching | None = None
    ) -> Network:
        """Fit the network of a fold, or read the trained and calibrated one."""
        fingerprint = run_fingerprint(self.recipe, fold.train, fold.validation, seed)
        if (place / NETWORK).is_file():
            weights, metadata = checkpoint.load(place / NETWORK)
            if metadata["fingerprint"] == fingerprint:
                network = new_network(self.recipe, metadata["labels"], seed)
                network.load_state_dict(weights)
                return network.eval()
        network = fit(
            self.recipe,
            fold.train,
            fold.validation,
            place,
            seed=seed,
            store=self.store,
            start=self.start(seed) if self.start else None,
            teachers=teachers,
            reporter=self.reporter,
            progress=self.progress,
        ).network
        metadata = {"fingerprint": fingerprint, "labels": network.config.labels}
        checkpoint.save(place / NETWORK, network.state_dict(), metadata)
        return network


def _exported_bytes(network: Network) -> int:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export_onnx(network, path, {})
        return path.stat().st_size


class ClassicalSystem:
    """A classifier on one vector per clip.

    Parameters
    ----------
    config : ClassicalConfig
    labels : tuple of str
        Emotions to learn; empty: all that occur.
    folder : Path
        Keeps the vectors, for later folds, seeds and recipes.
    """

    def __init__(
        self,
        config: ClassicalConfig,
        labels: tuple[str, ...],
        folder: Path,
        progress: Progress | None = None,
    ) -> None:
        from affekt.training.classic.fit import VectorStore

        self.config = config
        self.labels = labels
        self.store = VectorStore(config.features, folder)
        self.progress = progress

    def answer(
        self,
        fold: Fold,
        labels: Sequence[str],
        place: Path,
        seed: int,
        teachers: Teaching | None = None,
    ) -> SystemPredictions:
        """Fit and score; nothing is left in ``place``, a fold takes seconds."""
        own, system = self._fit(fold, seed)
        learned = system.learned()
        columns = [own.index(label) for label in labels]
        return SystemPredictions(
            logits=system.logits(self.store.matrix(fold.test))[:, columns],
            temperature=system.temperature,
            parameters=learned.parameters,
            bytes=learned.bytes,
        )

    def fitted(
        self,
        fold: Fold,
        labels: Sequence[str],
        place: Path,
        seed: int,
        teachers: Teaching | None = None,
    ) -> Fitted:
        """Fit; the embedding of a clip is its standardised vector."""
        from affekt.training.classic import classifiers

        own, fitted = self._fit(fold, seed)
        learned = fitted.learned()
        columns = [own.index(label) for label in labels]

        def embed(clips: Sequence[Clip]) -> np.ndarray:
            return np.asarray(fitted.standardise.transform(self.store.matrix(clips)))

        def logits(points: np.ndarray) -> np.ndarray:
            answers = classifiers.logits(fitted.classifier, points, fitted.n_classes)
            return np.asarray(answers[:, columns] / fitted.temperature)

        wanted = [clip for clip in fold.train if clip.emotion in own]
        system = CentredSystem(embed, logits, self.store.prepare(wanted, self.progress))
        return Fitted(system, system.prior, learned.parameters, learned.bytes)

    def _fit(self, fold: Fold, seed: int) -> tuple[tuple[str, ...], Classical]:
        """Return the labels and what was fitted."""
        from affekt.training.classic.fit import fit_classical

        own = self.labels or tuple(sorted({clip.emotion for clip in fold.train}))
        train = self._side(fold.train, own)
        if train is None or len(np.unique(train[1])) < 2:
            raise DataError("training needs clips of two or more emotions")
        validation = self._side(fold.validation, own)
        return own, fit_classical(self.config, train, validation, len(own), seed)

    def _side(
        self, clips: Sequence[Clip], labels: Sequence[str]
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Vectors and classes of the clips that can be read; None where there are none."""
        wanted = [clip for clip in clips if clip.emotion in labels]
        readable = self.store.prepare(wanted, self.progress)
        if not readable:
            return None
        targets = np.array([labels.index(clip.emotion) for clip in readable])
        return self.store.matrix(readable), targets


def make_system(
    recipe: Recipe,
    folder: Path,
    reporter: Reporter | None = None,
    progress: Progress | None = None,
    *,
    root: Path | None = None,
    under_test: Sequence[str] = (),
    store: FeatureStore | None = None,
) -> System:
    """The system that a recipe describes.

    Parameters
    ----------
    recipe : Recipe
    folder : Path
        Keeps what serves all folds: vectors, pre-trained weights.
    root : Path, optional
        Where the corpora of a pre-training lie.
    under_test : sequence of str
        Corpora that the pre-training must not use.
    store : FeatureStore, optional
        Shared with others that have the same frontend.
    """
    if recipe.distil and not recipe.taught_by:
        raise ConfigError(
            "a teacher may have learned from the test speakers of a fold: use affekt train, which "
            "sees to that, or name its recipe in taught_by, to train it on each fold"
        )
    if recipe.classical is None:
        features = store or FeatureStore(recipe.model.frontend, folder / FEATURES)

        @lru_cache(maxsize=1)
        def start(seed: int) -> dict[str, Tensor] | None:
            before = pretrain(
                recipe,
                folder,
                root=root,
                seed=seed,
                under_test=under_test,
                store=features,
                reporter=reporter,
                progress=progress,
            )
            return before.weights if before else None

        return NetworkSystem(recipe, features, reporter, progress, start)
    return ClassicalSystem(recipe.classical, recipe.data.labels, folder / "vectors", progress)
