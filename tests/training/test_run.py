"""A whole run: its folder, its figures, its model, and what happens the second time."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_corpus import write_sound
from tone_corpus import make_tones, read_history, write_recipe

torch = pytest.importorskip("torch")

from affekt import load_model  # noqa: E402
from affekt.config import build  # noqa: E402
from affekt.data import read_manifest  # noqa: E402
from affekt.errors import ConfigError, DataError, ModelError  # noqa: E402
from affekt.formats import paper  # noqa: E402
from affekt.training import Recipe, load_recipe  # noqa: E402
from affekt.training.network.loop import Epoch, Quiet, _highest_shown  # noqa: E402
from affekt.training.run import RunResult, train  # noqa: E402

COLUMNS = "epoch step learning_rate loss validation_loss validation_uar seconds".split()
EPOCHS, STEPS_PER_EPOCH = 12, 2  # 35 readable clips, 12 a step
UNREADABLE = (
    "sad/c/sad-c-2.wav",
    "angry/e/angry-e-0.wav",
)  # of a speaker who trains, of one who tests


class Breaking(Quiet):
    """Breaks a run off at some steps, each once."""

    def __init__(self, *at: int) -> None:
        self.at = set(at)

    def step(self, step: int, loss: float) -> None:
        if step in self.at:
            self.at.remove(step)
            raise RuntimeError(f"broken at {step}")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_tones(tmp_path_factory.mktemp("recordings"))
    for name in UNREADABLE:
        (folder / name).write_bytes(b"not a sound")
    return folder


@pytest.fixture(scope="module")
def recipe(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    made = load_recipe(
        write_recipe(
            tmp_path_factory.mktemp("recipe") / "tones.toml",
            epochs=EPOCHS,
            training="checkpoint_seconds = 0.0",
        )
    )
    return replace(made, data=replace(made.data, sources=(str(recordings),)))


@pytest.fixture(scope="module")
def finished(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunResult]:
    """A run that was broken off twice, within the second and the sixth epoch, and then finished."""
    folder = tmp_path_factory.mktemp("runs") / "tones"
    reporter = Breaking(4, 12)
    for step in (4, 12):
        with pytest.raises(RuntimeError, match=f"broken at {step}"):
            train(recipe, folder, reporter=reporter)
        # Nobody waits for the end: the history so far can be read and seen.
        assert len(read_history(folder)) == (step - 1) // STEPS_PER_EPOCH
        assert (folder / "curves.png").exists()
    return folder, train(recipe, folder, reporter=reporter)


def test_the_history_has_neither_gaps_nor_duplicates(finished: tuple[Path, RunResult]) -> None:
    folder, result = finished
    rows = read_history(folder)
    assert list(rows[0]) == COLUMNS
    assert [int(row["epoch"]) for row in rows] == list(range(1, EPOCHS + 1))
    assert [int(row["step"]) for row in rows] == [STEPS_PER_EPOCH * n for n in range(1, EPOCHS + 1)]
    for row, epoch in zip(rows, result.fitted.history, strict=True):
        for name in COLUMNS:
            assert float(row[name]) == pytest.approx(getattr(epoch, name), rel=1e-5)
    seconds = [float(row["seconds"]) for row in rows]
    assert seconds == sorted(seconds)
    assert seconds[0] > 0


def test_the_scalars_can_be_read_back(finished: tuple[Path, RunResult]) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder, result = finished
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {
        "loss/step",
        *(f"epoch/{name}" for name in COLUMNS[2:6]),
    }
    steps = [event.step for event in events.Scalars("loss/step")]
    assert steps == list(range(1, EPOCHS * STEPS_PER_EPOCH + 1))
    scores = [(event.step, event.value) for event in events.Scalars("epoch/validation_uar")]
    expected = [(row.step, pytest.approx(row.validation_uar)) for row in result.fitted.history]
    assert scores == expected


def test_the_curves_are_a_picture(finished: tuple[Path, RunResult]) -> None:
    from matplotlib.image import imread

    picture = imread(finished[0] / "curves.png")
    assert picture.shape[0] > 300
    assert picture.shape[1] > 600
    assert picture.std() > 0.01


def test_a_paper_can_be_written_of_it(finished: tuple[Path, RunResult]) -> None:
    folder, result = finished
    (row,) = paper.read_rows(folder.parent)  # the folder of runs
    assert [row] == paper.read_rows(folder)
    (metrics,) = result.test.values()
    assert row.values["uar"] == metrics.uar
    assert row.system == "tones"
    text = paper.as_markdown([row], "1.2.3")
    low, high = metrics.ci95["uar"]
    assert f"| tones | {100 * metrics.uar:.1f} ({100 * low:.1f} to {100 * high:.1f}) |" in text
    assert f"for {EPOCHS} epochs" in text
    assert "no speaker is on two sides" in text


def test_the_manifest_says_who_was_on_which_side(finished: tuple[Path, RunResult]) -> None:
    clips = read_manifest(finished[0] / "manifest.csv")
    assert len(clips) == 72
    split: dict[str, set[str]] = {}
    for clip in clips:
        split.setdefault(clip.split, set()).add(clip.speaker)
    assert {side: len(speakers) for side, speakers in split.items()} == {
        "train": 4,
        "validation": 2,
        "test": 2,
    }
    config = json.loads((finished[0] / "model" / "config.json").read_text())
    assert {side: set(names) for side, names in config["speakers"].items()} == split


def test_unreadable_clips_are_left_out_on_every_side(finished: tuple[Path, RunResult]) -> None:
    folder, result = finished
    split = {
        "/".join(clip.file.parts[-3:]): clip.split
        for clip in read_manifest(folder / "manifest.csv")
    }
    assert [split[name] for name in UNREADABLE] == ["train", "test"]
    assert len(result.fitted.train) == 35
    assert result.test["own"].n == 17


def test_the_figures_are_those_of_the_exported_model(finished: tuple[Path, RunResult]) -> None:
    folder, result = finished
    assert list(result.test) == ["own"]
    metrics = result.test["own"]
    model = load_model(folder / "model", threads=1)
    test = [
        clip
        for clip in read_manifest(folder / "manifest.csv")
        if clip.split == "test" and not clip.file.as_posix().endswith(UNREADABLE)
    ]
    assert len(test) == 17
    answers = model.predict_batch([clip.file for clip in test])
    hits = [answer.label == clip.emotion for answer, clip in zip(answers, test, strict=True)]
    assert np.mean(hits) == pytest.approx(metrics.wa)
    assert metrics.uar > 0.8
    told = json.loads((folder / "model" / "config.json").read_text())["metrics"]
    assert told[0]["uar"] == pytest.approx(metrics.uar, abs=1e-4)
    assert told[0]["clips"] == metrics.n == len(test)
    report = json.loads((folder / "test" / "own" / "metrics.json").read_text())
    assert report["uar"] == pytest.approx(metrics.uar)
    assert {file.name for file in (folder / "test" / "own").iterdir()} == {
        *("report.txt", "metrics.json", "confusion.png", "reliability.png")
    }


def test_the_folder_holds_what_the_page_says_and_nothing_half_written(
    finished: tuple[Path, RunResult],
) -> None:
    assert {file.name for file in finished[0].iterdir()} == {
        *("manifest.csv", "recipe.json", "history.csv", "curves.png", "tensorboard", "test"),
        *("model", "last.safetensors", "best.safetensors"),
    }
    assert {file.name for file in (finished[0] / "model").iterdir()} == {
        *("config.json", "model.onnx", "model.safetensors", "README.md")
    }


def test_the_recipe_can_be_read_back(recipe: Recipe, finished: tuple[Path, RunResult]) -> None:
    values = json.loads((finished[0] / "recipe.json").read_text())
    assert build(Recipe, values, "recipe") == recipe


def test_a_finished_run_only_exports_again(
    recipe: Recipe, finished: tuple[Path, RunResult]
) -> None:
    folder, result = finished
    history = (folder / "history.csv").read_bytes()
    weights = (folder / "last.safetensors").read_bytes()
    (folder / "model" / "model.onnx").unlink()
    (folder / "history.csv").unlink()  # as if the run had been killed just before its last row
    again = train(recipe, folder, reporter=Breaking(*range(100)))
    assert again.fitted.history == result.fitted.history
    assert (folder / "history.csv").read_bytes() == history
    assert (folder / "last.safetensors").read_bytes() == weights
    assert again.test["own"].uar == result.test["own"].uar
    assert (folder / "model" / "model.onnx").is_file()


def test_the_folder_of_another_run_stays_as_it_is(
    recipe: Recipe, finished: tuple[Path, RunResult]
) -> None:
    folder, _ = finished
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}
    other = replace(recipe, data=replace(recipe.data, split_seed=7))
    for changed, seed in ((other, 0), (recipe, 1)):
        with pytest.raises(ModelError, match="holds a run of another recipe, data or seed"):
            train(changed, folder, seed=seed)
    assert {f: f.stat().st_mtime_ns for f in folder.rglob("*") if f.is_file()} == before


def test_a_damaged_checkpoint_says_what_to_do(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "last.safetensors").write_bytes(b"half of a check")
    with pytest.raises(ModelError, match=r"last\.safetensors is damaged .*delete it to start agai"):
        train(recipe, tmp_path)


def test_a_file_is_no_folder(recipe: Recipe, tmp_path: Path) -> None:
    path = write_sound(tmp_path / "run.wav")
    with pytest.raises(ConfigError, match=r"run\.wav is a file: choose another folder"):
        train(recipe, path)


def test_too_many_unreadable_clips_are_refused_before_training(
    recipe: Recipe, recordings: Path, tmp_path: Path
) -> None:
    for number, file in enumerate(sorted(recordings.rglob("*.wav"))):
        copy = tmp_path / "many" / file.relative_to(recordings)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(b"not a sound" if number % 3 == 0 else file.read_bytes())
    other = replace(recipe, data=replace(recipe.data, sources=(str(tmp_path / "many"),)))
    with pytest.raises(DataError, match=r"6 of 18 clips cannot be read, the first"):
        train(other, tmp_path / "run", reporter=Breaking(*range(100)))
    assert not (tmp_path / "run" / "last.safetensors").exists()


def test_without_held_out_speakers_there_are_no_figures(
    recipe: Recipe, recordings: Path, tmp_path: Path
) -> None:
    data = replace(recipe.data, validation=0.0, test=0.0)
    one = replace(recipe, data=data, training=replace(recipe.training, epochs=1))
    result = train(one, tmp_path / "run")
    assert result.test == {}
    assert result.fitted.best_epoch == 1
    assert not (tmp_path / "run" / "test").exists()
    assert load_model(result.model, threads=1).config.metrics == ()


def test_the_first_losses_do_not_flatten_the_curves() -> None:
    def row(number: int, loss: float, validation: float) -> Epoch:
        return Epoch(number, number, 0.1, loss, validation, math.nan, 1.0)

    later = [row(2, 1.5, 2.0), row(3, 1.0, math.nan)]
    assert _highest_shown([row(1, 2.0, 400.0), *later]) == pytest.approx(2.2)
    assert _highest_shown([row(1, 2.0, 4.0)]) == pytest.approx(4.4)
    assert math.isnan(_highest_shown([row(1, math.nan, math.nan)]))
