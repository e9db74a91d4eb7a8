"""Clips per second and peak memory of affekt, librosa's features and openSMILE, side by side.

    python benchmarks/speed.py --data ../shared/data     # measures, writes the JSON and the table
    python benchmarks/speed.py --table-only              # writes the table again

Every system starts from the same RAVDESS files on disk and has a process and one thread of
its own, so that peak memory is its own too. The rounds are interleaved: whatever else the machine
does meets all of them alike, and a ratio is the median of the ratios within each round.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _common import (
    Report,
    Result,
    Worker,
    choose_clips,
    duration,
    peak_memory,
    processor,
    work_in_rounds,
)

from affekt.runtime.bundle import DEFAULT

if TYPE_CHECKING:
    from affekt.data import Clip

REPORT = Report("speed", "benchmarks/measurements.md")
REQUIRED = ("librosa", "opensmile")
SHOWN = ("python", "affekt", "onnxruntime", "numpy", *REQUIRED)  # versions under the table
WARM_UP = 5  # clips

Run = Callable[[Sequence[str]], None]
"""Works through a list of files."""


# --- the systems: each function imports what it needs and returns the work to be timed ---


def affekt_single(model: str | None) -> Run:
    """Whole predictions, one file at a time: decode, resample, model, calibrated scores."""
    import affekt

    recogniser = affekt.load_model(model, threads=1)

    def run(files: Sequence[str]) -> None:
        for file in files:
            recogniser.predict(file)

    return run


def affekt_batch(model: str | None) -> Run:
    """The same, up to 32 files in one call; clips of equal length share one run of the model."""
    import affekt

    recogniser = affekt.load_model(model, threads=1)

    def run(files: Sequence[str]) -> None:
        for start in range(0, len(files), 32):
            recogniser.predict_batch(files[start : start + 32], batch_size=32)

    return run


def librosa_features(_: str | None) -> Run:
    """The features of the usual tutorial: means of 13 MFCC, their deltas, and 40 log-mel bands."""
    import librosa
    import numpy as np

    def run(files: Sequence[str]) -> None:
        for file in files:
            samples, rate = librosa.load(file, sr=None)
            mfcc = librosa.feature.mfcc(y=samples, sr=rate, n_mfcc=13)
            mel = librosa.feature.melspectrogram(y=samples, sr=rate, n_mels=40)
            parts = (mfcc, librosa.feature.delta(mfcc), librosa.power_to_db(mel))
            np.concatenate([part.mean(axis=1) for part in parts])  # [66]

    return run


def opensmile_functionals(_: str | None) -> Run:
    """The 6373 functionals of ComParE 2016."""
    import opensmile

    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.ComParE_2016,
        feature_level=opensmile.FeatureLevel.Functionals,
        num_workers=1,
    )

    def run(files: Sequence[str]) -> None:
        for file in files:
            smile.process_file(file)

    return run


PEERS: dict[str, tuple[str, Callable[[str | None], Run]]] = {
    "affekt": ("affekt: predict, one file at a time", affekt_single),
    "affekt-batch": ("affekt: predict_batch, 32 files", affekt_batch),
    "librosa": ("librosa: tutorial features, no model", librosa_features),
    "opensmile": ("openSMILE: ComParE 2016, no model", opensmile_functionals),
}
"""Key to title, and to what makes the work, given the model to use."""


# --- one system, in a process of its own ---


def work(peer: str, model: str | None, files: Sequence[str]) -> None:
    """Warm up, then time one pass over the files for each line read from stdin."""
    run = PEERS[peer][1](model)
    run(files[:WARM_UP])
    print("ready", flush=True)
    work_in_rounds(lambda: run(files))
    print(peak_memory(), flush=True)


# --- the measurement ---


def measure(clips: Sequence[Clip], rounds: int, model: str | None) -> Result:
    """Run all systems and return the result as it is stored."""
    from affekt.evaluation.provenance import commit, data_fingerprint, software_versions

    start = time.perf_counter()
    files = [str(clip.file) for clip in clips]
    chosen = ["--model", model] if model else []
    systems = {peer: Worker(__file__, *chosen, "--worker", peer, *files) for peer in PEERS}
    for number in range(rounds):
        for system in systems.values():
            system.round()
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    return {
        "clips": len(files),
        "audio_seconds": round(sum(map(duration, files)), 1),
        "rounds": rounds,
        "threads": 1,
        "model": model or DEFAULT,
        "peers": {peer: summary(peer, systems, len(files)) for peer in PEERS},
        "machine": processor(),
        "versions": software_versions() | {name: version(name) for name in REQUIRED},
        "data_sha256": data_fingerprint(clips),
        "commit": commit(),
        "wall_seconds": round(time.perf_counter() - start, 1),
    }


def summary(peer: str, systems: dict[str, Worker], clips: int) -> dict[str, Any]:
    """Return the figures of one system; ratios are against ``affekt``, round by round."""
    own, reference = systems[peer].seconds, systems["affekt"].seconds
    ratios = [own[i] / reference[i] for i in range(len(own))]
    return {
        "title": PEERS[peer][0],
        "clips_per_second": round(clips / statistics.median(own), 2),
        "milliseconds_per_clip": round(1000 * statistics.median(own) / clips, 3),
        "affekt_times_as_fast": round(statistics.median(ratios), 3),
        "peak_memory_bytes": int(systems[peer].finish()),
        "seconds_per_round": [round(second, 4) for second in own],
    }


# --- the table ---


def table(result: Result) -> str:
    """Return the result as Markdown: the table, and the conditions in one sentence."""
    lines = [
        "| | clips per second | ms per clip | affekt is faster by | peak memory, MB |",
        "|---|---:|---:|---:|---:|",
    ]
    for peer in result["peers"].values():
        lines.append(
            f"| {peer['title']} | {peer['clips_per_second']:.0f} "
            f"| {peer['milliseconds_per_clip']:.1f} "
            f"| {peer['affekt_times_as_fast']:.2f} × "
            f"| {peer['peak_memory_bytes'] / 1e6:.0f} |"
        )
    mean = result["audio_seconds"] / result["clips"]
    versions = ", ".join(f"{name} {result['versions'][name]}" for name in SHOWN)
    lines += [
        "",
        f"{result['clips']} RAVDESS clips of {mean:.1f} s on average, model "
        f"`{result['model']}`, one thread, median of {result['rounds']} interleaved rounds; "
        f"{result['machine']}; {versions}; commit `{result['commit'][:12]}`.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, or write the table of a stored measurement again."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder with ravdess/; default: $AFFEKT_DATA")
    parser.add_argument("--clips", type=int, default=200, help="how many clips (200)")
    parser.add_argument("--rounds", type=int, default=5, help="how many rounds (5)")
    parser.add_argument("--model", help="model directory or hub id; default: the shipped model")
    REPORT.add_options(parser)
    parser.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()

    if options.worker:
        work(options.worker[0], options.model, options.worker[1:])
        return
    if options.table_only:
        REPORT.show(table(REPORT.load()))
        return
    if options.clips < 1 or options.rounds < 1:
        parser.error("--clips and --rounds must be at least 1")
    missing = [name for name in REQUIRED if find_spec(name) is None]
    if missing:
        raise SystemExit(
            f"error: not installed: {', '.join(missing)}; pip install librosa opensmile"
        )

    from affekt.errors import AffektError

    try:
        result = measure(choose_clips(options.data, options.clips), options.rounds, options.model)
    except AffektError as error:
        raise SystemExit(f"error: {error}") from None
    REPORT.finish(result, options.out, table)


if __name__ == "__main__":
    main()
