"""Distillation: what teachers answer, how it is blended, and what they may not know."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tone_corpus import make_tones, write_recipe

torch = pytest.importorskip("torch")

import affekt  # noqa: E402
from affekt.errors import ConfigError, DataError  # noqa: E402
from affekt.runtime.backends import OnnxBackend  # noqa: E402
from affekt.runtime.bundle import open_bundle  # noqa: E402
from affekt.training import load_recipe  # noqa: E402
from affekt.training.benchmark.systems import make_system  # noqa: E402
from affekt.training.data.split import choose_split  # noqa: E402
from affekt.training.network.fit import fit  # noqa: E402
from affekt.training.network.teachers import FILE, Teachers, blended, standardised  # noqa: E402  # noqa: E402
from affekt.training.recipe.schema import (  # noqa: E402
    DistilConfig,
    Recipe,
)
from affekt.training.run import train  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings, a recipe, and the model that it makes."""
    place = tmp_path_factory.mktemp("distil")
    make_tones(place / "tones", takes=2)
    source = f'sources = ["{(place / "tones").as_posix()}"]'
    write_recipe(place / "tones.toml", epochs=8, data=source)
    train(load_recipe(place / "tones.toml"), place / "teacher")
    return place


@pytest.fixture(scope="module")
def recipe(folder: Path) -> Recipe:
    return load_recipe(folder / "tones.toml")


def taught(recipe: Recipe, folder: Path, **changes: object) -> Recipe:
    config = DistilConfig(teachers=(str(folder / "teacher" / "model"),), **changes)
    return replace(recipe, distil=config, training=replace(recipe.training, epochs=1))


def test_the_answers_are_those_of_predict_and_are_asked_for_once(
    recipe: Recipe, folder: Path, tmp_path: Path
) -> None:
    split = choose_split(recipe.data)
    teachers = Teachers(taught(recipe, folder).distil, tmp_path)
    labels = ("angry", "happy", "sad")
    asked: list[int] = []
    answers = teachers.answers(split.train, labels, lambda *now: asked.append(now[1]))
    assert len(asked) == len(split.train)
    model = affekt.load_model(folder / "teacher" / "model")
    for row, clip in zip(answers[::5], split.train[::5], strict=True):
        expected = [model.predict(clip.file).scores[label] for label in labels]
        np.testing.assert_allclose(row, expected, atol=1e-5)
    again = Teachers(taught(recipe, folder).distil, tmp_path)
    kept = again.answers(split.train, labels, lambda *now: asked.append(now[1]))
    assert len(asked) == len(split.train)
    np.testing.assert_array_equal(kept, answers)
    fewer = again.answers(split.train[:3], labels)  # other clips are another question
    np.testing.assert_allclose(fewer, answers[:3])


def test_targets_are_a_blend_of_what_the_corpus_knows() -> None:
    own = np.eye(3, dtype=np.float32)[[0, 1]]
    answers = np.array([[0.64, 0.32, 0.04], [0.25, 0.5, 0.25]])
    allowed = np.array([[True, True, True], [True, True, False]])
    config = DistilConfig(weight=0.5, temperature=2.0)
    found = blended(config, own, answers, allowed)
    roots = np.sqrt(answers)
    first = 0.5 * own[0] + 0.5 * roots[0] / roots[0].sum()
    second = 0.5 * own[1] + 0.5 * np.append(roots[1, :2] / roots[1, :2].sum(), 0)
    np.testing.assert_allclose(found, [first, second], rtol=1e-5)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    without = blended(replace(config, weight=0.0), own, answers, allowed)
    np.testing.assert_array_equal(without, own)


def test_a_taught_run_differs_and_says_who_taught(
    recipe: Recipe, folder: Path, tmp_path: Path
) -> None:
    alone = train(replace(recipe, training=replace(recipe.training, epochs=1)), tmp_path / "alone")
    result = train(taught(recipe, folder), tmp_path / "run")
    assert (tmp_path / "run" / FILE).is_file()
    weights = [run.fitted.network.state_dict()["head.2.weight"] for run in (alone, result)]
    assert not torch.equal(*weights)
    config = json.loads((result.model / "config.json").read_text())
    assert config["teachers"] == ["tones"]
    assert json.loads((alone.model / "config.json").read_text())["teachers"] == []


def test_a_teacher_that_knows_the_answers_is_refused(
    recipe: Recipe, folder: Path, tmp_path: Path
) -> None:
    other = replace(taught(recipe, folder), data=replace(recipe.data, split_seed=5))
    with pytest.raises(DataError, match="has learned from . speakers that this run is measured on"):
        train(other, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(ConfigError, match="may have learned from the test speakers of a fold"):
        make_system(taught(recipe, folder), tmp_path)


def test_a_teacher_must_know_the_labels(recipe: Recipe, folder: Path, tmp_path: Path) -> None:
    teachers = Teachers(taught(recipe, folder).distil, tmp_path)
    with pytest.raises(ConfigError, match="lacks boredom"):
        teachers.answers(choose_split(recipe.data).train, ("angry", "boredom"))


@pytest.mark.parametrize(("key", "value"), [("weight", 1.5), ("temperature", 0.0)])
def test_impossible_settings_are_named(key: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"distil.{key} must be"):
        DistilConfig(**{key: value})


def test_a_recipe_that_wants_a_teacher_says_so(folder: Path, tmp_path: Path) -> None:
    untaught = load_recipe(Path(__file__).parents[3] / "recipes" / "nano.toml")
    with pytest.raises(ConfigError, match=r"nano learns from a teacher .* give --teacher"):
        train(replace(untaught, data=load_recipe(folder / "tones.toml").data), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_embeddings_are_those_of_the_model_and_kept_with_the_answers(
    recipe: Recipe, folder: Path, tmp_path: Path
) -> None:
    clips = choose_split(recipe.data).train
    teachers = Teachers(taught(recipe, folder).distil, tmp_path)
    found = teachers.embeddings(clips)
    backend = OnnxBackend(open_bundle(str(folder / "teacher" / "model")))
    for row, clip in zip(found[::5], clips[::5], strict=True):
        expected = backend.run(affekt.load_audio(clip.file)[None])["embedding"]
        np.testing.assert_allclose(row, expected[0], atol=1e-5)
    asked: list[int] = []
    teachers.answers(clips, ("angry", "happy", "sad"), lambda *now: asked.append(now[1]))
    assert asked == []
    even = standardised(found)
    np.testing.assert_allclose(even.mean(axis=0), 0, atol=1e-4)
    assert set(even.std(axis=0).round(2)) <= {0.0, 1.0}  # a value may always be 0


def test_a_student_learns_to_guess_its_teachers_embeddings(
    recipe: Recipe, folder: Path, tmp_path: Path
) -> None:
    split, losses = choose_split(recipe.data), {}
    for weight in (0.0, 10.0):
        student = taught(recipe, folder, weight=0.0, embedding=weight)
        student = replace(student, training=replace(recipe.training, epochs=10))
        teachers = Teachers(student.distil, tmp_path / str(weight))
        fitted = fit(student, split.train, [], tmp_path / str(weight), teachers=teachers)
        losses[weight] = np.array([row.loss for row in fitted.history])
    errors = (losses[10.0] - losses[0.0]) / 10  # about: the emotions are learned beside them
    assert 0.6 < errors[0] < 1.5  # variance 1, and nothing known yet
    assert errors[-1] < 0.6 * errors[0]
