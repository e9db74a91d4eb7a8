"""``affekt search`` as its users meet it: stopped, killed, and brought to its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from command_line import Answer, affekt
from patience import PATIENCE
from stopping import interrupt, start_halted
from tone_corpus import make_tones, tone_clips, write_recipe

torch = pytest.importorskip("torch")
pytest.importorskip("optuna")

from tone_protocol import tone_protocol  # noqa: E402

from affekt.training import fit, load_recipe  # noqa: E402
from affekt.training.data.split import choose_split  # noqa: E402

Call = Callable[..., Answer]

SPACE = """
training.learning_rate = { low = 1e-4, high = 0.1, log = true }
model.head_dropout = { choices = [0.0, 0.5] }
"""
WORDS = ("tiny.toml", "--space", "space.toml", "--source", "tones", "--out", "found")


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """Return a function that runs ``affekt search`` in a folder with a recipe and a space."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AFFEKT_DATA", "no-corpora")
    write_recipe(tmp_path / "tiny.toml", epochs=6, training="checkpoint_seconds = 0.0")
    (tmp_path / "space.toml").write_text(SPACE)
    make_tones(tmp_path / "tones", takes=2, seconds=0.3)
    return partial(affekt, capsys, "search")


FIRST = "args[0].name == 'last.safetensors'"
SECOND = f"{FIRST} and args[0].parents[1].name != '1' and Path('found/trials.csv').is_file()"


def stopped(folder: Path, number: signal.Signals, when: str) -> tuple[int, str]:
    """Stop a search by a signal, within the training of a trial; return status and stderr."""
    process = start_halted(
        "affekt.models.checkpoint:save",
        when,
        *("search", *WORDS, "--trials", "4"),
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    interrupt(process, number)
    errors = process.communicate(timeout=PATIENCE)[1]
    return process.returncode, errors


def test_a_search_survives_ctrl_c_and_kill(call: Call, tmp_path: Path) -> None:
    status, errors = stopped(tmp_path, signal.SIGINT, FIRST)
    assert status == 130, errors
    assert "stopped; the same command continues the search in found" in errors
    status, errors = stopped(tmp_path, signal.SIGKILL, SECOND)
    assert status == -signal.SIGKILL, errors
    assert errors.startswith("continuing at step ")
    assert (tmp_path / "found" / "best.toml").is_file()
    before = (tmp_path / "found" / "trials.csv").read_text()

    status, out, errors = call(*WORDS, "--trials", "4", "--format", "json")
    assert status == 0, errors
    first, *_, last = errors.splitlines()
    assert first.startswith("continuing at step ")
    assert last == f"best recipe: {Path('found/best.toml')}"
    assert (tmp_path / "found" / "trials.csv").read_text().startswith(before)
    rows = [json.loads(line) for line in out.splitlines()]
    assert sorted(row["trial"] for row in rows) == [1, 2, 3, 4]
    figures = [row["validation_uar"] for row in rows]
    assert figures == sorted(figures, reverse=True)
    assert all(1e-4 <= row["training.learning_rate"] <= 0.1 for row in rows)


def test_what_is_found_can_be_trained(call: Call, tmp_path: Path) -> None:
    status, out, errors = call(*WORDS, "--trials", "2")
    assert status == 0, errors
    assert out.splitlines()[0].split() == [
        *("trial", "validation_uar", "seconds", "training.learning_rate", "model.head_dropout")
    ]
    lines = errors.splitlines()
    assert lines[0].startswith("trial 1 of 2: done, UAR ")
    assert lines[0].endswith("training.learning_rate = 0.01, model.head_dropout = 0.0")
    best = load_recipe(tmp_path / "found" / "best.toml")
    assert best.data.sources == ("tones",)
    sides = choose_split(best.data)
    assert fit(best, sides.train, sides.validation, tmp_path / "run").best_epoch > 0


def test_some_folds_of_a_protocol(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    protocol = tone_protocol(tone_clips(tmp_path / "tones", takes=2, seconds=0.3))
    monkeypatch.setattr("affekt.evaluation.get_protocol", lambda name: protocol)
    words = ("tiny.toml", "--space", "space.toml", "--out", "found", "--trials", "1")
    status, out, errors = call(*words, "--protocol", "emodb-loso", "--folds", "1, 2")
    assert status == 0, errors
    assert len(out.splitlines()) == 2
    call(*words, "--protocol", "emodb-loso", "--folds", "1").is_one_line("holds a search with")
    call(*words, "--protocol", "emodb-loso", "--folds", "3").is_one_line("unknown fold '3'")


def test_mistakes_are_one_line(call: Call, tmp_path: Path) -> None:
    rest = ("--trials", "1")
    gone = ("tiny.toml", "--space", "gone.toml", "--source", "tones", "--out", "found")
    call(*gone, *rest).is_one_line("space not found: gone.toml")
    without = ("tiny.toml", "--space", "space.toml", "--out", "found", *rest)
    call(*without).is_one_line("the recipe names no data")
    call(*without, "--protocol", "x").is_one_line("unknown protocol 'x'")
    assert call(*WORDS, *rest, "--protocol", "emodb-loso")[0] == 2
    assert call(*without, "--folds", "1")[0] == 2
    assert call(*WORDS, "--trials", "0")[0] == 2
    assert call(*WORDS)[0] == 2
    (tmp_path / "space.toml").write_text("training.epochs = { low = 0, high = 3 }")
    call(*WORDS, *rest).is_one_line(
        "space.toml: space: training.epochs = 0: training.epochs must be positive, got 0"
    )
    assert not (tmp_path / "found").exists()
