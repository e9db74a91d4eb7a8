"""What each augmentation and each method against imbalance does, added alone to a small network.

    python benchmarks/ablation.py --data ../shared/data      # trains, writes JSON, picture, table
    python benchmarks/ablation.py --only pitch_shift,focal   # some methods: writes nothing
    python benchmarks/ablation.py --table-only               # the table and the picture again

Every method is compared with ``benchmarks/recipes/ablation.toml`` alone, under the same seed and
on the same speakers. They are the speakers of fold 1 of ``ravdess-luna5`` who are not its test
speakers, in three groups: each run learns from two groups and asks the third. What is trained
stays in ``--runs``: after Ctrl-C the same command goes on from there.
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
from typing import TYPE_CHECKING, Any

from _common import ROOT, Report, Result

if TYPE_CHECKING:
    from affekt.data import Clip
    from affekt.training import FeatureStore

REPORT = Report("ablation", "benchmarks/measurements.md")
RECIPE = ROOT / "benchmarks" / "recipes" / "ablation.toml"
PICTURE = ROOT / "benchmarks" / "images" / "ablation.png"

PROTOCOL = "ravdess-luna5"
GROUPS = 3  # of speakers, and as many seeds
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


@dataclass(frozen=True)
class Run:
    """One training: its seed, and the group of speakers that it does not hear."""

    seed: int
    group: int


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


def groups(clips: Sequence[Clip]) -> list[set[str]]:
    """Return the speakers in three groups, with about as many women as men in each."""
    genders: dict[str, set[str]] = {}
    for clip in clips:
        genders.setdefault(clip.gender, set()).add(clip.speaker)
    found: list[set[str]] = [set() for _ in range(GROUPS)]
    for speakers in genders.values():
        for number, speaker in enumerate(sorted(speakers)):
            found[number % GROUPS].add(speaker)
    return found


def runs(passes: int) -> list[Run]:
    """Return the runs of each method: a pass hears every group once, each under another seed."""
    return [
        Run(seed, (seed + number) % GROUPS) for number in range(passes) for seed in range(GROUPS)
    ]


def score(
    method: Method,
    run: Run,
    clips: Sequence[Clip],
    held_out: set[str],
    store: FeatureStore,
    options: argparse.Namespace,
) -> dict[str, Any]:
    """Train once; return the UAR of each speaker of the held-out group, or what is stored of it."""
    from affekt.files import atomic_path
    from affekt.training import fit, score_clips
    from affekt.training.recipe.fingerprint import run_fingerprint

    recipe = recipe_of(method, options.epochs)
    train = [clip for clip in clips if clip.speaker not in held_out]
    validation = [clip for clip in clips if clip.speaker in held_out]
    place = options.runs / method.name / f"seed-{run.seed}-group-{run.group + 1}"
    path = place / "score.json"
    fingerprint = run_fingerprint(recipe, train, validation, run.seed)
    if path.is_file():
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if stored["fingerprint"] == fingerprint:
            return stored
    start = time.perf_counter()
    if recipe.augment.variants:  # what it hears is its own: no other run needs it in memory
        store = type(store)(recipe.model.frontend)
    network = fit(recipe, train, validation, place, seed=run.seed, store=store).network
    predicted = score_clips(network, validation, store).argmax(axis=1)
    found = {
        "fingerprint": fingerprint,
        "uar": by_speaker(validation, network.config.labels, predicted),
        "seconds": round(time.perf_counter() - start, 1),
    }
    with atomic_path(path) as partial:
        partial.write_text(json.dumps(found), encoding="utf-8")
    for checkpoint in place.glob("*.safetensors"):
        checkpoint.unlink()
    return found


def by_speaker(
    clips: Sequence[Clip], labels: Sequence[str], predicted: Sequence[int]
) -> dict[str, float]:
    """Return the UAR of each speaker's clips."""
    import numpy as np

    from affekt.evaluation.metrics import uar

    targets = np.array([labels.index(clip.emotion) for clip in clips])
    speakers = np.array([clip.speaker for clip in clips])
    return {
        str(one): uar(targets[speakers == one], np.asarray(predicted)[speakers == one], len(labels))
        for one in np.unique(speakers)
    }


def measure(options: argparse.Namespace) -> Result:
    """Train what is not trained yet and return the result as it is stored."""
    from affekt.data import data_root
    from affekt.evaluation import get_protocol
    from affekt.evaluation.provenance import commit, data_fingerprint, software_versions
    from affekt.training import FeatureStore

    chosen = methods(options.sounds or data_root(options.data) / "noise")
    if options.only:
        names = [BASE, *options.only.split(",")]
        unknown = sorted(set(names) - {method.name for method in chosen})
        if unknown:
            raise SystemExit(f"error: unknown method {unknown[0]!r}")
        chosen = [method for method in chosen if method.name in names]
    protocol = get_protocol(PROTOCOL)
    corpus = protocol.load(options.data)
    fold = protocol.folds(corpus)[0]
    clips = [*fold.train, *fold.validation]
    speakers = groups(clips)
    base = recipe_of(chosen[0], options.epochs)
    store = FeatureStore(base.model.frontend)
    found: dict[str, list[dict[str, Any]]] = {method.name: [] for method in chosen}
    # Run by run: whatever is interrupted has compared all methods in the runs before.
    wanted = runs(options.passes)
    for run in wanted:
        for method in chosen:
            row = score(method, run, clips, speakers[run.group], store, options)
            found[method.name].append(row)
            print(
                f"{sum(map(len, found.values()))}/{len(chosen) * len(wanted)}  seed {run.seed}, "
                f"group {run.group + 1}, {method.name}: "
                f"UAR {100 * statistics.fmean(row['uar'].values()):.1f} %, {row['seconds']:.0f} s",
                file=sys.stderr,
            )
    scores = {name: [row["uar"] for row in rows] for name, rows in found.items()}
    return {
        "protocol": PROTOCOL,
        "fold": fold.name,
        "seeds": sorted({run.seed for run in wanted}),
        "runs": len(wanted),
        "groups": [sorted(group) for group in speakers],
        "clips": len(clips),
        "epochs": base.training.epochs,
        "methods": [summary(method, scores) for method in chosen],
        "data_sha256": data_fingerprint(clips),
        "versions": software_versions(),
        "commit": commit(),
        "wall_seconds": round(sum(row["seconds"] for rows in found.values() for row in rows), 1),
    }


def summary(method: Method, scores: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, Any]:
    """Return the row of a method from the UAR of each speaker in each run.

    It is compared with the base run by run and speaker by speaker; the interval is over speakers.
    """
    own = [one for run in scores[method.name] for one in run.values()]
    differences: dict[str, list[float]] = {}
    for run, base in zip(scores[method.name], scores[BASE], strict=True):
        for speaker, value in run.items():
            differences.setdefault(speaker, []).append(value - base[speaker])
    mean, half = interval([statistics.fmean(values) for values in differences.values()])
    verdict = "helped" if mean > half else "harmed" if mean < -half else "unclear"
    return {
        "name": method.name,
        "group": method.group,
        "uar": statistics.fmean(own),
        "uar_per_run": [statistics.fmean(run.values()) for run in scores[method.name]],
        "difference": mean,
        "half_interval": half,
        "verdict": "" if method.name == BASE else verdict,
    }


def interval(differences: Sequence[float]) -> tuple[float, float]:
    """Return the mean and half the width of its interval by Student's t; infinite for one value."""
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
    speakers = sum(map(len, result["groups"]))
    lines += [
        "",
        f"The {speakers} speakers of `{result['protocol']}`, fold {result['fold']}, who are not "
        f"tested there ({result['clips']} clips), in {len(result['groups'])} groups, each asked "
        f"once it was held out; seeds {', '.join(map(str, result['seeds']))}; {result['runs']} "
        f"trainings of {result['epochs']} epochs a row. Differences are taken run by run and "
        "speaker by speaker, intervals are Student's over the speakers; *unclear* is an interval "
        f"that holds zero. Commit `{result['commit'][:12]}`.",
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


def show(result: Result) -> None:
    """Draw the picture and put the table into the page."""
    draw(result, PICTURE)
    REPORT.show(table(result))


def main() -> None:
    """Measure, or show a stored measurement again."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder with ravdess/; default: $AFFEKT_DATA")
    parser.add_argument("--sounds", type=Path, help="folder with noise/ and rir/ (DATA/noise)")
    parser.add_argument("--passes", type=int, default=1, help="times each speaker is asked (1)")
    parser.add_argument("--epochs", type=int, default=0, help="instead of the recipe's")
    parser.add_argument("--only", default="", help="names of some methods; writes no result")
    parser.add_argument("--runs", type=Path, default=Path("runs/ablation"), help="finished runs")
    REPORT.add_options(parser)
    options = parser.parse_args()

    if options.table_only:
        show(REPORT.load())
        return

    from affekt.errors import AffektError

    try:
        result = measure(options)
    except AffektError as error:
        raise SystemExit(f"error: {error}") from None
    if options.only:
        print(table(result))
        return
    if options.out.resolve() == REPORT.file:
        draw(result, PICTURE)
    REPORT.finish(result, options.out, table)


if __name__ == "__main__":
    main()
