"""A recipe under a protocol: every fold and seed trained, scored once, and pooled."""

from __future__ import annotations

import json
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path

import numpy as np

from affekt.data import Clip
from affekt.errors import ConfigError, ModelError
from affekt.evaluation import Fold, Protocol
from affekt.evaluation.calibration import apply_temperature
from affekt.evaluation.metrics import uar
from affekt.evaluation.provenance import commit, data_fingerprint, software_versions
from affekt.evaluation.results import Predictions, Result, Summary, summarise
from affekt.evaluation.summary import limited_to_fold
from affekt.files import atomic_path
from affekt.models import Network
from affekt.models.frontend import FrontendConfig
from affekt.training.benchmark.embeddings import FoldScore, measure_adapted, measure_kshot
from affekt.training.benchmark.fitted import Fitted
from affekt.training.benchmark.systems import (
    NetworkSystem,
    System,
    SystemPredictions,
    make_system,
)
from affekt.training.data.features import FEATURES, FeatureStore, Progress
from affekt.training.data.split import extra_clips
from affekt.training.network.loop import LAST, Reporter
from affekt.training.network.processes import group_size
from affekt.training.network.teachers import NetworkTeachers
from affekt.training.recipe.fingerprint import run_fingerprint
from affekt.training.recipe.schema import Recipe, effective_values

_PREDICTIONS = "predictions.npz"


@dataclass(frozen=True)
class FoldResult:
    """A fold of one seed, scored.

    ``seconds`` is the time that training and scoring took when it was made.
    """

    seed: int
    fold: str
    probabilities: np.ndarray  # [clips, classes]
    targets: np.ndarray  # [clips]
    speakers: tuple[str, ...]
    parameters: int
    bytes: int
    seconds: float

    @property
    def clips(self) -> int:
        """How many clips were scored."""
        return len(self.targets)

    @property
    def uar(self) -> float:
        """UAR of this fold alone."""
        predicted = self.probabilities.argmax(axis=1)
        return uar(self.targets, predicted, self.probabilities.shape[1])


Announce = Callable[[FoldResult | FoldScore, bool], None]
"""Called with every fold that is done, and whether it was done in an earlier call."""


def run_benchmark(
    protocol: Protocol,
    recipe: Recipe,
    folder: Path,
    *,
    root: Path | None = None,
    seeds: Sequence[int] = (0,),
    folds: Sequence[str] = (),
    reporter: Reporter | None = None,
    progress: Progress | None = None,
    announce: Announce | None = None,
) -> Result | None:
    """Measure a recipe under a protocol; folds that are done already are not done again.

    Parameters
    ----------
    protocol : Protocol
    recipe : Recipe
        Its ``data.sources`` are replaced by the protocol's corpora; ``data.extra`` lends
        further training clips. The members of an ensemble are measured, or read where they
        have been, under their own names.
    folder : Path
        Keeps one folder per seed and fold, for resuming.
    seeds : sequence of int
    folds : sequence of str
        Names of the folds to run; all when empty.

    Returns
    -------
    Result or None
        None when only some of the folds were run: their figure would not be the protocol's.

    Raises
    ------
    AffektError
        If a fold shares a speaker between its sides, data is missing, or a name is unknown.
    """
    if group_size() > 1:
        raise ConfigError("a benchmark runs in one process: start it without torchrun")
    clips = protocol.load(root)
    every = protocol.folds(clips)
    chosen = chosen_folds(every, folds)

    @cache  # members with the same frontend share their features
    def store_of(frontend: FrontendConfig) -> FeatureStore:
        return FeatureStore(frontend, folder / FEATURES)

    def entry(recipe: Recipe) -> _Entry:
        measured = make_system(
            recipe,
            folder,
            reporter,
            progress,
            root=root,
            under_test=protocol.corpora,
            store=store_of(recipe.model.frontend),
        )
        extra = extra_clips(recipe.data, root, under_test=protocol.corpora)
        return _Entry(recipe, protocol, folder, measured, extra)

    def entries(recipe: Recipe) -> list[_Entry]:
        team = recipe.ensemble
        return [entry(one) for one in (team.members if team else [recipe])]

    def seeds_of(recipe: Recipe, seed: int) -> range:
        each = recipe.ensemble.seeds if recipe.ensemble else 1
        return range(each * seed, each * (seed + 1))

    contesting = entries(recipe)
    if protocol.kind != "plain":
        if recipe.taught_by:
            raise ConfigError(f"{protocol.name} measures recipes without a teacher on each fold")

        def fitted(fold: Fold, seed: int) -> list[Fitted]:
            return [one.fitted(fold, own) for one in contesting for own in seeds_of(recipe, seed)]

        def report_fold(score: FoldScore) -> None:
            if announce:
                announce(score, False)

        measure = measure_adapted if protocol.kind == "adapted" else measure_kshot
        measured = measure(protocol, chosen, seeds, fitted, report_fold)
        if len(chosen) < len(every):
            return None
        figure = _result(
            protocol,
            recipe,
            measured.runs,
            clips,
            seeds,
            parameters=measured.parameters,
            bytes=measured.bytes,
            seconds=measured.seconds,
        )
        setting, scores = measured.setting, measured.per_setting
        return replace(figure, adapted=True, setting=setting, per_setting=scores)
    teaching = entries(recipe.taught_by) if recipe.taught_by else []

    def teachers(fold: Fold, seed: int) -> NetworkTeachers:
        own = seeds_of(recipe.taught_by, seed) if recipe.taught_by else ()
        return NetworkTeachers([one.network(fold, more) for one in teaching for more in own])

    done = []
    for seed in seeds:
        for fold in chosen:
            answers = [
                one.result(fold, own, teachers if teaching else None)
                for one in contesting
                for own in seeds_of(recipe, seed)
            ]
            result = answers[0][0]
            if recipe.ensemble:
                result = _together([answer for answer, _ in answers], seed)
            if announce:
                announce(result, all(known for _, known in answers))
            done.append(result)
    if len(chosen) < len(every):
        return None
    return _pooled(protocol, recipe, done, clips, seeds)


@dataclass(frozen=True)
class _Entry:
    """A recipe that trains, and what it needs for a protocol."""

    recipe: Recipe
    protocol: Protocol
    folder: Path
    system: System
    extra: Sequence[Clip]

    def result(
        self,
        fold: Fold,
        seed: int,
        teachers: Callable[[Fold, int], NetworkTeachers] | None = None,
    ) -> tuple[FoldResult, bool]:
        """The fold, scored, and whether that was done before."""
        place, whole = self._place(fold, seed), self._with_extra(fold)
        fingerprint = run_fingerprint(self.recipe, whole.train, whole.validation, seed)
        known = _read(place / _PREDICTIONS, fingerprint)
        if known:
            return known, True
        taught = teachers(fold, seed) if teachers else None
        started = time.monotonic()
        answer = self.system.answer(whole, self.protocol.labels, place, seed, taught)
        result = _score(answer, whole, self.protocol, seed, started)
        _write(place, result, fingerprint)
        return result, False

    def network(self, fold: Fold, seed: int) -> tuple[Network, FeatureStore]:
        """The network of the fold, scored under its own name before it is a teacher."""
        self.result(fold, seed)
        system = self.system
        if not isinstance(system, NetworkSystem):
            raise ConfigError(f"taught_by: {self.recipe.name} is no network")
        network = system.network(self._with_extra(fold), self._place(fold, seed), seed)
        return network, system.store

    def fitted(self, fold: Fold, seed: int) -> Fitted:
        """What is trained on the fold, with its embedding."""
        # Few-shot heads replace the classifier, which may know other classes than the corpus has.
        labels = () if self.protocol.kind == "kshot" else self.protocol.labels
        place = self._place(fold, seed)
        return self.system.fitted(self._with_extra(fold), labels, place, seed)

    def _place(self, fold: Fold, seed: int) -> Path:
        # A variant of a protocol has the same folds: what was trained on them serves both.
        own = self.folder / (self.protocol.base or self.protocol.name) / self.recipe.name
        return own / f"seed-{seed}" / f"fold-{fold.name}"

    def _with_extra(self, fold: Fold) -> Fold:
        return replace(fold, train=[*fold.train, *self.extra])


def _together(answers: Sequence[FoldResult], seed: int) -> FoldResult:
    """The answers of an ensemble on a fold: the mean of its members'."""
    return replace(
        answers[0],
        seed=seed,
        probabilities=np.mean([answer.probabilities for answer in answers], axis=0),
        parameters=sum(answer.parameters for answer in answers),
        bytes=sum(answer.bytes for answer in answers),
        seconds=sum(answer.seconds for answer in answers),
    )


def chosen_folds(every: Sequence[Fold], names: Sequence[str]) -> list[Fold]:
    """The folds of some names, in that order; all when no name is given."""
    known = {fold.name: fold for fold in every}
    for name in names:
        if name not in known:
            raise ConfigError(f"unknown fold {name!r}: expected one of {', '.join(known)}")
    return [known[name] for name in names] or list(every)


def _score(
    answer: SystemPredictions, fold: Fold, protocol: Protocol, seed: int, started: float
) -> FoldResult:
    return FoldResult(
        seed=seed,
        fold=fold.name,
        probabilities=apply_temperature(answer.logits, answer.temperature),
        targets=np.array([protocol.labels.index(clip.emotion) for clip in fold.test]),
        speakers=tuple(f"{clip.corpus}/{clip.speaker}" for clip in fold.test),
        parameters=answer.parameters,
        bytes=answer.bytes,
        seconds=time.monotonic() - started,
    )


def _pooled(
    protocol: Protocol,
    recipe: Recipe,
    done: Sequence[FoldResult],
    clips: Sequence[Clip],
    seeds: Sequence[int],
) -> Result:
    runs = []
    for seed in seeds:
        own = [result for result in done if result.seed == seed]
        runs.append(
            Predictions(
                np.concatenate([result.probabilities for result in own]),
                np.concatenate([result.targets for result in own]),
                [speaker for result in own for speaker in result.speakers],
                [result.fold for result in own for _ in result.speakers],
            )
        )
    result = _result(
        protocol,
        recipe,
        runs,
        clips,
        seeds,
        # A support vector machine keeps as many clips as it needs: tell the largest.
        parameters=max(result.parameters for result in done),
        bytes=max(result.bytes for result in done),
        seconds=sum(result.seconds for result in done),
    )
    if not protocol.mean_of_folds:
        return result
    limited = summarise([limited_to_fold(run) for run in runs], protocol.labels, mean_of_folds=True)
    return replace(result, limited_uar=limited.uar)


def _result(
    protocol: Protocol,
    recipe: Recipe,
    runs: Sequence[Predictions],
    clips: Sequence[Clip],
    seeds: Sequence[int],
    *,
    parameters: int,
    bytes: int,
    seconds: float,
) -> Result:
    summary = summarise(runs, protocol.labels, mean_of_folds=protocol.mean_of_folds)
    of_folds = summary.per_fold
    return Result(
        **{field.name: getattr(summary, field.name) for field in fields(Summary)},
        protocol=protocol.name,
        recipe=recipe.name,
        seeds=tuple(seeds),
        parameters=parameters,
        bytes=bytes,
        extra_data=recipe.extra_data,
        ensemble=recipe.ensemble is not None,
        settings=effective_values(recipe),
        mean_of_folds=protocol.mean_of_folds,
        worst_fold=min(of_folds, key=lambda fold: of_folds[fold].mean),
        commit=commit(),
        data_sha256=data_fingerprint(clips),
        versions=software_versions(),
        wall_seconds=round(seconds, 1),
    )


def _write(folder: Path, result: FoldResult, fingerprint: str) -> None:
    facts = {
        "fingerprint": fingerprint,
        **{key: getattr(result, key) for key in ("seed", "fold", "parameters", "bytes", "seconds")},
    }
    with atomic_path(folder / _PREDICTIONS) as partial:
        np.savez_compressed(
            partial,
            probabilities=result.probabilities,
            targets=result.targets,
            speakers=np.array(result.speakers),
            facts=np.array(json.dumps(facts)),
        )
    # The predictions are what the figure needs; the optimiser's state served for resuming.
    (folder / LAST).unlink(missing_ok=True)


def _read(path: Path, fingerprint: str) -> FoldResult | None:
    """The fold if it was done with the same recipe, data and seed."""
    if not path.exists():
        return None
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            facts = json.loads(str(file["facts"]))
            if facts.pop("fingerprint") != fingerprint:
                return None
            return FoldResult(
                probabilities=file["probabilities"],
                targets=file["targets"],
                speakers=tuple(map(str, file["speakers"])),
                **facts,
            )
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path} is damaged ({error}): delete it to do the fold again") from None
