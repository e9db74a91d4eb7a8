"""How long a new process takes until it answers, beside what a tutorial's call imports; and what
an installation takes.

    python benchmarks/startup.py               # measures, writes the JSON and the table
    python benchmarks/startup.py --table-only  # writes the table again

The installation is that of a wheel into a new environment, when pip has its packages already: wall
time until ``affekt predict`` has answered, and the bytes of each package. Every other line is a new
process with one thread, in turns. The seconds are those of the CPU, user and system: what else the
machine does changes them little. Files are in the disk's cache.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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
SIZES = """
import json
from importlib.metadata import distributions
sizes = {}
for one in distributions():
    files = [one.locate_file(file) for file in one.files or ()]
    sizes[one.name] = sum(file.stat().st_size for file in files if file.is_file())
print(json.dumps(sizes))
"""
LARGE = 1e6  # bytes; what is smaller has no row of its own


def cpu_seconds(words: list[str]) -> float:
    """Return the CPU time of a new process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, "1")}
    subprocess.run([sys.executable, *words], env=environment, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def install() -> Result:
    """Install a wheel into a new environment twice; the second time pip's cache is warm."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        pip = [sys.executable, "-m", "pip", "--quiet"]
        subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", name, str(ROOT)], check=True)
        (wheel,) = place.glob("*.whl")
        for attempt in ("cold", "warm"):
            programs = place / attempt / "bin"
            subprocess.run([sys.executable, "-m", "venv", place / attempt], check=True)
            words = [
                "install",
                "--quiet",
                "--constraint",
                str(ROOT / "constraints.txt"),
                str(wheel),
            ]
            begun = time.monotonic()
            subprocess.run([str(programs / "pip"), *words], check=True)
            installed = time.monotonic()
            answer = [str(programs / "affekt"), "predict", str(RECORDING)]
            subprocess.run(answer, check=True, capture_output=True)
            answered = time.monotonic()
        told = subprocess.run(
            [programs / "python", "-c", SIZES], check=True, capture_output=True, text=True
        )
        sizes = json.loads(told.stdout)
    return {
        "install_seconds": round(installed - begun, 2),
        "first_answer_seconds": round(answered - installed, 2),
        "bytes": dict(sorted(sizes.items(), key=lambda one: -one[1])),
    }


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
        "install": install(),
        "machine": processor(),
        "versions": software_versions(),
        "commit": commit(),
    }


def table(result: Result) -> str:
    """Return the result as Markdown."""
    rows = [f"| {title} | {value:.2f} |" for title, value in result["cpu_seconds"].items()]
    made = result["install"]
    large = [(name, size) for name, size in made["bytes"].items() if size >= LARGE]
    rest = sum(made["bytes"].values()) - sum(size for _, size in large)
    packages = [f"| {name} | {size / 1e6:.0f} |" for name, size in (*large, ("all others", rest))]
    return "\n".join(
        [
            "| new process | CPU, s |",
            "|---|---:|",
            *rows,
            "",
            f"Median of {result['rounds']} interleaved rounds, one thread; {result['machine']}, "
            f"python {result['versions']['python']}; commit `{result['commit'][:12]}`.",
            "",
            "| package of the base install | MB |",
            "|---|---:|",
            *packages,
            f"| **together** | **{sum(made['bytes'].values()) / 1e6:.0f}** |",
            "",
            f"With these packages in pip's cache, `pip install` of the wheel took "
            f"{made['install_seconds']:.1f} s, and the first `affekt predict` "
            f"{made['first_answer_seconds']:.1f} s, wall time.",
        ]
    )


def main() -> None:
    """Measure, or show what is stored."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    REPORT.run(parser, lambda options: measure(options.rounds), table)


if __name__ == "__main__":
    main()
