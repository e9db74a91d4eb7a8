"""Recipes that are written are read back as what they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")

from affekt.training import Recipe, load_recipe
from affekt.training.recipe.classical import ClassicalConfig
from affekt.training.recipe.file import put, toml_text, write_recipe
from affekt.training.recipe.schema import DistilConfig

ROOT = Path(__file__).resolve().parents[3]
RECIPES = sorted([*ROOT.glob("recipes/*.toml"), *ROOT.glob("benchmarks/recipes/*.toml")])


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_recipes_that_ship_come_back(path: Path, tmp_path: Path) -> None:
    recipe = load_recipe(path)
    write_recipe(recipe, tmp_path / "again.toml")
    assert load_recipe(tmp_path / "again.toml") == recipe
    beside = tmp_path / "again-pretrain.toml"
    assert beside.exists() == (recipe.pretrain is not None)


def test_only_what_differs_is_written_and_what_is_stated(tmp_path: Path) -> None:
    recipe = replace(Recipe(name="a"), training=replace(Recipe().training, epochs=7))
    write_recipe(recipe, tmp_path / "a.toml", {"training.batch_size": 32, "augment.mixup.alpha": 0})
    assert (tmp_path / "a.toml").read_text() == (
        'name = "a"\n\n[training]\nepochs = 7\nbatch_size = 32\n\n[augment.mixup]\nalpha = 0\n'
    )


def test_tables_that_hold_defaults_alone_are_there(tmp_path: Path) -> None:
    for recipe in (Recipe(name="a", distil=DistilConfig()), Recipe(classical=ClassicalConfig())):
        write_recipe(replace(recipe, name="a"), tmp_path / "a.toml")
        assert load_recipe(tmp_path / "a.toml") == replace(recipe, name="a")


def test_words_and_numbers_of_all_kinds(tmp_path: Path) -> None:
    steps = ({"name": "gain", "probability": 0.5}, {"name": "codec", "kinds": ["phone", "opus"]})
    augment = replace(Recipe().augment, variants=2, waveform=steps)
    data = replace(Recipe().data, weights={"my own": 1e-5, "emodb": 3.0})
    odd = 'a "quoted" \\ back, é, tab\t, \x7f and\nline'
    recipe = Recipe(name="odd", description=odd, data=data, augment=augment)
    write_recipe(recipe, tmp_path / "odd.toml")
    assert load_recipe(tmp_path / "odd.toml") == recipe


def test_dotted_keys() -> None:
    values = {"a": {"b": 1}, "c": None}
    put(values, "a.d", 2)
    put(values, "c.e.f", True)
    assert values == {"a": {"b": 1, "d": 2}, "c": {"e": {"f": True}}}
    assert toml_text(values) == "[a]\nb = 1\nd = 2\n\n[c.e]\nf = true\n"
