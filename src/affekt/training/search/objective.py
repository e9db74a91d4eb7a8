"""What a search maximises: the UAR on validation speakers. Test speakers are taken out first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from affekt.data import Clip
from affekt.errors import ConfigError, DataError
from affekt.evaluation import Fold, Protocol
from affekt.training.benchmark.benchmark import chosen_folds
from affekt.training.benchmark.systems import ClassicalSystem
from affekt.training.data.batches import hard_targets
from affekt.training.data.features import FeatureStore, Progress
from affekt.training.data.split import choose_split, extra_clips
from affekt.training.network.fit import fit, mean_uar
from affekt.training.network.infer import score_clips
from affekt.training.network.loop import Epoch, Quiet, Reporter
from affekt.training.network.pretrain import pretrain
from affekt.training.network.teachers import Teachers
from affekt.training.recipe.schema import Recipe

OWN = "own"
"""Name of the only fold where the recipe's own split is searched on."""

OnEpoch = Callable[[int, float], None]
"""Called with the percents of the training that are over, 100 a fold, and how good it was: the sum
over folds of the best UAR so far, divided by the number of folds. May raise to end it."""


def folds_without_test(
    recipe: Recipe,
    protocol: Protocol | None,
    names: Sequence[str] = (),
    *,
    root: Path | None = None,
    folder: Path,
) -> list[Fold]:
    """The folds to search on, each with an empty test side.

    Parameters
    ----------
    recipe : Recipe
    protocol : Protocol or None
        None takes the recipe's own split as the only fold.
    names : sequence of str
        Some folds of the protocol; all when empty.
    root : Path, optional
        Where the corpora lie.
    folder : Path
        Of the search.

    Raises
    ------
    ConfigError
        If nobody validates, a fold is unknown, or the recipe trains more than one network.
    DataError
        If data is missing or a teacher has learned from speakers that are held out.
    """
    for key in ("ensemble", "taught_by"):
        if getattr(recipe, key):
            raise ConfigError(f"{key} cannot be searched: search each recipe that it names")
    if protocol is None:
        if names:
            raise ConfigError("folds are those of a protocol: name it, too")
        split = choose_split(recipe.data, root)
        folds = [Fold(OWN, list(split.train), list(split.validation), list(split.test))]
    else:
        if not protocol.validates:
            raise ConfigError(f"{protocol.name} has no validation speakers to search by")
        extra = extra_clips(recipe.data, root, under_test=protocol.corpora)
        every = chosen_folds(protocol.folds(protocol.load(root)), names)
        folds = [replace(fold, train=[*fold.train, *extra]) for fold in every]
    for fold in folds:
        if not any(clip.emotion in _labels(recipe, fold) for clip in fold.validation):
            raise ConfigError(
                "no clips to search by: set data.validation, so that some speakers validate"
            )
    if recipe.distil:
        if not recipe.distil.teachers:
            raise ConfigError("the recipe learns from a teacher ([distil]) and none is named")
        teachers = Teachers(recipe.distil, folder)
        for fold in folds:
            teachers.refuse_leaks((*fold.validation, *fold.test))
    return [replace(fold, test=[]) for fold in folds]


class Objective:
    """Trains recipes on folds and scores them on the validation speakers.

    Parameters
    ----------
    folds : sequence of Fold
        Of :func:`folds_without_test`.
    folder : Path
        Keeps what serves all trials: vectors, pre-trained weights, answers of teachers.
    under_test : sequence of str
        Corpora that a pre-training must not use.
    """

    def __init__(
        self,
        folds: Sequence[Fold],
        folder: Path,
        *,
        root: Path | None = None,
        seed: int = 0,
        under_test: Sequence[str] = (),
        reporter: Reporter | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.folds = folds
        self.folder = folder
        self.root = root
        self.seed = seed
        self.under_test = under_test
        self.reporter = reporter or Quiet()
        self.progress = progress
        self._store: tuple[object, FeatureStore] | None = None

    def measure(self, recipe: Recipe, place: Path, on_epoch: OnEpoch) -> float:
        """Train on every fold, or go on where an earlier call stopped, and score.

        Parameters
        ----------
        recipe : Recipe
        place : Path
            Keeps the checkpoints.
        on_epoch : OnEpoch
            Called after every epoch.

        Returns
        -------
        float
            UAR over the validation clips of all folds together: the mean over corpora.
        """
        listener = EpochListener(self.reporter, recipe.training.epochs, len(self.folds), on_epoch)
        labels = sorted({label for fold in self.folds for label in _labels(recipe, fold)})
        answers, clips = [], []
        for fold in self.folds:
            own = _labels(recipe, fold)
            fold = replace(fold, validation=[c for c in fold.validation if c.emotion in own])
            ask = self._classical if recipe.classical else self._network
            logits, scored = ask(recipe, fold, own, place / f"fold-{fold.name}", listener)
            answers.append(_widened(logits, own, labels))
            clips += scored
            listener.next_fold(mean_uar(answers[-1], *_truth(scored, labels)))
        return mean_uar(np.concatenate(answers), *_truth(clips, labels))

    def _network(
        self,
        recipe: Recipe,
        fold: Fold,
        labels: Sequence[str],
        place: Path,
        listener: EpochListener,
    ) -> tuple[np.ndarray, list[Clip]]:
        store = self._features(recipe)
        before = pretrain(
            recipe,
            self.folder,
            root=self.root,
            seed=self.seed,
            under_test=self.under_test,
            reporter=self.reporter,
            progress=self.progress,
        )
        validation = store.prepare(fold.validation, (1.0,), self.progress)
        teachers = (
            Teachers(recipe.distil, self.folder / "teachers" / fold.name) if recipe.distil else None
        )
        network = fit(
            recipe,
            fold.train,
            validation,
            place,
            seed=self.seed,
            store=store,
            start=before.weights if before else None,
            teachers=teachers,
            reporter=listener,
            progress=self.progress,
        ).network
        own = [network.config.labels.index(label) for label in labels]
        return score_clips(network, validation, store)[:, own], validation

    def _classical(
        self,
        recipe: Recipe,
        fold: Fold,
        labels: Sequence[str],
        place: Path,
        listener: EpochListener,
    ) -> tuple[np.ndarray, list[Clip]]:
        assert recipe.classical is not None
        system = ClassicalSystem(
            recipe.classical, recipe.data.labels, self.folder / "vectors", self.progress
        )
        validation = system.store.prepare(fold.validation, self.progress)
        # It is scored on its own validation clips: test clips are not read.
        validated = replace(fold, validation=validation, test=validation)
        return system.answer(validated, labels, place, self.seed).logits, validation

    def _features(self, recipe: Recipe) -> FeatureStore:
        """The store of the last trial where its features serve this one, too."""
        augment = recipe.augment
        made_of = (recipe.model.frontend, augment.variants, repr(augment.waveform))
        if self._store is None or self._store[0] != made_of:
            self._store = (made_of, FeatureStore(recipe.model.frontend))
        return self._store[1]


class EpochListener:
    """Passes a training on to a view, and what it is worth so far to a search.

    Parameters
    ----------
    view : Reporter
    epochs, folds : int
        How many there will be.
    on_epoch : OnEpoch
    """

    def __init__(self, view: Reporter, epochs: int, folds: int, on_epoch: OnEpoch) -> None:
        self.view = view
        self.epochs = epochs
        self.folds = folds
        self.on_epoch = on_epoch
        self._fold = 0
        self._before = 0.0
        self._best = 0.0

    def started(self, first_step: int, steps: int, history: Sequence[Epoch]) -> None:
        """Report the epochs of an interrupted training again."""
        self.view.started(first_step, steps, history)
        for row in history:
            self._tell(row)

    def step(self, step: int, loss: float) -> None:
        """Pass it on."""
        self.view.step(step, loss)

    def epoch(self, row: Epoch) -> None:
        """Report the validation UAR so far."""
        self.view.epoch(row)
        self._tell(row)

    def next_fold(self, uar: float) -> None:
        """A fold is done, with this UAR."""
        self._best = max(self._best, uar)
        self.on_epoch(100 * (self._fold + 1), (self._before + self._best) / self.folds)
        self._before, self._best, self._fold = self._before + self._best, 0.0, self._fold + 1

    def _tell(self, row: Epoch) -> None:
        self._best = max(self._best, row.validation_uar)
        percents = 100 * self._fold + 100 * row.epoch // self.epochs
        self.on_epoch(percents, (self._before + self._best) / self.folds)


def _labels(recipe: Recipe, fold: Fold) -> tuple[str, ...]:
    return recipe.data.labels or tuple(sorted({clip.emotion for clip in fold.train}))


def _truth(clips: Sequence[Clip], labels: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Classes ``[clips]`` and corpora of clips."""
    return hard_targets(clips, labels), [clip.corpus for clip in clips]


def _widened(logits: np.ndarray, own: Sequence[str], labels: Sequence[str]) -> np.ndarray:
    """Logits ``[clips, own]`` as ``[clips, labels]``; what was not learned has no chance."""
    if not len(logits):
        raise DataError("no validation clip can be read")
    wide = np.full((len(logits), len(labels)), -np.inf)
    wide[:, [labels.index(label) for label in own]] = logits
    return wide
