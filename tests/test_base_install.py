"""The base install alone, in a new environment: small, free of torch, and able to predict."""

from __future__ import annotations

import json
import os
import subprocess
import time
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

LARGEST_ENVIRONMENT = 320e6  # bytes
LONGEST_OWN_TIME = 0.25  # seconds of a cold prediction beyond importing what it stands on
STANDS_ON = "import numpy, onnxruntime, soundfile"


@dataclass(frozen=True)
class Environment:
    """A virtual environment and the programs in it."""

    folder: Path

    def run(self, program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment from its own folder, so that no source tree helps."""
        variables = {
            name: value
            for name, value in os.environ.items()
            if name not in {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
        }
        return subprocess.run(
            [str(self.folder / "bin" / program), *map(str, arguments)],
            cwd=self.folder,
            env=variables,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def seconds(self, program: str, *arguments: str | Path) -> float:
        """Return the wall time of one successful run."""
        start = time.perf_counter()
        done = self.run(program, *arguments)
        elapsed = time.perf_counter() - start
        assert done.returncode == 0, done.stderr
        return elapsed


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Environment:
    """An environment with nothing but ``pip install .``."""
    folder = tmp_path_factory.mktemp("base") / "env"
    venv.create(folder, with_pip=True, symlinks=True)
    environment = Environment(folder)
    pins = repository / "constraints.txt"
    done = environment.run("pip", "install", "--quiet", "--constraint", pins, repository)
    assert done.returncode == 0, done.stderr
    return environment


def test_no_extra_came_along(base: Environment) -> None:
    names = ["torch", "sklearn", "scipy", "pandas", "librosa", "matplotlib", "tensorflow"]
    script = f"import importlib.util as u; print([n for n in {names} if u.find_spec(n)])"
    done = base.run("python", "-c", script)
    assert done.stdout.strip() == "[]", done.stderr


def test_it_is_small(base: Environment) -> None:
    files = [file for file in base.folder.rglob("*") if file.is_file() and not file.is_symlink()]
    size = sum(file.stat().st_size for file in files)
    assert size < LARGEST_ENVIRONMENT, f"{size / 1e6:.0f} MB"


def test_it_predicts_the_sample_recordings(base: Environment, recordings: Sequence[Path]) -> None:
    assert recordings
    done = base.run("affekt", "predict", "--format", "json", *recordings)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(row["file"]).name for row in rows] == [file.name for file in recordings]
    for row in rows:
        assert 0 < row["confidence"] <= 1
        assert row["label"] in {"angry", "disgust", "fearful", "happy", "neutral", "sad"}


def test_a_missing_extra_is_named(base: Environment, repository: Path, tmp_path: Path) -> None:
    recipe = repository / "recipes" / "ravdess-cnn.toml"
    done = base.run("affekt", "train", recipe, "--out", tmp_path / "run")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "pip install 'affekt[train]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_cold_prediction_adds_little(base: Environment, recordings: Sequence[Path]) -> None:
    # The least of several runs is what the program needs; the rest is what the machine did
    # besides. A quiet machine answers at the first attempt.
    imports, predictions = [], []
    for _ in range(8):
        imports.append(base.seconds("python", "-c", STANDS_ON))
        predictions.append(base.seconds("affekt", "predict", recordings[0]))
        own = min(predictions) - min(imports)
        if own < LONGEST_OWN_TIME and len(imports) > 1:
            break
    print(f"cold prediction {min(predictions):.2f} s, of which {own:.2f} s affekt's own")
    assert own < LONGEST_OWN_TIME
