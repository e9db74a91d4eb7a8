from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from affekt import __version__
from affekt.cli.doctor import EXTRAS
from affekt.runtime.bundle import ASSETS, SHIPPED

Run = Callable[..., subprocess.CompletedProcess[str]]


def findings(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, str]]:
    return {row["what"]: row for row in map(json.loads, done.stdout.splitlines())}


def test_a_healthy_installation(run: Run, tiny_model: Path) -> None:
    done = run("doctor", "--model", tiny_model, "--format", "json")
    assert done.returncode == 0, done.stderr
    found = findings(done)
    assert found["affekt"]["detail"] == __version__
    assert found["numpy"]["detail"] == version("numpy")
    for kind in ("wav", "flac", "ogg", "mp3", "m4a", "webm"):
        assert found[f"reads {kind}"]["state"] == "ok"
    assert found[f"model {tiny_model}"]["state"] == "ok"
    assert found[f"answers {tiny_model}"]["state"] == "absent"  # it was never exported
    for name in SHIPPED:
        assert found[f"answers {name}"]["state"] == "ok"
    assert found["processor"]["detail"].startswith(platform.machine())
    assert "broken" not in {row["state"] for row in found.values()}


def test_a_corpus_is_found(run: Run, tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "corpora" / "emodb").mkdir(parents=True)
    done = run("doctor", "-m", tiny_model, "--data", "corpora", "--format", "json")
    found = findings(done)
    assert found["corpus emodb"]["state"] == "ok"
    assert found["corpus ravdess"]["state"] == "absent"
    assert "affekt data get ravdess" in found["corpus ravdess"]["detail"]


def test_every_extra_is_known(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert set(EXTRAS) == set(extras) - {"dev", "docs"}
    for name, packages in EXTRAS.items():
        assert len(packages) == len(extras[name]), name


def test_a_missing_extra_is_no_fault(run: Run, tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['swift_f0'] = None")
    env = {"PYTHONPATH": str(tmp_path)}
    done = run("doctor", "-m", tiny_model, "--format", "json", env=env)
    assert done.returncode == 0, done.stderr
    features = findings(done)["extra features"]
    assert features["state"] == "absent"
    assert "pip install 'affekt[features]'" in features["detail"]


@pytest.mark.parametrize(
    ("package", "broken"),
    [("soxr", "soxr"), ("onnxruntime", "onnxruntime"), ("soundfile", "soundfile")],
)
def test_a_broken_package(
    package: str, broken: str, run: Run, tiny_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"import sys; sys.modules['{package}'] = None")
    env = {"PYTHONPATH": str(tmp_path)}
    done = run("doctor", "-m", tiny_model, "--format", "json", env=env)
    assert done.returncode == 1, done.stderr
    found = findings(done)
    assert found[broken]["state"] == "broken"
    assert f"pip install --force-reinstall {package}" in found[broken]["detail"]
    assert done.stderr.startswith("error: broken: ")


def test_a_model_that_does_not_load(run: Run) -> None:
    done = run("doctor", "--model", "./none")
    assert done.returncode == 1
    assert "no model at none" in done.stdout
    assert done.stderr == "error: broken: model ./none\n"


def test_a_model_that_answers_otherwise(run: Run, tmp_path: Path) -> None:
    """The report of one model beside the graph of another."""
    folder, assets = tmp_path / "mixed", ASSETS
    shutil.copytree(assets / "nano", folder)
    shutil.copy(assets / "small" / "parity.json", folder)
    done = run("doctor", "--model", folder, "--format", "json")
    assert done.returncode == 1
    assert findings(done)[f"model {folder}"]["state"] == "ok"
    answers = findings(done)[f"answers {folder}"]
    assert answers["state"] == "broken"
    assert "from the stored ones, allowed is 0.01" in answers["detail"]
    assert done.stderr == f"error: broken: answers {folder}\n"
