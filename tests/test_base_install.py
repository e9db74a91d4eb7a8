"""The base install alone, in a new environment: small, free of torch, and able to predict."""

from __future__ import annotations

import json
import os
import subprocess
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from patience import PATIENCE

pytestmark = pytest.mark.slow

LARGEST_ENVIRONMENT = 335e6  # bytes; the model base is 13 MB of it


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
            timeout=PATIENCE,
            check=False,
        )


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


def test_a_missing_extra_is_named(base: Environment, tmp_path: Path) -> None:
    lines = (
        ("train", "cnn", "--out", tmp_path / "run"),
        ("export", tmp_path, "--out", tmp_path / "model.onnx"),
        ("export", tmp_path, "--to", "web", "--out", tmp_path / "site"),
        ("features", "a.wav"),
    )
    for line in lines:
        done = base.run("affekt", *line)
        assert done.returncode == 1
        assert done.stderr.startswith("error: ")
        extra = "features" if line[0] == "features" else "train"
        assert f"pip install 'affekt[{extra}]'" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_the_recipes_are_in_the_wheel(base: Environment, repository: Path) -> None:
    names = sorted(path.stem for path in (repository / "recipes").glob("*.toml"))
    done = base.run("affekt", "train", "--help")
    assert done.returncode == 0, done.stderr
    # Without spaces: a line may end at the hyphen of a name.
    assert f"Byname:{','.join(names)}." in "".join(done.stdout.split())
    script = (
        "from affekt.recipe_files import shipped_folder as folder; "
        "print(*sorted(str(path.relative_to(folder())) for path in folder().rglob('*.toml')))"
    )
    done = base.run("python", "-c", script)
    shipped = sorted((repository / "recipes").rglob("*.toml"))
    assert done.stdout.split() == [str(p.relative_to(repository / "recipes")) for p in shipped]
