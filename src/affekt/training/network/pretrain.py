"""Pre-training: weights to start from, learned on other corpora by a recipe of their own."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from affekt.data import Clip
from affekt.errors import ConfigError
from affekt.models import checkpoint
from affekt.training.data.features import FEATURES, FeatureStore, Progress
from affekt.training.data.split import Split, choose_split
from affekt.training.network.fit import fit
from affekt.training.network.loop import LAST, Reporter
from affekt.training.network.processes import is_first, wait_for_all
from affekt.training.network.teachers import NetworkTeachers
from affekt.training.recipe.fingerprint import run_fingerprint
from affekt.training.recipe.schema import Recipe

FOLDER = "pretrain"
_FILE = "weights.safetensors"


def _is_own(name: str) -> bool:
    """Tell whether a weight belongs to the labels of the pre-training: of a head, or its scale."""
    part = name.partition(".")[0]
    return part.endswith("head") or part == "temperature"


@dataclass(frozen=True)
class Pretrained:
    """What a network starts from.

    Attributes
    ----------
    weights : dict of str to Tensor
        Statistics of the features and the encoder; the head stays new.
    clips : tuple of Clip
        What they were learned from: its licences bind what comes of them.
    """

    weights: dict[str, Tensor]
    clips: tuple[Clip, ...]


def pretrain(
    recipe: Recipe,
    folder: Path,
    *,
    root: Path | None = None,
    seed: int = 0,
    under_test: Collection[str] = (),
    store: FeatureStore | None = None,
    reporter: Reporter | None = None,
    progress: Progress | None = None,
) -> Pretrained | None:
    """Train what a recipe starts from, or read it where an earlier call left it.

    Parameters
    ----------
    recipe : Recipe
        Its ``pretrain`` is trained on its own ``data``.
    folder : Path
        Keeps the run, under a name that follows from its recipe, data and seed: whatever starts
        from the same weights shares them.
    seed : int
    under_test : collection of str
        Corpora that nothing may be learned from here.

    Returns
    -------
    Pretrained or None
        None for a recipe that starts from nothing.

    Raises
    ------
    ConfigError
        If the pre-training would use a corpus under test.
    """
    if recipe.pretrain is None:
        return None
    split = choose_split(recipe.pretrain.data, root)
    shared = sorted({clip.corpus for clip in split.all()} & set(under_test))
    if shared:
        raise ConfigError(
            f"pretrain: {', '.join(shared)} is under test: a model trained on it would "
            f"know the answers; take it out of the pre-training's data.sources"
        )
    fingerprint = run_fingerprint(recipe.pretrain, split.train, split.validation, seed)
    place = folder / FOLDER / fingerprint[:16]
    if not (place / _FILE).is_file():
        network = fit(
            recipe.pretrain,
            split.train,
            split.validation,
            place,
            seed=seed,
            store=store,
            teachers=_teachers(recipe.pretrain, split, folder, seed, reporter, progress),
            reporter=reporter,
            progress=progress,
        ).network
        kept = {k: v for k, v in network.state_dict().items() if not _is_own(k)}
        wait_for_all()
        if is_first():
            checkpoint.save(place / _FILE, kept, {"fingerprint": fingerprint})
            (place / LAST).unlink()  # the optimiser's state served for resuming
        wait_for_all()
    return Pretrained(checkpoint.load(place / _FILE)[0], split.train)


def _teachers(
    recipe: Recipe,
    split: Split,
    folder: Path,
    seed: int,
    reporter: Reporter | None,
    progress: Progress | None,
) -> NetworkTeachers | None:
    """The teacher of a pre-training, trained on the same clips, or None."""
    if recipe.taught_by is None:
        return None
    team = recipe.taught_by.ensemble
    each = team.seeds if team else 1
    networks = []
    for member in team.members if team else (recipe.taught_by,):
        store = FeatureStore(member.model.frontend, folder / FEATURES)
        for own in range(each * seed, each * (seed + 1)):
            fingerprint = run_fingerprint(member, split.train, split.validation, own)
            network = fit(
                member,
                split.train,
                split.validation,
                folder / FOLDER / fingerprint[:16],
                seed=own,
                store=store,
                reporter=reporter,
                progress=progress,
            ).network
            networks.append((network, store))
    return NetworkTeachers(networks)
