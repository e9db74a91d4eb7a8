"""How well valence, arousal and dominance agree with what raters said.

    python benchmarks/dimensions.py --data ../shared/data   # measures, writes JSON and table
    python benchmarks/dimensions.py --table-only            # writes the page again

EmoTale, rated by three annotators, each speaker left out in turn (18 folds): the recipe
``dimensions`` (ridge regression on a frozen encoder), beside support vector regression on
openSMILE's eGeMAPS with its penalty chosen by speakers of the training side. From one language to
the other the tested speaker is left out, too. The shipped models derive these numbers from their
probabilities: their answers are compared with the same ratings. Last, what these cost.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from _common import ROOT, Report, Result, recipe_file

if TYPE_CHECKING:
    from affekt.data import Clip

REPORT = Report("dimensions", "docs/dimensions.md")
MODELS = ("base",)
LANGUAGES = {"da": "Danish", "en": "English"}
PENALTIES = (0.1, 1.0, 10.0)


def measure(data: Path | None, cache: Path, models: Sequence[str]) -> Result:
    """Measure everything and return the result as it is stored."""
    from affekt.data import load_corpus
    from affekt.evaluation.provenance import commit, data_fingerprint, software_versions

    started = time.perf_counter()
    clips = load_corpus("emotale", data)
    learners = {"dimensions": _recipe(cache), "egemaps-svr": _egemaps(cache)}
    rows: dict[str, Any] = {}
    for name, learn in learners.items():
        rows[name] = {"loso": _left_out(learn, clips, clips)}
        print(name, {d: round(v["ccc"], 3) for d, v in rows[name]["loso"].items()}, flush=True)
        for tested in LANGUAGES:
            own = [clip for clip in clips if clip.language == tested]
            others = [clip for clip in clips if clip.language != tested]
            rows[name][f"to-{tested}"] = _left_out(learn, others, own)
    shipped = {name: _shipped(name, clips) for name in models}
    return {
        "emotale": rows,
        "shipped": shipped,
        "cost": _cost(),
        "versions": software_versions(),
        "data_sha256": data_fingerprint(clips),
        "commit": commit(),
        "wall_seconds": round(time.perf_counter() - started, 1),
    }


def _left_out(learn: Any, train: Sequence[Clip], test: Sequence[Clip]) -> dict[str, Any]:
    """Return the agreement by dimension, each speaker answered by what was learned from others."""
    from affekt.evaluation.dimensions import agreement
    from affekt.results import DIMENSIONS

    said = np.full((len(test), len(DIMENSIONS)), np.nan)
    speakers = np.array([clip.speaker for clip in test])
    for speaker in np.unique(speakers):
        own = speakers == speaker
        others = [clip for clip in train if clip.speaker != speaker]
        said[own] = learn(others, [clip for clip, kept in zip(test, own, strict=True) if kept])
    rated = np.array([[getattr(clip, name) for name in DIMENSIONS] for clip in test])
    return {
        name: asdict(agreement(said[:, axis], rated[:, axis], speakers.tolist()))
        for axis, name in enumerate(DIMENSIONS)
    }


def _recipe(cache: Path) -> Any:
    """Return what learns as the recipe ``dimensions`` does."""
    import torch

    from affekt.results import DIMENSIONS
    from affekt.training import FeatureStore, load_recipe
    from affekt.training.network.fit import fit
    from affekt.training.network.infer import embed_clips

    recipe = load_recipe(recipe_file("dimensions"))
    store = FeatureStore(recipe.model.frontend, cache / "features")

    def learn(train: Sequence[Clip], test: Sequence[Clip]) -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder:
            network = fit(recipe, train, [], Path(folder), store=store).network
        embeddings = torch.from_numpy(embed_clips(network, test, store).astype(np.float32))
        with torch.inference_mode():
            heads = network.scalar_heads
            return np.stack([heads[name].value(embeddings).numpy() for name in DIMENSIONS], axis=1)

    return learn


def _egemaps(cache: Path) -> Any:
    """Return what learns by support vector regression on openSMILE's functionals."""
    from sklearn.model_selection import GridSearchCV, GroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVR

    from affekt.results import DIMENSIONS
    from affekt.training.classic.fit import VectorStore

    store = VectorStore("egemaps", cache / "vectors")

    def learn(train: Sequence[Clip], test: Sequence[Clip]) -> np.ndarray:
        x, groups = store.matrix(train), [clip.speaker for clip in train]
        said = []
        for name in DIMENSIONS:
            made = GridSearchCV(
                make_pipeline(StandardScaler(), SVR()),
                {"svr__C": PENALTIES},
                cv=GroupKFold(5),
                scoring="r2",
            )
            made.fit(x, [getattr(clip, name) for clip in train], groups=groups)
            said.append(made.predict(store.matrix(test)))
        return np.stack(said, axis=1)

    return learn


def _shipped(name: str, emotale: Sequence[Clip]) -> dict[str, Any]:
    """Return how a shipped model agrees with ratings that it has not learned from."""
    import affekt
    from affekt.evaluation.dimensions import dimension_scores
    from affekt.runtime.score import answers_for

    model = affekt.load_model(name, threads=1)
    clips, answers, _ = answers_for(model, emotale)
    found: dict[str, Any] = {
        "dimensions": answers[0].dimensions,
        "emotale": {key: asdict(one) for key, one in dimension_scores(answers, clips).items()},
    }
    print(name, found, flush=True)
    return found


def _cost() -> dict[str, float]:
    """Return the seconds of a prediction of three seconds, and those that dimensions take of it."""
    import affekt
    from affekt.results import derived_dimensions

    model = affekt.load_model(threads=1)
    sound = np.random.default_rng(0).normal(0, 0.05, 3 * 16000).astype(np.float32)
    scores = model.predict((sound, 16000)).scores
    return {
        "prediction_seconds": _shortest(lambda: model.predict((sound, 16000)), 20),
        "derived_seconds": _shortest(lambda: derived_dimensions(scores), 2000),
    }


def _shortest(work: Callable[[], object], times: int) -> float:
    """Return the shortest time of several, in seconds: what no other process has lengthened."""
    found = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return min(found)


def table(result: Result) -> str:
    """Return the figures as Markdown."""
    names = {"dimensions": "recipe `dimensions`", "egemaps-svr": "eGeMAPS, SVR"}
    ways = {
        "loso": "both languages",
        **{f"to-{k}": f"{v}, from the other" for k, v in LANGUAGES.items()},
    }
    lines = [
        "| EmoTale, speakers left out | tested on | arousal | valence | dominance |",
        "|---|---|---:|---:|---:|",
    ]
    for name, title in names.items():
        for way, words in ways.items():
            row = result["emotale"][name][way]
            lines.append(f"| {title} | {words} | {_cells(row)} |")
    for name, found in result["shipped"].items():
        lines.append(
            f"| `{name}`, {found['dimensions']} | both languages | {_cells(found['emotale'])} |"
        )
    lines += [
        "",
        "Concordance (95 % interval over speakers), within speakers, correlation, spread.",
    ]
    cost = result["cost"]
    share = cost["derived_seconds"] / cost["prediction_seconds"]
    lines += [
        "",
        f"The derived dimensions take {100 * share:.3f} % of a prediction of three seconds.",
    ]
    return "\n".join(lines)


def _cells(row: dict[str, Any]) -> str:
    return " | ".join(_cell(row[name]) for name in ("arousal", "valence", "dominance"))


def _cell(one: dict[str, Any]) -> str:
    low, high = one["ci95"]
    return (
        f"{one['ccc']:.3f} ({low:.2f} to {high:.2f}), {one['within']:.2f}, "
        f"{one['correlation']:.2f}, {one['spread']:.2f}"
    )


def main() -> None:
    """Measure, or show what is stored."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="where the corpora lie")
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "dimensions")
    parser.add_argument("--models", nargs="*", default=MODELS)
    REPORT.run(parser, lambda options: measure(options.data, options.cache, options.models), table)


if __name__ == "__main__":
    main()
