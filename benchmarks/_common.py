"""What the benchmarks share: where figures are kept, measured processes, clips, the machine.

A benchmark is a script with a :class:`Report` and a function that turns a stored result into
Markdown:

    REPORT = Report("speed", "benchmarks/measurements.md")
    ...
    if options.table_only:
        REPORT.show(table(REPORT.load()))
    else:
        REPORT.finish(measure(options), options.out, table)
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from report.page import read_block, write_block, write_text

if TYPE_CHECKING:
    from affekt.data import Clip

ROOT = Path(__file__).resolve().parents[1]

Result = dict[str, Any]
"""What is stored of a measurement: anything JSON can hold."""

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def recipe_file(name: str) -> Path:
    """Return the file of a recipe that has results: one of an experiment, or a shipped one."""
    from affekt.recipe_files import find_recipe

    path = ROOT / "benchmarks" / "recipes" / f"{name}.toml"
    return path if path.is_file() else find_recipe(name, ROOT / "recipes")


# --- where figures are kept ---


@dataclass(frozen=True)
class Report:
    """The JSON file of a benchmark, and the page that shows a table of it.

    Parameters
    ----------
    name : str
        That of the script, of the JSON file, and of the markers in the page.
    shown_in : str
        The page, relative to the root of the project.
    part : str
        Of a page that shows the result at several places, which one it is.
    """

    name: str
    shown_in: str
    part: str = ""

    @property
    def file(self) -> Path:
        """Where the result is stored."""
        return ROOT / "benchmarks" / "results" / f"{self.name}.json"

    @property
    def page(self) -> Path:
        """The page with the table."""
        return ROOT / self.shown_in

    @property
    def block(self) -> str:
        """The name of the generated block of the page."""
        return f"benchmarks/{self.name}.py" + (f" {self.part}" if self.part else "")

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Let a script be told where its result goes, and to show what is stored."""
        parser.add_argument("--out", type=Path, default=self.file, help="where the JSON goes")
        parser.add_argument(
            "--table-only", action="store_true", help=f"write {self.shown_in} again"
        )

    def run(
        self,
        parser: argparse.ArgumentParser,
        measure: Callable[[argparse.Namespace], Result],
        table: Callable[[Result], str],
    ) -> None:
        """Be a script: measure, store and show; or, where asked to, show what is stored again."""
        from affekt.errors import AffektError

        self.add_options(parser)
        options = parser.parse_args()
        if options.table_only:
            self.show(table(self.load()))
            return
        try:
            result = measure(options)
        except AffektError as error:
            raise SystemExit(f"error: {error}") from None
        self.finish(result, options.out, table)

    def load(self) -> Result:
        """Return the stored result; without one, end the program and say what to run."""
        if not self.file.is_file():
            raise SystemExit(f"error: never measured: run python benchmarks/{self.name}.py")
        result: Result = json.loads(self.file.read_text(encoding="utf-8"))
        return result

    def finish(self, result: Result, out: Path, table: Callable[[Result], str]) -> None:
        """Store a result and print its table; show it in the page unless it went elsewhere."""
        write_text(out, json.dumps(result, indent=2) + "\n")
        if out.resolve() == self.file:
            self.show(table(result))
        print(table(result))

    def show(self, table: str) -> None:
        """Write a table into the block of the page."""
        from affekt.errors import DataError

        try:
            write_block(self.page, self.block, table)
        except DataError as error:
            raise SystemExit(f"error: {error}") from None

    def shown(self) -> str:
        """Return what stands in the block of the page."""
        return read_block(self.page, self.block)


# --- measured processes ---


class Worker:
    """A process with one thread that does its work once for every round.

    It is ``python SCRIPT ARGUMENTS``, prints one line when it is ready, and then calls
    :func:`work_in_rounds`.
    """

    def __init__(self, script: str, *arguments: str) -> None:
        self.seconds: list[float] = []
        self.cpu_seconds: list[float] = []
        self._process = subprocess.Popen(
            [sys.executable, script, *arguments],
            env={**os.environ, **dict.fromkeys(THREAD_VARIABLES, "1")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.greeting = self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            self._process.communicate()
            raise SystemExit("error: a measured process ended early; its message is above")
        return line

    def round(self) -> None:
        """Have the work done once, and keep the seconds it took: by the clock, and of the CPU."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        clock, cpu = map(float, self._answer().split())
        self.seconds.append(clock)
        self.cpu_seconds.append(cpu)

    def finish(self) -> str:
        """End the process; return what it printed last."""
        return self._process.communicate()[0].strip()


def work_in_rounds(work: Callable[[], object]) -> None:
    """In a worker: do the work and print the seconds it took, for each line read from stdin."""
    for _ in sys.stdin:
        start, start_cpu = time.perf_counter(), time.process_time()
        work()
        print(time.perf_counter() - start, time.process_time() - start_cpu, flush=True)


def peak_memory() -> int:
    """Return the most memory that was resident in this process, in bytes.

    On Linux ``ru_maxrss`` begins with what the parent held when it forked; ``VmHWM`` does not.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        (line,) = (row for row in status.read_text().splitlines() if row.startswith("VmHWM:"))
        return 1024 * int(line.split()[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024)


# --- clips and the machine ---


def choose_clips(data: Path | None, count: int) -> list[Clip]:
    """Return RAVDESS clips, spread evenly over actors and emotions."""
    from affekt.data import load_corpus

    return spread(sorted(load_corpus("ravdess", data), key=lambda clip: clip.file), count)


def spread(clips: Sequence[Clip], count: int) -> list[Clip]:
    """Return some of the clips, at even distances."""
    count = min(count, len(clips))
    return [clips[i * len(clips) // count] for i in range(count)]


def duration(file: str) -> float:
    """Return the length of a recording in seconds."""
    import soundfile

    return float(soundfile.info(file).duration)


def processor() -> str:
    """Return the name of the processor and how many cores this process may use."""
    name = platform.processor() or "unknown processor"
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        name = lines[0].partition(":")[2].strip() if lines else name
    return f"{name}, {os.cpu_count()} cores"
