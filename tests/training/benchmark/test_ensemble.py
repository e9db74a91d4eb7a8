"""Networks that answer together, each measured under its own name as well."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tone_corpus import write_recipe

pytest.importorskip("torch")

from tone_protocol import tone_protocol

from affekt.errors import ConfigError
from affekt.training import Recipe, load_recipe
from affekt.training.benchmark.benchmark import FoldResult, run_benchmark
from affekt.training.recipe.schema import on_device
from affekt.training.run import train


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipes")
    write_recipe(folder / "one.toml", epochs=2)
    write_recipe(folder / "two.toml", epochs=3)
    (folder / "both.toml").write_text('[ensemble]\nmembers = ["one.toml", "two.toml"]\n')
    (folder / "twice.toml").write_text('[ensemble]\nmembers = ["one.toml"]\nseeds = 2\n')
    return folder


def measure(
    recipe: Recipe, tones, folder: Path, seeds: tuple[int, ...] = (0,)
) -> list[tuple[FoldResult, bool]]:
    done: list[tuple[FoldResult, bool]] = []
    result = run_benchmark(
        tone_protocol(tones.all()),
        recipe,
        folder,
        seeds=seeds,
        announce=lambda fold, known: done.append((fold, known)),
    )
    assert result is not None
    assert result.ensemble == (recipe.ensemble is not None)
    return done


def test_it_answers_with_the_mean_of_its_members(place: Path, tones, tmp_path: Path) -> None:
    together = measure(load_recipe(place / "both.toml"), tones, tmp_path)
    one, two = (
        measure(load_recipe(place / f"{name}.toml"), tones, tmp_path) for name in ("one", "two")
    )
    assert [known for _, known in together] == [False, False]
    assert all(known for _, known in (*one, *two))  # they were trained for the ensemble
    for (both, _), (first, _), (second, _) in zip(together, one, two, strict=True):
        mean = (first.probabilities + second.probabilities) / 2
        np.testing.assert_allclose(both.probabilities, mean)
        assert abs(first.probabilities - second.probabilities).max() > 0.01
        assert both.parameters == first.parameters + second.parameters
        assert both.bytes == first.bytes + second.bytes
    again = measure(load_recipe(place / "both.toml"), tones, tmp_path)
    assert [known for _, known in again] == [True, True]


def test_seeds_of_one_recipe_are_shared_out(place: Path, tones, tmp_path: Path) -> None:
    together = measure(load_recipe(place / "twice.toml"), tones, tmp_path, seeds=(1,))
    alone = measure(load_recipe(place / "one.toml"), tones, tmp_path, seeds=(2, 3))
    assert all(known for _, known in alone)
    of_fold_1 = np.mean([alone[0][0].probabilities, alone[2][0].probabilities], axis=0)
    np.testing.assert_allclose(together[0][0].probabilities, of_fold_1)
    assert together[0][0].seed == 1


def test_its_extra_data_is_that_of_its_members(place: Path) -> None:
    recipe = load_recipe(place / "both.toml")
    assert recipe.ensemble is not None
    one, two = recipe.ensemble.members
    lent = replace(one, data=replace(one.data, extra=("emodb",)))
    both = replace(recipe, ensemble=replace(recipe.ensemble, members=(lent, two)))
    assert both.extra_data == ("emodb",)


def test_its_members_train_where_it_is_told_to(place: Path) -> None:
    moved = on_device(load_recipe(place / "both.toml"), "cuda:1")
    assert moved.ensemble is not None
    assert {member.training.device for member in moved.ensemble.members} == {"cuda:1"}


def test_it_is_nothing_to_train(place: Path, tmp_path: Path) -> None:
    recipe = load_recipe(place / "both.toml")
    with pytest.raises(ConfigError, match=r"\[ensemble\] makes no network: give it to"):
        train(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("members = []", "name two recipes or more"),
        ('members = ["one.toml"]', "name two recipes or more, or set ensemble.seeds"),
        ('members = ["one.toml"]\nseeds = 0', r"ensemble\.seeds must be 1 or more, got 0"),
        ('members = ["one.toml", "one.toml"]', "two of them have the same name"),
        ('members = ["one.toml", "both.toml"]', "an ensemble cannot be a member of another"),
        ('members = ["one.toml", "lost.toml"]', "recipe not found: .*lost.toml"),
        (
            'members = ["one.toml", 2]',
            "must be the name or path of a recipe, got 2",
        ),
        ('members = "one.toml"', r"ensemble\.members must be a list of recipes"),
        ("seeds = 2", r"ensemble\.members must be a list of recipes"),
        ('members = ["wrong.toml", "one.toml"]', r"ensemble\.members leads back to wrong\.toml"),
        ('members = ["one.toml", "two.toml"]\nvoting = 1', r"unknown key .*ensemble\.voting"),
    ],
)
def test_what_is_no_ensemble(place: Path, text: str, message: str) -> None:
    (place / "wrong.toml").write_text(f"[ensemble]\n{text}\n")
    with pytest.raises(ConfigError, match=message):
        load_recipe(place / "wrong.toml")


def test_settings_of_its_own_are_refused(place: Path) -> None:
    path = place / "beside.toml"
    path.write_text((place / "both.toml").read_text() + "[training]\nepochs = 3\n")
    with pytest.raises(ConfigError, match=r"put training into its members"):
        load_recipe(path)
