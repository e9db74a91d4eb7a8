"""What the benchmarks share, and that each page shows what was measured."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import _common
import pytest
from _common import Report, Worker, spread
from report.page import markers

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = markers("benchmarks/clips.py")
SCRIPTS = sorted(
    path
    for path in (ROOT / "benchmarks").glob("*.py")
    if "\nREPORT = " in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_page_shows_the_stored_result(script: Path) -> None:
    benchmark = runpy.run_path(str(script))
    report = benchmark["REPORT"]
    assert report.name == script.stem
    if not report.file.is_file():
        pytest.skip(f"benchmarks/{script.name} has stored nothing yet")
    assert report.shown() == benchmark["table"](report.load()), "run `make tables`"


def test_every_stored_result_is_shown_again_by_make_tables() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    lines = [f"benchmarks/{path.name} --table-only" for path in SCRIPTS]
    assert [line for line in lines if line not in makefile] == []


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    monkeypatch.setattr(_common, "ROOT", tmp_path)
    report = Report("clips", "page.md")
    report.page.write_text(f"# Before\n{BEGIN}\nold\n{END}\nafter\n", "utf-8")
    return report


def test_a_result_is_stored_printed_and_shown(
    report: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    report.finish({"clips": 3}, report.file, lambda result: f"| {result['clips']} |")
    assert report.load() == {"clips": 3}
    assert capsys.readouterr().out == "| 3 |\n"
    assert report.shown() == "| 3 |"
    text = report.page.read_text(encoding="utf-8")
    assert text == f"# Before\n{BEGIN}\n\n| 3 |\n\n{END}\nafter\n"


def test_a_result_that_goes_elsewhere_leaves_the_page_alone(report: Report, tmp_path: Path) -> None:
    report.finish({"clips": 4}, tmp_path / "trial.json", lambda _: "trial")
    assert json.loads((tmp_path / "trial.json").read_text(encoding="utf-8")) == {"clips": 4}
    assert report.shown() == "old"


def test_nothing_stored_and_lost_markers_are_said(report: Report) -> None:
    with pytest.raises(SystemExit, match=r"never measured: run python benchmarks/clips\.py"):
        report.load()
    report.page.write_text("# No markers\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="must have the lines"):
        report.show("| 1 |")


def test_a_worker_works_once_a_round_and_has_the_last_word(tmp_path: Path) -> None:
    script = tmp_path / "work.py"
    script.write_text(
        f"import os, sys; sys.path.insert(0, {str(ROOT / 'benchmarks')!r})\n"
        "from _common import work_in_rounds\n"
        "done = []\n"
        "print('threads', os.environ['OMP_NUM_THREADS'], *sys.argv[1:], flush=True)\n"
        "work_in_rounds(lambda: done.append(1))\n"
        "print(len(done))\n",
        encoding="utf-8",
    )
    worker = Worker(str(script), "clip")
    assert worker.greeting == "threads 1 clip"
    worker.round()
    worker.round()
    assert worker.finish() == "2"
    assert len(worker.seconds) == 2
    assert min(worker.seconds) > 0


def test_the_memory_of_a_worker_is_its_own(tmp_path: Path) -> None:
    script = tmp_path / "work.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(ROOT / 'benchmarks')!r})\n"
        "from _common import peak_memory, work_in_rounds\n"
        "before = peak_memory()\n"
        "print('ready', flush=True)\n"
        "work_in_rounds(lambda: bytearray(50_000_000))\n"
        "print(before, peak_memory())\n",
        encoding="utf-8",
    )
    held = b"x" * 300_000_000  # by the parent, while the worker is started
    worker = Worker(str(script))
    worker.round()
    before, after = map(int, worker.finish().split())
    assert before < len(held)
    assert 40_000_000 < after - before < 100_000_000


def test_a_worker_that_fails_ends_the_measurement(tmp_path: Path) -> None:
    script = tmp_path / "fail.py"
    script.write_text("raise SystemExit(1)\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="ended early"):
        Worker(str(script))


def test_clips_are_spread(recordings: list[Path]) -> None:
    assert spread(list(range(10)), 4) == [0, 2, 5, 7]
    assert spread([1, 2], 5) == [1, 2]
    assert _common.duration(str(recordings[0])) > 0
    assert "cores" in _common.processor()
