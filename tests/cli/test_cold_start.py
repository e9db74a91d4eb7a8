"""A prediction in a new process is quick, because it imports only what it needs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from patience import PATIENCE

Run = Callable[..., subprocess.CompletedProcess[str]]

NEEDLESS = {"rich", "av", "platformdirs", "urllib.request", "matplotlib"}
"""Modules that a prediction of a wav file has no use for; each takes 10 ms or more to import."""


@pytest.mark.parametrize("style", ["table", "json", "csv"])
def test_a_prediction_imports_nothing_needless(
    style: str, recording: Path, tiny_model: Path
) -> None:
    script = (
        "import sys, runpy, typer\n"
        "before = set(sys.modules)\n"
        f"sys.argv = ['affekt', 'predict', {str(recording)!r}, '-m', {str(tiny_model)!r},"
        f" '-f', {style!r}]\n"
        "try:\n"
        "    runpy.run_module('affekt', run_name='__main__')\n"
        "finally:\n"
        "    print(*sorted(set(sys.modules) - before), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    imported = set(done.stderr.split())
    assert "onnxruntime" in imported  # the list was read
    assert not imported & NEEDLESS


def test_help_imports_no_command(run: Run) -> None:
    done = run("--help", env={"PYTHONPROFILEIMPORTTIME": "1"})
    assert done.returncode == 0
    for name in ("predict", "train", "evaluate", "benchmark", "export", "data", "models", "doctor"):
        assert f"\n  {name} " in done.stdout
        assert f"affekt.cli.{name}\n" not in done.stderr
    for package in ("numpy", "onnxruntime", "torch", "rich"):
        assert f" {package}\n" not in done.stderr


def test_version(run: Run) -> None:
    from affekt import __version__

    assert run("--version").stdout == f"affekt {__version__}\n"


def test_an_unknown_command(run: Run) -> None:
    done = run("predcit")
    assert done.returncode == 2
    assert "No such command 'predcit'" in done.stderr


def test_no_words_at_all(run: Run) -> None:
    done = run()
    assert done.returncode in (0, 2)  # it changed with click 8.2
    assert "predict" in done.stdout + done.stderr


def test_run_as_a_program(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("affekt.exe" if os.name == "nt" else "affekt")
    if not program.is_file():
        pytest.skip("affekt is not installed beside this Python")
    done = subprocess.run(
        [program, "--version"], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.stdout.startswith("affekt ")
