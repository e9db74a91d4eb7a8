"""What each augmentation and each method against imbalance does, added alone to a small network.

    python benchmarks/ablation.py --data ../shared/data      # trains, writes JSON, picture, table
    python benchmarks/ablation.py --only pitch_shift,focal   # some methods: writes nothing
    python benchmarks/ablation.py --table-only               # the table and the picture again

Every method is compared with ``recipes/ablation.toml`` alone, under the same seed, on the
validation speakers of a fold of ``ravdess-luna5``; nobody hears the test speakers. What is trained
stays in ``--out``: after Ctrl-C the same command goes on from there.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "recipes" / "ablation.toml"
RESULT = ROOT / "benchmarks" / "results" / "ablation.json"
PAGE = ROOT / "docs" / "augmentation.md"
PICTURE = ROOT / "docs" / "images" / "ablation.png"
BEGIN, END = "<!-- begin: benchmarks/ablation.py -->", "<!-- end: benchmarks/ablation.py -->"

PROTOCOL = "ravdess-luna5"
BASE = "base"
VARIANTS = 3  # augmented versions of each clip
CONFIDENCE = 0.95
COLOURS = {"helped": "#009e73", "harmed": "#d55e00", "unclear": "#888888"}


@dataclass(frozen=True)
class Method:
    """One thing added to the base.

    `changes` are tables of a recipe, laid over those of the base.
    """

    name: str
    group: str
    changes: Mapping[str, Any] = field(default_factory=dict)


def methods(sounds: Path) -> list[Method]:
    """Return all methods; those that need sounds take them from ``noise/`` and ``rir/`` there."""
    from affekt.augment import TRANSFORMS

    folders = {"background_noise": sounds / "noise", "room_impulse_response": sounds / "rir"}
    found = [Method(BASE, "base")]
    for name in TRANSFORMS:
        if name in folders and not folders[name].is_dir():
            print(f"left out: {name}: there is no {folders[name]}", file=sys.stderr)
            continue
        options = {"folder": str(folders[name])} if name in folders else {}
        waveform = [{"name": name, **options}]
        changes = {"augment": {"variants": VARIANTS, "waveform": waveform}}
        found.append(Method(name, "waveform", changes))
    found.append(Method("speeds", "waveform", {"training": {"speeds": [1.0, 0.9, 1.1]}}))
    found += [
        Method(name, "spectral", {"augment": {name: {}}})
        for name in ("band_limit", "noise_floor", "channel_tilt", "spec_augment", "mixup")
    ]
    found.append(Method("cutmix", "spectral", {"augment": {"cutmix": {"probability": 0.5}}}))
    imbalance: dict[str, Mapping[str, Any]] = {
        "class_weights": {"training": {"class_weights": True}},
        "focal": {"imbalance": {"focal_gamma": 2.0}},
        "logit_adjustment": {"imbalance": {"logit_adjustment": 1.0}},
        "sampler_square_root": {"imbalance": {"sampler": "square_root"}},
        "sampler_balanced": {"imbalance": {"sampler": "balanced"}},
        "smote": {"imbalance": {"smote": True}},
        "label_smoothing": {"training": {"label_smoothing": 0.1}},
    }
    return found + [Method(name, "labels and loss", one) for name, one in imbalance.items()]


def recipe_of(method: Method, epochs: int) -> Any:
    """Return the recipe of the base with the method's tables laid over it."""
    from affekt.config import build, read_toml
    from affekt.training import Recipe

    values = read_toml(RECIPE)
    for table, changes in method.changes.items():
        values[table] = {**values.get(table, {}), **changes}
    if epochs:
        values["training"]["epochs"] = epochs
    return build(Recipe, {**values, "name": method.name}, "recipe")


# --- the measurement ---


def score(method: Method, fold: Any, seed: int, epochs: int, out: Path) -> dict[str, float]:
    """Train once and return the UAR on the validation speakers, or what is stored of it."""
    import numpy as np

    from affekt.evaluation.metrics import uar
    from affekt.files import atomic_path
    from affekt.training import FeatureStore, fit, score_clips
    from affekt.training.fit import run_fingerprint

    recipe = recipe_of(method, epochs)
    place = out / method.name / f"fold-{fold.name}" / f"seed-{seed}"
    path = place / "score.json"
    fingerprint = run_fingerprint(recipe, fold.train, fold.validation, seed)
    if path.is_file():
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if stored["fingerprint"] == fingerprint:
            return {"uar": stored["uar"], "seconds": stored["seconds"]}
    start = time.perf_counter()
    store = FeatureStore(recipe.model.frontend)
    network = fit(recipe, fold.train, fold.validation, place, seed=seed, store=store).network
    labels = network.config.labels
    targets = np.array([labels.index(clip.emotion) for clip in fold.validation])
    predicted = score_clips(network, fold.validation, store).argmax(axis=1)
    found = {
        "uar": uar(targets, predicted, len(labels)),
        "seconds": round(time.perf_counter() - start, 1),
    }
    with atomic_path(path) as partial:
        partial.write_text(json.dumps({**found, "fingerprint": fingerprint}), encoding="utf-8")
    for checkpoint in place.glob("*.safetensors"):
        checkpoint.unlink()
    return found


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Train what is not trained yet and return the result as it is stored."""
    from affekt.data import data_root
    from affekt.evaluation import get_protocol
    from affekt.evaluation.provenance import commit, data_fingerprint, software_versions

    protocol = get_protocol(PROTOCOL)
    clips = protocol.load(options.data)
    wanted = options.folds.split(",")
    folds = [fold for fold in protocol.folds(clips) if fold.name in wanted]
    if len(folds) != len(wanted):
        raise SystemExit(f"error: unknown fold in {options.folds!r}: {PROTOCOL} has 1 to 5")
    chosen = methods(options.sounds or data_root(options.data) / "noise")
    if options.only:
        names = [BASE, *options.only.split(",")]
        unknown = sorted(set(names) - {method.name for method in chosen})
        if unknown:
            raise SystemExit(f"error: unknown method {unknown[0]!r}")
        chosen = [method for method in chosen if method.name in names]
    rows = []
    # Seed by seed: whatever is interrupted has compared all methods under the seeds before.
    scores: dict[str, list[float]] = {method.name: [] for method in chosen}
    seconds = 0.0
    total = len(chosen) * len(folds) * options.seeds
    for seed in range(options.seeds):
        for fold in folds:
            for method in chosen:
                found = score(method, fold, seed, options.epochs, options.out)
                scores[method.name].append(found["uar"])
                seconds += found["seconds"]
                done = sum(map(len, scores.values()))
                print(
                    f"{done}/{total}  seed {seed}, fold {fold.name}, {method.name}: "
                    f"UAR {100 * found['uar']:.1f} %, {found['seconds']:.0f} s",
                    file=sys.stderr,
                )
    rows = [summary(method, scores) for method in chosen]
    return {
        "protocol": PROTOCOL,
        "side": "validation",
        "folds": [fold.name for fold in folds],
        "seeds": list(range(options.seeds)),
        "epochs": recipe_of(chosen[0], options.epochs).training.epochs,
        "clips": sum(len(fold.validation) for fold in folds),
        "methods": rows,
        "data_sha256": data_fingerprint(clips),
        "versions": software_versions(),
        "commit": commit(),
        "wall_seconds": round(seconds, 1),
    }


def summary(method: Method, scores: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Return the row of a method: its UAR, and its differences from the base run by run."""
    own = scores[method.name]
    differences = [one - base for one, base in zip(own, scores[BASE], strict=True)]
    mean, half = interval(differences)
    verdict = "helped" if mean > half else "harmed" if mean < -half else "unclear"
    return {
        "name": method.name,
        "group": method.group,
        "uar": statistics.fmean(own),
        "uar_per_run": list(own),
        "difference": mean,
        "half_interval": half,
        "verdict": "" if method.name == BASE else verdict,
    }


def interval(differences: Sequence[float]) -> tuple[float, float]:
    """Return the mean and half the width of its interval by Student's t; infinite for one run."""
    from scipy.stats import t

    mean, n = statistics.fmean(differences), len(differences)
    if n < 2:
        return mean, float("inf")
    error = statistics.stdev(differences) / n**0.5
    return mean, float(t.ppf((1 + CONFIDENCE) / 2, n - 1)) * error


# --- what is shown of it ---


def in_order(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of the methods, the most helpful first."""
    rows = [row for row in result["methods"] if row["name"] != BASE]
    return sorted(rows, key=lambda row: -row["difference"])


def table(result: Mapping[str, Any]) -> str:
    """Return the result as Markdown: the picture, the table, and the conditions."""
    base = next(row for row in result["methods"] if row["name"] == BASE)
    lines = [
        "![Difference in UAR that each method makes](images/ablation.png)",
        "",
        "| added to the base | kind | UAR, % | difference, points | 95 % interval | verdict |",
        "|---|---|---:|---:|---:|---|",
        f"| nothing | | {100 * base['uar']:.1f} | | | |",
    ]
    for row in in_order(result):
        low, high = (100 * (row["difference"] + s * row["half_interval"]) for s in (-1, 1))
        lines.append(
            f"| `{row['name']}` | {row['group']} | {100 * row['uar']:.1f} "
            f"| {100 * row['difference']:+.1f} | {low:+.1f} to {high:+.1f} | {row['verdict']} |"
        )
    folds = ", ".join(result["folds"])
    lines += [
        "",
        f"`{result['protocol']}`, validation speakers of fold {folds} ({result['clips']} clips), "
        f"seeds {', '.join(map(str, result['seeds']))}, {result['epochs']} epochs; differences are "
        "taken run by run, intervals are Student's over the runs; *unclear* is an interval that "
        f"holds zero. Commit `{result['commit'][:12]}`.",
    ]
    return "\n".join(lines)


def draw(result: Mapping[str, Any], path: Path) -> None:
    """Draw the differences with their intervals."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from affekt.files import atomic_path

    rows = in_order(result)[::-1]
    figure = Figure(figsize=(7.5, 1.2 + 0.27 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for place, row in enumerate(rows):
        axes.errorbar(
            100 * row["difference"],
            place,
            xerr=[[100 * row["half_interval"]]] * 2,
            fmt="o",
            color=COLOURS[row["verdict"]],
            capsize=2.5,
        )
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(rows)), [row["name"].replace("_", " ") for row in rows])
    axes.set_xlabel("difference in validation UAR, points, with its 95 % interval")
    for verdict, colour in COLOURS.items():
        axes.plot([], [], "o", color=colour, label=verdict)
    axes.legend(frameon=False, loc="lower right")
    axes.grid(axis="x", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    with atomic_path(path) as partial:
        figure.savefig(partial, dpi=150)


def show(result: Mapping[str, Any]) -> None:
    """Draw the picture and put the table between the markers of docs/augmentation.md."""
    from affekt.files import atomic_path

    draw(result, PICTURE)
    text = PAGE.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"error: {PAGE} lacks the lines {BEGIN} and {END}")
    with atomic_path(PAGE) as partial:
        partial.write_text(f"{before}{BEGIN}\n\n{table(result)}\n\n{END}{after}", encoding="utf-8")


def main() -> None:
    """Measure, or show a stored measurement again."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder with ravdess/; default: $AFFEKT_DATA")
    parser.add_argument("--sounds", type=Path, help="folder with noise/ and rir/ (DATA/noise)")
    parser.add_argument("--folds", default="1", help="names of the folds (1)")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds (3)")
    parser.add_argument("--epochs", type=int, default=0, help="instead of the recipe's")
    parser.add_argument("--only", default="", help="names of some methods; writes no result")
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"), help="finished runs")
    parser.add_argument("--result", type=Path, default=RESULT, help="where the JSON goes")
    parser.add_argument("--table-only", action="store_true", help="write table and picture again")
    options = parser.parse_args()

    if options.table_only:
        if not options.result.is_file():
            raise SystemExit("error: no ablation is stored yet: run benchmarks/ablation.py first")
        show(json.loads(options.result.read_text(encoding="utf-8")))
        return

    from affekt.errors import AffektError
    from affekt.files import atomic_path

    try:
        result = measure(options)
    except AffektError as error:
        raise SystemExit(f"error: {error}") from None
    if not options.only:
        with atomic_path(options.result) as partial:
            partial.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        if options.result.resolve() == RESULT:
            show(result)
    print(table(result))


if __name__ == "__main__":
    main()
