"""Model soups: one model from the weights of several runs that began alike.

The mean of the weights of runs that share their start, and differ in what training made of it,
often recognises better than any of them, at the cost of one (Wortsman et al., "Model soups", 2022,
arXiv 2203.05482). Runs with other starts or teachers have no common minimum: their mean is
no model, and validation speakers say so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from affekt.config import build
from affekt.data import Clip, read_manifest
from affekt.errors import ConfigError, DataError, ModelError
from affekt.evaluation import Metrics
from affekt.export.model_directory import (
    FREE,
    ModelMetadata,
    read_network,
    write_model_directory,
)
from affekt.models import Network, build_network
from affekt.runtime.bundle import WEIGHTS_FILE
from affekt.training.data.batches import Batch, Batches
from affekt.training.data.features import FeatureStore, Progress, variants_of
from affekt.training.data.split import Split
from affekt.training.network.fit import calibrate, validation_scores
from affekt.training.recipe.schema import Recipe
from affekt.training.run import (
    MANIFEST_FILE,
    MODEL_FOLDER,
    RECIPE_FILE,
    measure,
    measure_limits,
    metrics_row,
)

METHODS = ("greedy", "uniform")


@dataclass(frozen=True)
class Member:
    """A run that was to go into a soup.

    Attributes
    ----------
    run : Path
    name : str
        Of its model.
    seed : int
    validation_uar : float
        Of the run alone.
    kept : bool
        Whether its weights are in the soup.
    """

    run: Path
    name: str
    seed: int
    validation_uar: float
    kept: bool


@dataclass(frozen=True)
class Soup:
    """What came of it.

    Attributes
    ----------
    model : Path
        The model directory.
    members : tuple of Member
        From the best to the worst on validation speakers.
    validation_uar : float
        Of the soup.
    test : mapping of str to Metrics
        By corpus, on speakers that nothing was learned from or chosen by; empty without them.
    """

    model: Path
    members: tuple[Member, ...]
    validation_uar: float
    test: Mapping[str, Metrics]

    @property
    def spoiled(self) -> bool:
        """Whether its UAR is below the worst member's: these runs began differently."""
        return self.validation_uar < min(one.validation_uar for one in self.members if one.kept)


@dataclass(frozen=True)
class _Mixture:
    """A mean of weights, its UAR on validation speakers, and what its norms were measured on."""

    network: Network
    uar: float
    heard: int = 0  # training clips; 0 where the norms are the mean of those of the members


def soup(
    runs: Sequence[Path],
    out: Path,
    *,
    method: str = "greedy",
    name: str = "",
    progress: Progress | None = None,
) -> Soup:
    """Mix the weights of finished runs, and write the model directory of what they make.

    Validation speakers, those of the runs' own split, choose what goes in and calibrate; test
    speakers are scored once, at the end.

    Parameters
    ----------
    runs : sequence of Path
        Folders that :func:`affekt.training.run.train` has written: of one recipe and one start,
        and of one split.
    out : Path
        The model directory to write.
    method : str
        ``"uniform"`` takes the mean of all. ``"greedy"`` begins with the best run, and adds the
        others one by one, in the order of their validation UAR; one that lowers that of the
        mixture is left out.
    name : str
        Of the model; by default that of the best run, and ``-soup``.

    Raises
    ------
    ConfigError
        If the method is unknown, there are fewer than two runs, or one of them twice.
    ModelError
        If a run has no weights, or differs from the others in shape, labels or frontend.
    DataError
        If a run has no recipe or split, another split than the others, no validation clips, or has
        learned from speakers that are to choose or to test.
    """
    if method not in METHODS:
        raise ConfigError(f"unknown kind of soup {method!r}: expected one of {', '.join(METHODS)}")
    if len(runs) < 2:
        raise ConfigError(f"a soup needs two or more runs, got {len(runs)}")
    found = [_read_run(folder) for folder in runs]
    _refuse_unlike(found, out)
    split = found[0].split
    store = FeatureStore(found[0].network.config.frontend)
    validation, test = (
        store.prepare(_labelled(clips, found[0].network), (1.0,), progress)
        for clips in (split.validation, split.test)
    )
    if not validation:
        raise DataError(f"{runs[0]} held no speakers out for validation: nothing can choose")
    scores = [validation_scores(run.network, validation, store)[1] for run in found]
    # Of equals the one that was named first.
    order = sorted(range(len(found)), key=lambda index: -scores[index])
    ranked, scores = [found[index] for index in order], [scores[index] for index in order]
    batches = _training_batches(ranked[0], store, progress)

    def mixed(places: Sequence[int]) -> _Mixture:
        return _mixed([ranked[place].network for place in places], batches, validation, store)

    kept, best = [0], mixed([0])
    if method == "uniform":
        kept, best = list(range(len(ranked))), mixed(range(len(ranked)))
    else:
        for place in range(1, len(ranked)):
            tried = mixed([*kept, place])
            if tried.uar >= best.uar:
                kept, best = [*kept, place], tried
    network, uar = best.network, best.uar
    members = tuple(
        Member(
            run.folder,
            str(run.config["name"]),
            int(run.config.get("seed", 0)),
            score,
            place in kept,
        )
        for place, (run, score) in enumerate(zip(ranked, scores, strict=True))
    )
    calibrate(network, validation, store)
    measured = measure(network, test, store)
    used = [ranked[index] for index in kept]
    metadata = ModelMetadata(
        name=name or f"{members[0].name}-soup",
        clips={"train": batches.clips, "validation": validation, "test": test},
        metrics=[metrics_row(corpus, scored, test) for corpus, scored in measured.items()],
        seed=members[0].seed,
        **measure_limits(network, validation, store),
        replaced={**_inherited(used), "soup": _recipe(method, members, best)},
    )
    write_model_directory(network, out, metadata)
    return Soup(out, members, uar, measured)


def _mixed(
    networks: Sequence[Network], batches: Batches, validation: Sequence[Clip], store: FeatureStore
) -> _Mixture:
    """Mix, and take the norms with the better validation UAR."""
    plain = mix(networks)
    loss, uar = validation_scores(plain, validation, store)
    if len(networks) == 1:  # a run alone is as it was trained
        return _Mixture(plain, uar)
    again = mix(networks)
    heard = recompute_norms(again, batches.epoch(0))
    new_loss, new_uar = validation_scores(again, validation, store)
    if (new_uar, -new_loss) >= (uar, -loss):
        return _Mixture(again, new_uar, heard)
    return _Mixture(plain, uar)


def _training_batches(run: _FinishedRun, store: FeatureStore, progress: Progress | None) -> Batches:
    """The batches of a run, as its training made them."""
    seed = int(run.config.get("seed", 0))
    variants = variants_of(run.recipe, seed)
    speeds = (1.0,) if variants else run.recipe.training.speeds
    clips = store.prepare(_labelled(run.split.train, run.network), speeds, progress, variants)
    batches = Batches(clips, run.network.config.labels, run.recipe, store, seed)
    batches.fill = store.mean_log_mel(clips)
    return batches


def _labelled(clips: Sequence[Clip], network: Network) -> list[Clip]:
    return [clip for clip in clips if clip.emotion in network.config.labels]


def _inherited(runs: Sequence[_FinishedRun]) -> dict[str, Any]:
    """What the members have learned from, and what that allows, holds for the soup."""
    configs = [run.config for run in runs]
    corpora: dict[str, dict[str, Any]] = {}
    for row in (row for config in configs for row in config["training_data"]):
        before = corpora.setdefault(row["corpus"], dict(row))
        for key in ("clips", "speakers"):
            before[key] = max(before[key], row[key])
    speakers: dict[str, set[str]] = {}
    for config in configs:
        for side, names in config.get("speakers", {}).items():
            speakers.setdefault(side, set()).update(names)
    # What is not free binds; what does not say is free no more than it says.
    licences = sorted(
        {str(config["licence"]) for config in configs}, key=lambda one: (one == FREE, one == "")
    )
    teachers = [teacher for config in configs for teacher in config.get("teachers", ())]
    return {
        "training_data": [corpora[name] for name in sorted(corpora)],
        "speakers": {side: sorted(names) for side, names in speakers.items()},
        "licence": licences[0],
        "teachers": list(dict.fromkeys(teachers)),
    }


def _recipe(method: str, members: Sequence[Member], mixture: _Mixture) -> dict[str, Any]:
    """The entries of ``config.json`` and the card for the soup."""
    return {
        "method": method,
        "norms_recomputed_on": mixture.heard,
        "validation_uar": round(mixture.uar, 4),
        "members": [
            {
                "name": one.name,
                "seed": one.seed,
                "validation_uar": round(one.validation_uar, 4),
                "kept": one.kept,
            }
            for one in members
        ],
    }


# --- mixture ---


NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def mix(networks: Sequence[Network]) -> Network:
    """The mean of the weights of networks of one shape, in evaluation mode.

    Counters are taken from the first. Statistics of batch norms are averaged like weights, which
    describes the mixture badly: see :func:`recompute_norms`.
    """
    states = [network.state_dict() for network in networks]
    mean: dict[str, Tensor] = {}
    for key, first in states[0].items():
        if first.dtype.is_floating_point:
            stacked = torch.stack([state[key].double() for state in states])
            mean[key] = stacked.mean(dim=0).to(first.dtype)
        else:
            mean[key] = first.clone()
    return build_network(networks[0].config, mean).eval()


@torch.no_grad()
def recompute_norms(network: Network, batches: Iterable[Batch]) -> int:
    """Measure anew what batch norms normalise by, over training clips.

    The batches run through the network once, cropped, augmented and padded as training makes them:
    that is what the weights were fitted to, and clips as they were recorded would shift every
    norm. Each takes the plain mean over batches of the mean and the variance that it meets;
    dropout is off, and no weight changes.

    Parameters
    ----------
    network : Network
        Changed in place; in evaluation mode on return.
    batches : iterable of Batch
        Each of two or more clips, as :class:`affekt.training.data.batches.Batches` gives them.

    Returns
    -------
    int
        Clips that were used.
    """
    network.eval()
    norms = [module for module in network.modules() if isinstance(module, NORMS)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's word for a plain mean over batches
        norm.train()
    heard = 0
    for batch in batches:
        embedding = network.embed(batch.features, batch.lengths)
        network.head(embedding)
        for head in network.scalar_heads.values():
            head(embedding)
        heard += len(batch.lengths)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()
    return heard


# --- finished runs ---


@dataclass(frozen=True)
class _FinishedRun:
    """A finished run, read from its folder."""

    folder: Path
    network: Network
    config: Mapping[str, Any]
    split: Split
    recipe: Recipe


def _read_run(folder: Path) -> _FinishedRun:
    """Read the network, the metadata and the split of a run; its model directory will do."""
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
    split = (
        tuple(clip for clip in clips if clip.split == side)
        for side in ("train", "validation", "test")
    )
    return _FinishedRun(run, network, config, Split(*split), _read_recipe(run / RECIPE_FILE))


def _read_recipe(path: Path) -> Recipe:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path} is damaged ({error}): call affekt train once more") from None
    return build(Recipe, values, str(path))


def _refuse_unlike(runs: Sequence[_FinishedRun], out: Path) -> None:
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
    held_out = {clip.speaker_id for clip in (*first.split.validation, *first.split.test)} - {""}
    if shared := sorted(heard & held_out):
        raise DataError(
            f"a run has learned from speakers who are to choose or to test: {', '.join(shared[:5])}"
        )


_KINDS = ("labels", "frontend", "architecture", "options", "pooling", "heads", "weights")


def _kinds(run: _FinishedRun) -> tuple[Any, ...]:
    """What must be the same in all members, in the order of `_KINDS`."""
    config = run.network.config
    return (
        config.labels,
        config.frontend,
        config.architecture,
        config.options,
        config.pooling,
        config.heads,
        {name: tuple(value.shape) for name, value in run.network.state_dict().items()},
    )


def _difference(one: Any, two: Any) -> str:
    """Return how two values differ, without their equal parts."""
    if isinstance(one, tuple):
        one, two = one or ("none",), two or ("none",)
        return f"are {', '.join(two)} and not {', '.join(one)}"
    before, after = (vars(one), vars(two)) if hasattr(one, "__dict__") else (one, two)
    if isinstance(before, dict):
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        name = names[0]
        return f"has {name} = {after.get(name)} and not {before.get(name)}"
    return f"is {two} and not {one}"


def _split(run: _FinishedRun) -> set[tuple[Any, ...]]:
    """Who is on which side, recording by recording."""
    split = (
        ("train", run.split.train),
        ("validation", run.split.validation),
        ("test", run.split.test),
    )
    return {
        (side, clip.file.name, clip.start, clip.end, clip.speaker_id, clip.emotion)
        for side, clips in split
        for clip in clips
    }
