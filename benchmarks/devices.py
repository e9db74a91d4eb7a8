"""The same training on every device and in every setup: equally good, and how fast?

    python benchmarks/devices.py --data ../shared/data  # trains; writes the JSON and the table
    python benchmarks/devices.py --table-only           # writes the table again

Each setup trains the small network of ``benchmarks/recipes/ablation.toml`` on fold 1 of
``ravdess-luna5``, once for each seed, by ``affekt train``, and is scored on the test actors. Every
process has one
thread of the CPU, where ``affekt train`` would take all of them: two processes are to be compared
with that. What differs between setups is noise if it is no more than what differs between seeds.
What the machine lacks is left out, and said so.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from _common import ROOT, THREAD_VARIABLES, Report, Result, processor

REPORT = Report("devices", "benchmarks/measurements.md")
RECIPE = ROOT / "benchmarks" / "recipes" / "ablation.toml"
PROTOCOL = "ravdess-luna5"


@dataclass(frozen=True)
class Setup:
    """How to train: where, with how many digits, compiled or not, by how many processes."""

    device: str
    precision: str
    compile: bool = False
    processes: int = 1

    @property
    def title(self) -> str:
        """What the table calls it."""
        words = [self.device, self.precision]
        words += ["torch.compile"] if self.compile else []
        words += [f"{self.processes} processes"] if self.processes > 1 else []
        return ", ".join(words)


REFERENCE = Setup("cpu", "float32")
ON_CPU = (
    REFERENCE,
    Setup("cpu", "bfloat16"),
    Setup("cpu", "float32", compile=True),
    Setup("cpu", "float32", processes=2),
)
ON_GPU = (
    Setup("cuda", "float32"),
    Setup("cuda", "bfloat16"),
    Setup("cuda", "bfloat16", compile=True),
)


def setups() -> list[Setup]:
    """Return the setups that this machine has."""
    import torch

    gpus = torch.cuda.device_count()
    several = [Setup("cuda", "bfloat16", processes=gpus)] if gpus > 1 else []
    return [*ON_CPU, *(ON_GPU if gpus else ()), *several]


def trained(setup: Setup, seed: int, epochs: int, data: Path | None) -> dict[str, float]:
    """Train in a process of its own, and return UAR and the seconds of an epoch."""
    from affekt.training import load_recipe
    from affekt.training.recipe.file import write_recipe

    recipe = load_recipe(RECIPE)
    recipe = replace(
        recipe,
        data=replace(recipe.data, sources=("ravdess",), protocol=PROTOCOL),
        training=replace(
            recipe.training, epochs=epochs, precision=setup.precision, compile=setup.compile
        ),
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_recipe(recipe, folder / "recipe.toml")
        start = ["-m", "torch.distributed.run", "--standalone"]
        start += ["--nproc-per-node", str(setup.processes)]
        words = [*(start if setup.processes > 1 else []), "-m", "affekt", "train"]
        words += [str(folder / "recipe.toml"), "--out", str(folder / "run")]
        words += ["--seed", str(seed), "--device", setup.device]
        words += ["--data", str(data)] if data else []
        environment = os.environ | dict.fromkeys(THREAD_VARIABLES, "1")
        done = subprocess.run(
            [sys.executable, *words], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"error: {setup.title} failed:\n{done.stderr}")
        (scores,) = (folder / "run" / "test").glob("*/metrics.json")
        uar = json.loads(scores.read_text(encoding="utf-8"))["uar"]
        with open(folder / "run" / "history.csv", encoding="utf-8") as stream:
            ends = [float(row["seconds"]) for row in csv.DictReader(stream)]
    # The first epoch warms up, and compiles; the others are what a long training is made of.
    return {"uar": uar, "first": ends[0], "epoch": (ends[-1] - ends[0]) / (len(ends) - 1)}


def measure(data: Path | None, epochs: int, seeds: int) -> Result:
    """Train in all setups and return the result as it is stored."""
    import torch

    from affekt.evaluation.provenance import commit, software_versions

    started = time.perf_counter()
    runs: dict[str, list[dict[str, float]]] = {setup.title: [] for setup in setups()}
    for seed in range(seeds):
        for setup in setups():
            runs[setup.title].append(trained(setup, seed, epochs, data))
            print(f"seed {seed}, {setup.title}: {runs[setup.title][-1]}", file=sys.stderr)
    reference = runs[REFERENCE.title]
    return {
        "protocol": PROTOCOL,
        "fold": "1",
        "epochs": epochs,
        "seeds": seeds,
        "setups": {title: summary(own, reference) for title, own in runs.items()},
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "machine": processor(),
        "versions": software_versions(),
        "commit": commit(),
        "wall_seconds": round(time.perf_counter() - started, 1),
    }


def summary(own: list[dict[str, float]], reference: list[dict[str, float]]) -> dict[str, Any]:
    """Return the figures of one setup; the ratio is against the first, seed by seed."""
    uars = [run["uar"] for run in own]
    ratios = [one["epoch"] / other["epoch"] for one, other in zip(own, reference, strict=True)]
    return {
        "uar": [round(value, 4) for value in uars],
        "mean": round(statistics.mean(uars), 4),
        "sd": round(statistics.stdev(uars), 4) if len(uars) > 1 else 0.0,
        "first_epoch_seconds": round(statistics.median(run["first"] for run in own), 2),
        "epoch_seconds": round(statistics.median(run["epoch"] for run in own), 2),
        "times_reference": round(statistics.median(ratios), 3),
    }


def table(result: Result) -> str:
    """Return the result as Markdown: the table, and the conditions in one sentence."""
    lines = [
        "| setup | UAR on test actors | first epoch, s | another epoch, s | of the first row |",
        "|---|---:|---:|---:|---:|",
    ]
    for title, row in result["setups"].items():
        uar = f"{100 * row['mean']:.1f} % ± {100 * row['sd']:.1f}"
        lines.append(
            f"| {title} | {uar} | {row['first_epoch_seconds']:.1f} | {row['epoch_seconds']:.1f} "
            f"| {row['times_reference']:.2f} × |"
        )
    gpu = result["gpu"] or "no GPU there, so that its rows are missing"
    versions = ", ".join(f"{name} {result['versions'][name]}" for name in ("python", "torch"))
    lines += [
        "",
        f"Fold {result['fold']} of `{result['protocol']}`, {result['epochs']} epochs, "
        f"{result['seeds']} seeds each, one thread a process; {result['machine']}; {gpu}; "
        f"{versions}; commit `{result['commit'][:12]}`.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, or write the table of a stored measurement again."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder with ravdess/; default: $AFFEKT_DATA")
    parser.add_argument("--epochs", type=int, default=12, help="of each training (12)")
    parser.add_argument("--seeds", type=int, default=5, help="trainings of each setup (5)")
    REPORT.add_options(parser)
    options = parser.parse_args()
    if options.table_only:
        REPORT.show(table(REPORT.load()))
        return
    if options.epochs < 2 or options.seeds < 1:
        parser.error("--epochs must be at least 2 and --seeds at least 1")
    REPORT.finish(measure(options.data, options.epochs, options.seeds), options.out, table)


if __name__ == "__main__":
    main()
