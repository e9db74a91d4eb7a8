"""Feature extraction by affekt, librosa and openSMILE, side by side on the same clips.

    python benchmarks/features.py --data ../shared/data   # measures, writes the JSON and the table
    python benchmarks/features.py --table-only            # writes the tables again

The common task is what tutorials extract: the means of 13 MFCC, of their first and second
differences, and of 40 log-mel bands, with librosa's windows. Every system starts from the
same RAVDESS files on disk, has a process and one thread of its own, and takes turns with the
others, as in ``benchmarks/speed.py``. Before anything is timed, the answers of affekt and librosa
are compared.
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
from typing import Any

import numpy as np
from _common import Report, Result, Worker, choose_clips, duration, processor, work_in_rounds

REPORT = Report("features", "benchmarks/measurements.md")
WARM_UP = 5  # clips
REQUIRED = ("librosa", "opensmile", "scipy", "swift-f0")
REFERENCE = "affekt"
MAX_DIFFERENCE = 0.01  # dB, between the answers of affekt and librosa

Extract = Callable[[str], np.ndarray]
"""From a file to its features: [features]."""


# --- the systems: each function imports what it needs and returns the work to be timed ---


def affekt_tutorial() -> Extract:
    """The common task, by affekt."""
    from affekt.audio import load_audio
    from affekt.features import TUTORIAL
    from affekt.features.extract import spectrum_features

    def run(file: str) -> np.ndarray:
        columns = spectrum_features(load_audio(file), TUTORIAL, ("mfcc", "mel"))
        means: np.ndarray = np.stack(list(columns.values())).mean(axis=1)  # [79]
        return means

    return run


def librosa_usual() -> Extract:
    """The common task as it is usually written: each feature from the samples."""
    import librosa

    def run(file: str) -> np.ndarray:
        samples, rate = librosa.load(file, sr=None)
        mfcc = librosa.feature.mfcc(y=samples, sr=rate, n_mfcc=13)
        mel = librosa.feature.melspectrogram(y=samples, sr=rate, n_mels=40)
        delta, delta2 = librosa.feature.delta(mfcc), librosa.feature.delta(mfcc, order=2)
        parts = (mfcc, delta, delta2, librosa.power_to_db(mel))
        return np.concatenate([part.mean(axis=1) for part in parts])  # [79]

    return run


def librosa_shared() -> Extract:
    """The common task as an expert would write it: one spectrogram for both."""
    import librosa

    def run(file: str) -> np.ndarray:
        samples, rate = librosa.load(file, sr=None)
        power = np.abs(librosa.stft(samples)) ** 2
        level = librosa.power_to_db(librosa.feature.melspectrogram(S=power, sr=rate))
        mfcc = librosa.feature.mfcc(S=level, n_mfcc=13)
        mel = librosa.feature.melspectrogram(S=power, sr=rate, n_mels=40)
        delta, delta2 = librosa.feature.delta(mfcc), librosa.feature.delta(mfcc, order=2)
        parts = (mfcc, delta, delta2, librosa.power_to_db(mel))
        return np.concatenate([part.mean(axis=1) for part in parts])  # [79]

    return run


def affekt_without_pitch() -> Extract:
    """All of affekt's families that need no pitch, with their functionals."""
    return _affekt_sets("mfcc", "mel", "energy", "spectral", "chroma")


def affekt_all() -> Extract:
    """All of affekt's families."""
    from affekt.features import SETS

    return _affekt_sets(*SETS)


def _affekt_sets(*sets: str) -> Extract:
    from affekt.audio import load_audio
    from affekt.features import extract

    def run(file: str) -> np.ndarray:
        row: np.ndarray = extract(load_audio(file), 16000, sets).values[0]
        return row

    return run


def opensmile_egemaps() -> Extract:
    """The 88 functionals of eGeMAPS."""
    return _opensmile("eGeMAPSv02")


def opensmile_compare() -> Extract:
    """The 6373 functionals of ComParE 2016."""
    return _opensmile("ComParE_2016")


def _opensmile(name: str) -> Extract:
    import opensmile

    smile = opensmile.Smile(opensmile.FeatureSet[name], num_workers=1)

    def run(file: str) -> np.ndarray:
        return np.asarray(smile.process_file(file).to_numpy()[0])

    return run


PEERS: dict[str, tuple[str, Callable[[], Extract]]] = {
    "affekt": ("affekt: tutorial features", affekt_tutorial),
    "librosa": ("librosa: tutorial features, as usually written", librosa_usual),
    "librosa-shared": ("librosa: tutorial features, one spectrogram", librosa_shared),
    "affekt-sets": ("affekt: all sets without pitch, functionals", affekt_without_pitch),
    "affekt-all": ("affekt: all sets, functionals", affekt_all),
    "egemaps": ("openSMILE: eGeMAPS, functionals", opensmile_egemaps),
    "compare": ("openSMILE: ComParE 2016, functionals", opensmile_compare),
}
"""Key to title, and to what makes the work."""


# --- one system, in a process of its own ---


def work(peer: str, files: Sequence[str]) -> None:
    """Warm up, then time one pass over the files for each line read from stdin."""
    run = PEERS[peer][1]()
    for file in files[:WARM_UP]:
        size = len(run(file))
    print(size, flush=True)
    work_in_rounds(lambda: [run(file) for file in files])


# --- the measurement ---


def largest_difference(files: Sequence[str]) -> float:
    """Return how far affekt's answers to the common task are from librosa's, in dB."""
    own, usual, shared = affekt_tutorial(), librosa_usual(), librosa_shared()
    differences = [
        np.abs(np.stack([usual(file), shared(file)]) - own(file)).max() for file in files
    ]
    return float(max(differences))


def measure(data: Path | None, clips: int, rounds: int) -> Result:
    """Run all systems and return the result as it is stored."""
    from affekt.evaluation.provenance import commit, data_fingerprint, software_versions

    start = time.perf_counter()
    chosen = choose_clips(data, clips)
    files = [str(clip.file) for clip in chosen]
    difference = largest_difference(files[:: max(1, len(files) // 20)])
    if difference > MAX_DIFFERENCE:
        raise SystemExit(f"error: affekt and librosa differ by {difference:.3f} dB: no fair race")
    systems = {peer: Worker(__file__, "--worker", peer, *files) for peer in PEERS}
    for number in range(rounds):
        for system in systems.values():
            system.round()
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    for system in systems.values():
        system.finish()
    return {
        "clips": len(files),
        "audio_seconds": round(sum(map(duration, files)), 1),
        "rounds": rounds,
        "threads": 1,
        "largest_difference_db": round(difference, 6),
        "peers": {peer: summary(peer, systems, len(files)) for peer in PEERS},
        "machine": processor(),
        "versions": software_versions() | {name: version(name) for name in REQUIRED},
        "data_sha256": data_fingerprint(chosen),
        "commit": commit(),
        "wall_seconds": round(time.perf_counter() - start, 1),
    }


def summary(peer: str, systems: dict[str, Worker], clips: int) -> dict[str, Any]:
    """Return the figures of one system; ratios are against affekt, round by round."""
    own, reference = systems[peer].seconds, systems[REFERENCE].seconds
    ratios = [first / second for first, second in zip(own, reference, strict=True)]
    return {
        "title": PEERS[peer][0],
        "features": int(systems[peer].greeting),
        "clips_per_second": round(clips / statistics.median(own), 2),
        "milliseconds_per_clip": round(1000 * statistics.median(own) / clips, 3),
        "times_as_long": round(statistics.median(ratios), 3),
        "seconds_per_round": [round(second, 4) for second in own],
    }


# --- the table ---


def table(result: Result) -> str:
    """Return the result as Markdown: the table, and the conditions in one sentence."""
    lines = [
        "| | numbers per clip | clips per second | ms per clip | takes as long |",
        "|---|---:|---:|---:|---:|",
    ]
    for peer in result["peers"].values():
        lines.append(
            f"| {peer['title']} | {peer['features']} | {peer['clips_per_second']:.0f} "
            f"| {peer['milliseconds_per_clip']:.1f} | {peer['times_as_long']:.2f} × |"
        )
    mean = result["audio_seconds"] / result["clips"]
    shown = ("python", "affekt", "numpy", "onnxruntime", *REQUIRED)
    versions = ", ".join(f"{name} {result['versions'][name]}" for name in shown)
    lines += [
        "",
        f"{result['clips']} RAVDESS clips of {mean:.1f} s on average, one thread, median of "
        f"{result['rounds']} interleaved rounds; the tutorial features of affekt and librosa "
        f"differ by at most {result['largest_difference_db']:.4f} dB; {result['machine']}; "
        f"{versions}; commit `{result['commit'][:12]}`.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, or write the tables again."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder with ravdess/; default: $AFFEKT_DATA")
    parser.add_argument("--clips", type=int, default=100, help="how many clips (100)")
    parser.add_argument("--rounds", type=int, default=5, help="how many rounds (5)")
    REPORT.add_options(parser)
    parser.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()

    if options.worker:
        work(options.worker[0], options.worker[1:])
        return
    if options.table_only:
        REPORT.show(table(REPORT.load()))
        return
    if options.clips < 1 or options.rounds < 1:
        parser.error("--clips and --rounds must be at least 1")
    missing = [name for name in REQUIRED if find_spec(name.replace("-", "_")) is None]
    if missing:
        raise SystemExit(
            f"error: not installed: {', '.join(missing)}; pip install {' '.join(missing)}"
        )

    from affekt.errors import AffektError

    try:
        result = measure(options.data, options.clips, options.rounds)
    except AffektError as error:
        raise SystemExit(f"error: {error}") from None
    REPORT.finish(result, options.out, table)


if __name__ == "__main__":
    main()
