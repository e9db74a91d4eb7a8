"""How long a new process takes until it answers, beside what a tutorial's call imports.

    python benchmarks/startup.py               # measures, writes the JSON and the table
    python benchmarks/startup.py --table-only  # writes the table again

Every line is a new process with one thread, in turns. The seconds are those of the CPU, user and
system: what else the machine does changes them little. Files are in the disk's cache.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys

from _common import ROOT, THREAD_VARIABLES, Report, Result, processor

REPORT = Report("startup", "benchmarks/measurements.md")
RECORDING = ROOT / "examples" / "recordings" / "english-man-angry.wav"
TUTORIAL = f"""
import librosa, numpy
samples, rate = librosa.load({str(RECORDING)!r}, sr=16000)
numpy.mean(librosa.feature.mfcc(y=samples, sr=rate, n_mfcc=40), axis=1)
"""
LINES = {
    "python -c pass": ["-c", "pass"],
    "import affekt": ["-c", "import affekt"],
    "affekt --version": ["-m", "affekt", "--version"],
    "affekt predict, 2.4 s of sound, model base": ["-m", "affekt", "predict", str(RECORDING)],
    "the same, model live": ["-m", "affekt", "predict", "-m", "live", str(RECORDING)],
    "a tutorial's features (librosa: 40 MFCC), no model": ["-c", TUTORIAL],
    "from transformers import pipeline, no model": [
        "-c",
        "from transformers import pipeline; pipeline",
    ],
}
"""By title, the arguments of Python."""


def cpu_seconds(words: list[str]) -> float:
    """Return the CPU time of a new process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, "1")}
    subprocess.run([sys.executable, *words], env=environment, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(rounds: int) -> Result:
    """Start every process so many times, and once before that does not count."""
    from affekt.evaluation.provenance import commit, software_versions

    seconds: dict[str, list[float]] = {title: [] for title in LINES}
    for number in range(rounds + 1):
        for title, words in LINES.items():
            taken = cpu_seconds(words)
            if number:
                seconds[title].append(round(taken, 4))
    return {
        "cpu_seconds": {title: statistics.median(values) for title, values in seconds.items()},
        "cpu_seconds_per_round": seconds,
        "rounds": rounds,
        "machine": processor(),
        "versions": software_versions(),
        "commit": commit(),
    }


def table(result: Result) -> str:
    """Return the result as Markdown."""
    rows = [f"| {title} | {value:.2f} |" for title, value in result["cpu_seconds"].items()]
    return "\n".join(
        [
            "| new process | CPU, s |",
            "|---|---:|",
            *rows,
            "",
            f"Median of {result['rounds']} interleaved rounds, one thread; {result['machine']}, "
            f"python {result['versions']['python']}; commit `{result['commit'][:12]}`.",
        ]
    )


def main() -> None:
    """Measure, or show what is stored."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    REPORT.run(parser, lambda options: measure(options.rounds), table)


if __name__ == "__main__":
    main()
