"""Model soups: one model from the weights of several runs that began alike.

The mean of the weights of runs that share their start, and differ in what training made of it,
often hears better than any of them, at the cost of one (Wortsman et al., "Model soups", 2022,
arXiv 2203.05482). Runs that began or were taught differently have no common valley: their mean is
no model, and validation speakers say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from affekt.data import Clip
from affekt.errors import ConfigError, DataError
from affekt.evaluation import Metrics
from affekt.export.model_directory import FREE, ModelFacts, write_model_directory
from affekt.models import Network
from affekt.training.data.batches import Batches
from affekt.training.data.features import FeatureStore, Progress
from affekt.training.data.variants import variants_of
from affekt.training.network.finished import FinishedRun, read_run, refuse_unlike
from affekt.training.network.fit import calibrate, validation_scores
from affekt.training.network.mixture import mix, recompute_norms
from affekt.training.run import measure, measure_threshold, metrics_row

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
        """Whether it hears less than the worst of what went in: these runs began differently."""
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
    speakers are asked once, at the end.

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
    found = [read_run(folder) for folder in runs]
    refuse_unlike(found, out)
    sides = found[0].sides
    store = FeatureStore(found[0].network.config.frontend)
    validation, test = (
        store.prepare(_labelled(clips, found[0].network), (1.0,), progress)
        for clips in (sides.validation, sides.test)
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
    facts = ModelFacts(
        name=name or f"{members[0].name}-soup",
        clips={"train": batches.clips, "validation": validation, "test": test},
        metrics=[metrics_row(corpus, scored, test) for corpus, scored in measured.items()],
        seed=members[0].seed,
        threshold=measure_threshold(network, validation, store),
        replaced={**_inherited(used), "soup": _recipe(method, members, best)},
    )
    write_model_directory(network, out, facts)
    return Soup(out, members, uar, measured)


def _mixed(
    networks: Sequence[Network], batches: Batches, validation: Sequence[Clip], store: FeatureStore
) -> _Mixture:
    """Mix, and take the norms with which validation speakers are heard better."""
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


def _training_batches(run: FinishedRun, store: FeatureStore, progress: Progress | None) -> Batches:
    """The batches of a run, as its training made them."""
    seed = int(run.config.get("seed", 0))
    variants = variants_of(run.recipe, seed)
    speeds = (1.0,) if variants else run.recipe.training.speeds
    clips = store.prepare(_labelled(run.sides.train, run.network), speeds, progress, variants)
    batches = Batches(clips, run.network.config.labels, run.recipe, store, seed)
    batches.fill = store.mean_log_mel(clips)
    return batches


def _labelled(clips: Sequence[Clip], network: Network) -> list[Clip]:
    return [clip for clip in clips if clip.emotion in network.config.labels]


def _inherited(runs: Sequence[FinishedRun]) -> dict[str, Any]:
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
    """What ``config.json`` and the card say of the soup."""
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
