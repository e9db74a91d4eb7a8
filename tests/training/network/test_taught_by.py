"""Students whose teachers are trained on the same clips first, fold by fold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tone_corpus import write_recipe

torch = pytest.importorskip("torch")

from tone_protocol import tone_protocol  # noqa: E402

from affekt.errors import ConfigError  # noqa: E402
from affekt.training import Recipe, load_recipe  # noqa: E402
from affekt.training.benchmark.benchmark import FoldResult, run_benchmark  # noqa: E402
from affekt.training.benchmark.systems import NETWORK  # noqa: E402
from affekt.training.data.features import FeatureStore  # noqa: E402
from affekt.training.network.fit import fit, new_network  # noqa: E402
from affekt.training.network.teachers import NetworkTeachers  # noqa: E402
from affekt.training.recipe.classical import ClassicalConfig  # noqa: E402
from affekt.training.recipe.schema import DistilConfig  # noqa: E402
from affekt.training.run import train  # noqa: E402
from affekt.training.search.objective import folds_without_test  # noqa: E402


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipes")
    write_recipe(folder / "one.toml", epochs=2)
    write_recipe(folder / "student.toml", epochs=1)
    (folder / "two.toml").write_text('[ensemble]\nmembers = ["one.toml"]\nseeds = 2\n')
    student = (folder / "student.toml").read_text()
    (folder / "student.toml").write_text('taught_by = "two.toml"\n' + student)
    return folder


@pytest.fixture(scope="module")
def measured(
    place: Path, tones, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, FoldResult]:
    folder = tmp_path_factory.mktemp("benchmark")
    return folder, measure(load_recipe(place / "student.toml"), tones, folder)[0]


def measure(recipe: Recipe, tones, folder: Path) -> tuple[FoldResult, bool]:
    done: list[tuple[FoldResult, bool]] = []
    run_benchmark(
        tone_protocol(tones.all()),
        recipe,
        folder,
        folds=["1"],
        announce=lambda fold, known: done.append((fold, known)),
    )
    return done[0]


def test_teachers_are_trained_and_scored_under_their_own_name(
    measured: tuple[Path, FoldResult], place: Path, tones
) -> None:
    folder, _ = measured
    names = {path.parts[-4:-1] for path in folder.rglob(NETWORK)}
    taught = [("one", "seed-0", "fold-1"), ("one", "seed-1", "fold-1")]
    assert names == {*taught, ("student", "seed-0", "fold-1")}
    assert measure(load_recipe(place / "two.toml"), tones, folder)[1]
    assert measure(load_recipe(place / "student.toml"), tones, folder)[1]


def test_who_is_taught_answers_otherwise(
    measured: tuple[Path, FoldResult], place: Path, tones, tmp_path: Path
) -> None:
    recipe = load_recipe(place / "student.toml")
    for other in (
        replace(recipe, taught_by=None),
        replace(recipe, distil=DistilConfig(weight=0.2)),
    ):
        fold, known = measure(replace(other, name="other"), tones, tmp_path)
        assert not known
        assert abs(fold.probabilities - measured[1].probabilities).max() > 1e-4


def test_one_that_is_told_nothing_answers_as_one_without_teachers(
    measured: tuple[Path, FoldResult], place: Path, tones, tmp_path: Path
) -> None:
    recipe = load_recipe(place / "student.toml")
    deaf = replace(recipe, distil=DistilConfig(weight=0.0))
    found, _ = measure(deaf, tones, measured[0])  # its teachers are there
    alone, _ = measure(replace(recipe, taught_by=None, name="alone"), tones, tmp_path)
    np.testing.assert_allclose(found.probabilities, alone.probabilities, atol=1e-6)


def test_teachers_answer_with_their_mean(place: Path, tones) -> None:
    recipe = load_recipe(place / "one.toml")
    store, clips = FeatureStore(recipe.model.frontend), tones.all()[:5]
    labels = ("angry", "happy", "sad")
    networks = [new_network(recipe, labels, seed) for seed in (0, 1)]
    asked = labels[::-1]
    together = NetworkTeachers([(network, store) for network in networks]).answers(clips, asked)
    alone = [NetworkTeachers([(one, store)]).answers(clips, asked) for one in networks]
    np.testing.assert_allclose(together, np.mean(alone, axis=0))
    np.testing.assert_allclose(together.sum(axis=1), 1)
    probabilities = networks[0](torch.from_numpy(tones_of(clips[0]))[None])["probabilities"]
    expected = probabilities[0].detach().numpy()[::-1]
    np.testing.assert_allclose(alone[0][0], expected, atol=2e-3)  # features are kept in float16
    with pytest.raises(ConfigError, match="a teacher lacks boredom"):
        NetworkTeachers([(networks[0], store)]).answers(clips, ("angry", "boredom"))


def tones_of(clip) -> np.ndarray:
    from affekt.training.data.features import clip_samples

    return clip_samples(clip, 16000)


def test_train_says_what_to_do_instead(place: Path, tmp_path: Path) -> None:
    recipe = load_recipe(place / "student.toml")
    with pytest.raises(ConfigError, match="train that first, and name it with --teacher"):
        train(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_nobody_goes_untaught_without_a_word(place: Path, tones, tmp_path: Path) -> None:
    student = load_recipe(place / "student.toml")
    with pytest.raises(ConfigError, match="there is no teacher: train two first"):
        fit(student, tones.all(), [], tmp_path / "run")
    for recipe, key in ((student, "taught_by"), (load_recipe(place / "two.toml"), "ensemble")):
        with pytest.raises(ConfigError, match=f"{key} cannot be searched"):
            folds_without_test(recipe, None, folder=tmp_path)
    with pytest.raises(ConfigError, match="pretrain needs one network"):
        replace(load_recipe(place / "one.toml"), pretrain=load_recipe(place / "two.toml"))


def test_what_cannot_teach(place: Path) -> None:
    recipe = load_recipe(place / "student.toml")
    with pytest.raises(ConfigError, match="both name teachers: choose one"):
        replace(recipe, distil=DistilConfig(teachers=("x",)))
    with pytest.raises(ConfigError, match="taught_by: svm is no network"):
        replace(recipe, taught_by=Recipe(name="svm", classical=ClassicalConfig()))
    with pytest.raises(
        ConfigError, match="taught_by: student is no network trained on labels alone"
    ):
        replace(recipe, taught_by=recipe)
    path = place / "own.toml"
    path.write_text('taught_by = "own.toml"\n')
    with pytest.raises(ConfigError, match=r"taught_by leads back to own\.toml"):
        load_recipe(path)
