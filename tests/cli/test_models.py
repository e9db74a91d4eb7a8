from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import affekt
from affekt.runtime.bundle import SHIPPED
from affekt.runtime.metadata import UNINTENDED_USE

SOURCE = Path(affekt.__file__).parents[1]
Run = Callable[..., subprocess.CompletedProcess[str]]


def test_facts_for_people(run: Run, tiny_model: Path) -> None:
    done = run("models", tiny_model, env={"COLUMNS": "60"})
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "noise, 12 clips of 3 speakers (CC0-1.0)" in said
    assert "made-up: UAR 25.0%, accuracy 50.0%" in said
    assert UNINTENDED_USE in said
    lines = [line for line in done.stdout.splitlines() if str(tiny_model) not in line]
    assert max(map(len, lines)) <= 60


def test_facts_for_machines(run: Run, tiny_model: Path) -> None:
    done = run("models", tiny_model, tiny_model / "model.onnx", "--format", "json")
    directory, graph = map(json.loads, done.stdout.splitlines())
    assert directory["metrics"] == [{"protocol": "made-up", "uar": 0.25, "wa": 0.5}]
    assert directory["bytes"] == (tiny_model / "model.onnx").stat().st_size
    assert {**graph, "model": ""} == {**directory, "model": ""}


def test_csv(run: Run, tiny_model: Path) -> None:
    done = run("models", tiny_model, "--format", "csv")
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert row["labels"] == "angry; disgust; fearful; happy; neutral; sad"


def test_the_cache_is_listed(run: Run, tiny_model: Path, tmp_path: Path) -> None:
    root = tmp_path / "cache" / "models"
    shutil.copytree(tiny_model, root / "ana--voice" / "main")
    shutil.copytree(tiny_model, root / "ana--voice" / "v2")
    shutil.copytree(tiny_model, root / "bo--damaged" / "main")
    (root / "bo--damaged" / "main" / "config.json").write_text("{")
    done = run("models", "--format", "json")
    assert done.returncode == 0, done.stderr
    names = [json.loads(line)["model"] for line in done.stdout.splitlines()]
    assert names == [*SHIPPED, "ana/voice", "ana/voice@v2"]
    assert "bo--damaged" in done.stderr


def test_a_model_that_is_not_there(run: Run) -> None:
    done = run("models", "./none")
    assert done.returncode == 1
    assert done.stderr.startswith("error: no model at none")


def test_the_architectures_for_people(run: Run) -> None:
    pytest.importorskip("torch")
    from affekt import models

    done = run("models", "--architectures")
    assert done.returncode == 0, done.stderr
    head, *lines = done.stdout.splitlines()
    assert head.split("  ")[0] == "architecture"
    assert [line.split()[0] for line in lines] == sorted(models.ARCHITECTURES)
    (cnn,) = (line for line in lines if line.startswith("cnn "))
    facts = models.architecture_facts("cnn")
    assert cnn.split()[1:4] == [
        str(facts.parameters),
        f"{facts.multiply_adds_per_second / 1e6:.1f}",
        "yes",
    ]
    assert "`" not in done.stdout


def test_the_architectures_for_machines(run: Run) -> None:
    pytest.importorskip("torch")
    from affekt import models

    done = run("models", "--architectures", "--format", "json")
    rows = {row.pop("architecture"): row for row in map(json.loads, done.stdout.splitlines())}
    assert rows.keys() == models.ARCHITECTURES.keys()
    for name in ("crnn", "light"):
        facts = models.architecture_facts(name)
        for key, value in rows[name].items():
            expected = facts.paper.url if key == "paper" else getattr(facts, key)
            assert value == expected
    assert rows["crnn"]["receptive_field"] is None


def test_architectures_need_torch_and_say_so(run: Run, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(name='torch')", "utf-8")
    done = run("models", "--architectures", env={"PYTHONPATH": f"{tmp_path}{os.pathsep}{SOURCE}"})
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "error: this needs the package 'torch', which is not installed: "
        "pip install 'affekt[train]'\n"
    )


def test_architectures_are_no_models(run: Run, tiny_model: Path) -> None:
    done = run("models", "--architectures", tiny_model)
    assert done.returncode == 2
    assert "--architectures takes no models" in done.stderr
