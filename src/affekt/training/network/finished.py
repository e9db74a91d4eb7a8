"""Finished runs, read from their folders, and whether they can be mixed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from affekt.config import build
from affekt.data import read_manifest
from affekt.errors import ConfigError, DataError, ModelError
from affekt.export.model_directory import WEIGHTS_FILE, read_network
from affekt.models import Network
from affekt.training.data.sides import Sides
from affekt.training.recipe.schema import Recipe
from affekt.training.run import MANIFEST_FILE, MODEL_FOLDER, RECIPE_FILE


@dataclass(frozen=True)
class FinishedRun:
    """A finished run, as its folder says."""

    folder: Path
    network: Network
    config: Mapping[str, Any]
    sides: Sides
    recipe: Recipe


def read_run(folder: Path) -> FinishedRun:
    """Read the network, the facts and the split of a run; its model directory will do."""
    run = folder.parent if folder.name == MODEL_FOLDER else folder
    if not (run / MODEL_FOLDER / WEIGHTS_FILE).is_file():
        raise ModelError(
            f"{folder} is no finished run: expected {MODEL_FOLDER}/{WEIGHTS_FILE}, "
            "as affekt train writes it"
        )
    for name in (MANIFEST_FILE, RECIPE_FILE):
        if not (run / name).is_file():
            raise DataError(
                f"{run} has no {name}, which a soup needs: call affekt train once more for it, "
                "which trains nothing again and writes what is missing"
            )
    network, config = read_network(run / MODEL_FOLDER)
    clips = read_manifest(run / MANIFEST_FILE)
    sides = (
        tuple(clip for clip in clips if clip.split == side)
        for side in ("train", "validation", "test")
    )
    return FinishedRun(run, network, config, Sides(*sides), _read_recipe(run / RECIPE_FILE))


def _read_recipe(path: Path) -> Recipe:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path} is damaged ({error}): call affekt train once more") from None
    return build(Recipe, values, str(path))


def refuse_unlike(runs: Sequence[FinishedRun], out: Path) -> None:
    """Raise where runs cannot be mixed, or may not choose by these speakers."""
    first, *others = runs
    folders = [run.folder.resolve() for run in runs]
    if len(set(folders)) < len(folders):
        twice = next(run.folder for run in runs if folders.count(run.folder.resolve()) > 1)
        raise ConfigError(f"{twice} is named twice: a soup needs different runs")
    if out.resolve() in {place for folder in folders for place in (folder, folder / MODEL_FOLDER)}:
        raise ConfigError(f"{out} is one of the runs: choose another folder for the soup")
    for other in others:
        where = f"{other.folder} cannot be mixed with {first.folder}"
        for what, one, two in zip(_KINDS, _kinds(first), _kinds(other), strict=True):
            if one != two:
                raise ModelError(f"{where}: its {what} {_difference(one, two)}")
        if _split(other) != _split(first):
            raise DataError(
                f"{where}: they were split differently, so that speakers who choose for one have "
                "taught the other"
            )
    heard = {who for run in runs for who in run.config.get("speakers", {}).get("train", ())}
    judges = {clip.speaker_id for clip in (*first.sides.validation, *first.sides.test)} - {""}
    if shared := sorted(heard & judges):
        raise DataError(
            f"a run has learned from speakers who are to choose or to test: {', '.join(shared[:5])}"
        )


_KINDS = ("labels", "frontend", "architecture", "options", "pooling", "intensity", "weights")


def _kinds(run: FinishedRun) -> tuple[Any, ...]:
    """What must be the same in all members, in the order of `_KINDS`."""
    config = run.network.config
    return (
        config.labels,
        config.frontend,
        config.architecture,
        config.options,
        config.pooling,
        config.intensity,
        {name: tuple(value.shape) for name, value in run.network.state_dict().items()},
    )


def _difference(one: Any, two: Any) -> str:
    """Say how two things differ, the parts that are alike left out."""
    if isinstance(one, tuple):
        return f"are {', '.join(two)} and not {', '.join(one)}"
    before, after = (vars(one), vars(two)) if hasattr(one, "__dict__") else (one, two)
    if isinstance(before, dict):
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        name = names[0]
        return f"has {name} = {after.get(name)} and not {before.get(name)}"
    return f"is {two} and not {one}"


def _split(run: FinishedRun) -> set[tuple[Any, ...]]:
    """Who is on which side, recording by recording."""
    sides = (
        ("train", run.sides.train),
        ("validation", run.sides.validation),
        ("test", run.sides.test),
    )
    return {
        (side, clip.file.name, clip.start, clip.end, clip.speaker_id, clip.emotion)
        for side, clips in sides
        for clip in clips
    }
