"""``affekt new``: from recordings to a recipe that trains."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tone_corpus import make_tones

from affekt.cli import _training, main

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tones(tmp_path_factory.mktemp("recordings"), takes=2, seconds=0.4)


def test_a_project_is_ready_to_train(run: Run, tones: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    done = run("new", "moods", "--source", tones)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^angry +16$", done.stdout, re.M)
    assert "48 clips, 0.3 minutes, 8 known speakers" in done.stderr
    said = re.search(r"about (\d+) (s|min) here: 48 clips .* and (\d+) steps of", done.stderr)
    assert said is not None
    train = done.stdout.splitlines()[-2].split()
    assert train == ["affekt", "train", "moods/recipe.toml", "--out", "moods/run"]
    done = run(*train[1:], "--set", "training.epochs=1")
    assert done.returncode == 0, done.stderr
    begun = "starting moods/recipe.toml: the run is written to moods/run\nreading audio: 1 of "
    assert done.stderr.startswith(begun)
    assert int(said[3]) == 50 * int(re.findall(r"step (\d+)/\1 ", done.stderr)[0])
    assert (tmp_path / "moods" / "run" / "model" / "model.onnx").is_file()


def test_a_quick_project(run: Run, tones: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    done = run("new", "moods", "--source", tones, "--quick")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "moods" / "recipe.toml").read_text()
    assert text.endswith("[training]\nepochs = 10\nclips_per_epoch = 512\n")
    done = run("train", "cnn", "-s", tones, "--quick", "--set", "training.epochs=1", "-o", "run")
    assert done.returncode == 0, done.stderr
    recipe = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert (recipe["training"]["epochs"], recipe["training"]["clips_per_epoch"]) == (1, 512)


def test_unknown_speakers_are_told(run: Run, tones: Path, tmp_path: Path) -> None:
    for file in sorted(tones.rglob("*.wav")):
        folder = tmp_path / "mine" / file.relative_to(tones).parts[0]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, folder / file.name)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text("import sys; sys.modules['torch'] = None")
    done = run("new", "moods", "-s", "mine", env={"PYTHONPATH": str(tmp_path / "site")})
    assert done.returncode == 0, done.stderr
    assert "nothing is measured" in done.stderr
    assert "pip install 'affekt[train]'" in done.stderr
    text = (tmp_path / "moods" / "recipe.toml").read_text()
    assert "validation = 0\ntest = 0\n" in text
    assert f'sources = ["{tmp_path / "mine"}"]' in text


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["new", "moods"], "Say --source FOLDER, CSV or corpus"),
        (["new", "full", "-s", "mine"], "full is there already"),
        (["new", "moods", "-s", "mine", "--recipe", "cnnn"], "did you mean cnn?"),
        (["new", "moods", "-s", "one"], "recordings of two emotions or more are needed"),
        (["new", "moods", "-s", "gone"], "nor a folder"),
    ],
)
def test_mistakes(
    words: list[str],
    expected: str,
    tones: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    shutil.copytree(tones / "sad", tmp_path / "one" / "sad")
    with pytest.raises(SystemExit) as ended:
        main(words)
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert expected in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "moods").exists()


def test_a_log_says_how_long_the_rest_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = iter([100.0, 105.0, 112.0, 114.0])
    monkeypatch.setattr(_training.time, "monotonic", lambda: next(seconds))
    view = _training._RunView(None)
    view.started(0, 63, ())
    for step in (1, 2, 3, 4):
        view.step(step, 1.0)
    # 12 s for the two steps after the first: 6 s for each of the 60 that are left.
    assert capsys.readouterr().err == "about 6 min left: 60 steps of 6 s each\n"


def test_a_log_says_how_long_the_reading_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 100.0
    monkeypatch.setattr(_training.time, "monotonic", lambda: now)
    view = _training._RunView(None)
    for second, done in ((100, 1), (109, 10), (111, 12), (140, 41), (142, 43)):
        now = float(second)
        view.reading("reading audio", done, 100)
    expected = ["1 of 100", "12 of 100, about 88 s left", "43 of 100, about 57 s left"]
    assert capsys.readouterr().err.splitlines() == [f"reading audio: {one}" for one in expected]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.2, "1 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (9000, "2.5 h")],
)
def test_lengths_of_time(seconds: float, expected: str) -> None:
    assert _training.duration(seconds) == expected
