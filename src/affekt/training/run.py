"""A whole training run in one folder: data, history, checkpoints, figures, model directory."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from affekt.config import to_dict
from affekt.data import Clip, write_manifest
from affekt.errors import ConfigError
from affekt.evaluation import Metrics, evaluate
from affekt.evaluation.calibration import apply_temperature, fit_limits
from affekt.evaluation.groups import with_fairness
from affekt.evaluation.report import fairness_lines, write_report
from affekt.export import ModelMetadata, write_model_directory
from affekt.files import atomic_path, json_text
from affekt.models import Network
from affekt.training.data.batches import hard_targets
from affekt.training.data.features import FEATURES, FeatureStore, Progress
from affekt.training.data.split import Split, choose_split
from affekt.training.network.fit import FitResult, fit, refuse_without_network
from affekt.training.network.infer import score_clips
from affekt.training.network.loop import HistoryWriter, Quiet, Reporter, saved_state
from affekt.training.network.pretrain import Pretrained, pretrain
from affekt.training.network.processes import is_first
from affekt.training.network.teachers import Teachers
from affekt.training.recipe.fingerprint import run_fingerprint
from affekt.training.recipe.schema import Recipe

MODEL_FOLDER = "model"
MANIFEST_FILE = "manifest.csv"
RECIPE_FILE = "recipe.json"


@dataclass(frozen=True)
class RunResult:
    """What a run gave.

    Attributes
    ----------
    model : Path
        The model directory, ready for ``affekt predict --model``.
    fitted : FitResult
    test : mapping of str to Metrics
        By corpus, on the test speakers; empty without them.
    seconds : float
        Wall time of this call.
    """

    model: Path
    fitted: FitResult
    test: Mapping[str, Metrics]
    seconds: float


def train(
    recipe: Recipe,
    folder: Path,
    *,
    root: Path | None = None,
    seed: int = 0,
    reporter: Reporter | None = None,
    progress: Progress | None = None,
) -> RunResult:
    """Train a recipe into a folder, or continue what was interrupted there.

    Parameters
    ----------
    recipe : Recipe
    folder : Path
        Gets ``manifest.csv`` (the clips with their side), ``recipe.json``, ``last.safetensors`` and
        ``best.safetensors``, ``history.csv``, ``curves.png``, ``tensorboard/``, ``test/`` (the
        figures on unheard speakers) and ``model/``.
    root : Path, optional
        Where the corpora lie, see :func:`affekt.data.data_root`.
    seed : int

    Raises
    ------
    AffektError
        If the data or the recipe cannot be used, or the folder holds another run.
    KeyboardInterrupt
        After Ctrl-C, with everything saved: the same call continues.
    """
    started = time.monotonic()
    refuse_without_network(recipe)
    if recipe.taught_by:
        raise ConfigError(
            f"{recipe.name or 'the recipe'} has the teacher {recipe.taught_by.name}, which only a "
            "benchmark trains by itself: train that first, and name it with --teacher in place of "
            "taught_by"
        )
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file: choose another folder for the run")
    split = choose_split(recipe.data, root)
    # Refuse the folder of another run before anything in it is touched.
    saved_state(folder, run_fingerprint(recipe, split.train, split.validation, seed))
    if recipe.distil and not recipe.distil.teachers:
        raise ConfigError(
            f"{recipe.name or 'the recipe'} learns from a teacher ([distil]) and none is named: "
            "give --teacher MODEL_DIRECTORY, or leave out [distil] to learn from labels alone"
        )
    teachers = Teachers(recipe.distil, folder) if recipe.distil else None
    if teachers:
        teachers.refuse_leaks((*split.validation, *split.test))
    folder.mkdir(parents=True, exist_ok=True)
    if is_first():
        write_manifest(split.all(), folder / MANIFEST_FILE)
        with atomic_path(folder / RECIPE_FILE) as partial:
            partial.write_text(json_text(to_dict(recipe)), encoding="utf-8")
    store = FeatureStore(recipe.model.frontend, folder / FEATURES)
    # Read before training: data that cannot be measured on should not come out hours later.
    test_clips = store.prepare(split.test, (1.0,), progress)
    before = pretrain(
        recipe, folder, root=root, seed=seed, store=store, reporter=reporter, progress=progress
    )
    history = HistoryWriter(folder, reporter or Quiet()) if is_first() else None
    try:
        fitted = fit(
            recipe,
            split.train,
            split.validation,
            folder,
            seed=seed,
            store=store,
            start=before.weights if before else None,
            teachers=teachers,
            reporter=history,
            progress=progress,
        )
    finally:
        if history:
            history.close()
    model = folder / MODEL_FOLDER
    if not is_first():
        return RunResult(model, fitted, {}, time.monotonic() - started)
    test = measure(fitted.network, test_clips, store, folder)
    metadata = replace(
        _facts(recipe, fitted, before, split, test, seed),
        **measure_limits(fitted.network, split.validation, store),
    )
    if fitted.least_probability is not None:
        metadata = replace(metadata, least_probability=fitted.least_probability)
    if teachers:
        metadata = replace(metadata, teachers=teachers.metadata)
    write_model_directory(fitted.network, model, metadata)
    shutil.rmtree(folder / FEATURES, ignore_errors=True)  # served for going on
    return RunResult(model, fitted, test, time.monotonic() - started)


def measure_limits(
    network: Network, validation: Sequence[Clip], store: FeatureStore
) -> dict[str, Any]:
    """Limits of the confidence, from clips of validation speakers; none without such clips."""
    labels = network.config.labels
    clips = [clip for clip in validation if clip.emotion in labels]
    if not clips:
        return {}
    logits = score_clips(network, clips, store)
    targets = np.array([labels.index(clip.emotion) for clip in clips])
    probabilities = apply_temperature(logits, float(network.temperature))
    return fit_limits(probabilities, targets)


def measure(
    network: Network, clips: Sequence[Clip], store: FeatureStore, folder: Path | None = None
) -> dict[str, Metrics]:
    """Score the test speakers corpus by corpus; reports and pictures go to a folder if given."""
    labels = network.config.labels
    found = {}
    for corpus in sorted({clip.corpus for clip in clips if clip.emotion in labels}):
        own = [clip for clip in clips if clip.corpus == corpus and clip.emotion in labels]
        logits = score_clips(network, own, store)
        probabilities = apply_temperature(logits, float(network.temperature))
        targets = hard_targets(own, labels)
        name = corpus or "own"
        metrics = evaluate(probabilities, targets, labels, speakers=[clip.speaker for clip in own])
        found[name] = with_fairness(metrics, probabilities, targets, own)
        if folder:
            write_report(
                found[name],
                folder / "test" / name,
                probabilities=probabilities,
                targets=targets,
                title=f"{name}, unheard speakers",
            )
    return found


def metrics_row(corpus: str, metrics: Metrics, clips: Sequence[Clip]) -> dict[str, Any]:
    """The entry of a model directory for scores on the test speakers among ``clips``."""
    speakers = {clip.speaker for clip in clips if (clip.corpus or "own") == corpus}
    scores = {key: round(getattr(metrics, key), 4) for key in ("uar", "wa", "macro_f1", "ece")}
    row = {
        "protocol": f"{corpus}, held-out speakers",
        "clips": metrics.n,
        "speakers": len(speakers),
        **scores,
        "weighted_f1": round(metrics.weighted_f1, 4),
    }
    if metrics.fairness is not None:
        row["fairness"] = fairness_lines(metrics.fairness)
    return row


def _facts(
    recipe: Recipe,
    fitted: FitResult,
    before: Pretrained | None,
    split: Split,
    test: Mapping[str, Metrics],
    seed: int,
) -> ModelMetadata:
    learned = (*fitted.train, *(before.clips if before else ()))
    return ModelMetadata(
        name=recipe.name,
        clips={"train": learned, "validation": split.validation, "test": split.test},
        metrics=[metrics_row(name, metrics, split.test) for name, metrics in test.items()],
        seed=seed,
    )
