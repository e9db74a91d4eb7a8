"""The space of a search: how it is written, what is refused, what is drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from affekt.errors import ConfigError
from affekt.training import Recipe, load_recipe, read_space
from affekt.training.recipe.classical import ClassicalConfig
from affekt.training.search.space import Space, changed, make_space

RECIPES = Path(__file__).resolve().parents[3] / "recipes"
RATE, BATCH = "training.learning_rate", "training.batch_size"
WIDTH = "model.options.channels"


def test_dots_may_be_quoted_or_not(tmp_path: Path) -> None:
    texts = (
        '"training.learning_rate" = { low = 1e-4, high = 1e-2, log = true }\n'
        '"model.options.channels" = { choices = [64, 96] }\n',
        "training.learning_rate = { low = 1e-4, high = 1e-2, log = true }\n"
        "model.options.channels = { choices = [64, 96] }\n",
        "[training]\nlearning_rate = { low = 1e-4, high = 1e-2, log = true }\n"
        "[model.options.channels]\nchoices = [64, 96]\n",
    )
    spaces = []
    for text in texts:
        (tmp_path / "space.toml").write_text(text)
        spaces.append(read_space(tmp_path / "space.toml", Recipe()))
    assert [d.key for d in spaces[0].dimensions] == [RATE, WIDTH]
    assert spaces[0] == spaces[1] == spaces[2]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, " is empty: name a key and its values"),
        ({RATE: 1e-3}, "training.learning_rate must be a table like { low = 1, high = 5 }"),
        ({RATE: {}}, "training.learning_rate: low is missing: give low and high, or choices"),
        ({RATE: {"low": 1e-3}}, "training.learning_rate: high is missing"),
        ({RATE: {"low": 1e-3, "hihg": 1e-2}}, "unknown word 'hihg': expected choices, high, log"),
        ({RATE: {"low": 1e-2, "high": 1e-3}}, "low must be below high, got 0.01 and 0.001"),
        ({RATE: {"low": 1, "high": 1}}, "low must be below high, got 1.0 and 1.0: a single value"),
        ({RATE: {"low": "a", "high": 1}}, "low must be a number, got 'a'"),
        ({RATE: {"low": True, "high": 2}}, "low must be a number, got True"),
        ({RATE: {"low": 1e-3, "high": float("inf")}}, "must be finite numbers"),
        ({RATE: {"low": 0, "high": 1, "log": True}}, "a logarithmic range needs low > 0, got 0"),
        ({RATE: {"low": 1, "high": 2, "log": 1}}, "log must be true or false, got 1"),
        ({RATE: {"low": 1, "high": 2, "log": True, "step": 1}}, "log and step exclude each other"),
        ({BATCH: {"low": 16, "high": 64, "step": 10}}, "no whole number of steps of 10 from 16"),
        ({BATCH: {"low": 16, "high": 64, "step": 0}}, "step must be positive, got 0"),
        ({RATE: {"choices": [1e-3]}}, r"choices must be a list of two or more, got \[0.001\]"),
        ({RATE: {"choices": [1e-3, 1e-3]}}, "a choice is named twice"),
        ({RATE: {"choices": [1e-3, 1e-2], "low": 1}}, "choices exclude"),
        ({"training.lerning_rate": {"low": 1, "high": 2}}, "unknown key recipe.training.lerning_r"),
        ({"trainning": {"epochs": {"low": 1, "high": 2}}}, "unknown key recipe.trainning"),
        ({"model.options.chanels": {"choices": [8, 16]}}, "unknown key model.cnn.chanels"),
        ({RATE: {"low": -1, "high": 1}}, "= -1.0: training.learning_rate must be positive"),
        ({BATCH: {"low": 1, "high": 4}}, "= 1: training.batch_size must be at least 2"),
        ({BATCH: {"low": 8.5, "high": 16}}, "= 8.5: recipe.training.batch_size must be int"),
        ({"training.keep": {"choices": ["best", "worst"]}}, '"worst": training.keep must be'),
        ({"model.architecture": {"choices": ["cnn", "rnn"]}}, "unknown architecture 'rnn'"),
        ({"training.device": {"choices": ["cpu", "cuda"]}}, "changes nothing that is learned"),
        ({"data.test": {"low": 0.1, "high": 0.3}}, "trials on different data cannot be compared"),
        ({"data.sources": {"choices": [["a"], ["b"]]}}, "trials on different data cannot be com"),
        ({"pretrain.training.epochs": {"low": 1, "high": 3}}, "search the recipe that it names"),
        ({"distil.weight": {"low": 0.1, "high": 0.9}}, r"the recipe has no \[distil\]"),
        ({"classical.options.c": {"low": 0.1, "high": 9}}, r"the recipe has no \[classical\]"),
    ],
)
def test_what_cannot_be_searched(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"space.*{message}"):
        make_space(values, Recipe())


def test_the_grid_of_a_classical_recipe_goes_first() -> None:
    recipe = Recipe(classical=ClassicalConfig(grid={"c": (1.0, 10.0)}))
    with pytest.raises(ConfigError, match=r"the recipe's classical\.grid tries it"):
        make_space({"classical.options.c": {"low": 0.1, "high": 9}}, recipe)
    assert make_space({"classical.options.gamma": {"low": 0.1, "high": 9}}, recipe)


def test_a_file_that_is_not_there_or_not_right(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"space not found: .*gone\.toml"):
        read_space(tmp_path / "gone.toml", Recipe())
    (tmp_path / "broken.toml").write_text("[training\n")
    with pytest.raises(ConfigError, match=r"cannot read .*broken\.toml"):
        read_space(tmp_path / "broken.toml", Recipe())
    (tmp_path / "empty.toml").write_text("")
    with pytest.raises(ConfigError, match=r"empty\.toml: the space is empty"):
        read_space(tmp_path / "empty.toml", Recipe())


def test_a_value_that_goes_with_another_one_is_allowed() -> None:
    low, high = "augment.noise_floor.min_snr_db", "augment.noise_floor.max_snr_db"
    alone = {low: {"choices": [0.0, 50.0]}}
    with pytest.raises(ConfigError, match=rf"space: {low} = 50\.0"):
        make_space(alone, Recipe())
    assert make_space({**alone, high: {"choices": [40.0, 60.0]}}, Recipe())


def draw(space: Space, count: int = 60) -> list[dict[str, Any]]:
    """Values as trials get them."""
    optuna = pytest.importorskip("optuna")
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(sampler=sampler)
    return [space.suggest(study.ask()) for _ in range(count)]


def test_what_is_drawn_lies_in_the_space() -> None:
    values = {
        RATE: {"low": 1e-4, "high": 1e-2, "log": True},
        BATCH: {"low": 16, "high": 64, "step": 16},
        "training.weight_decay": {"low": 0, "high": 1, "step": 0.1},
        "training.speeds": {"choices": [[1.0], [0.9, 1.1]]},
        "training.class_weights": {"choices": [True, False]},
        "training.epochs": {"low": 1, "high": 100, "log": True},
    }
    space = make_space(values, Recipe())
    drawn = draw(space)
    rates = [trial[RATE] for trial in drawn]
    assert all(1e-4 <= rate <= 1e-2 and len(f"{rate:g}") < 10 for rate in rates)
    assert 15 < sum(rate < 1e-3 for rate in rates) < 45  # evenly by its logarithm
    assert {trial[BATCH] for trial in drawn} == {16, 32, 48, 64}
    decays = {trial["training.weight_decay"] for trial in drawn}
    assert decays <= {0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0}
    assert all(isinstance(decay, float) for decay in decays)
    assert {tuple(trial["training.speeds"]) for trial in drawn} == {(1.0,), (0.9, 1.1)}
    assert {trial["training.class_weights"] for trial in drawn} == {True, False}
    for trial in drawn[:10]:
        assert changed(Recipe(), trial).training.batch_size == trial[BATCH]


def test_the_recipe_itself_where_it_lies_in_the_space() -> None:
    recipe = Recipe()
    space = make_space({RATE: {"low": 1e-4, "high": 1e-2}, WIDTH: {"low": 32, "high": 192}}, recipe)
    own = space.params_of(recipe)
    assert own is not None
    assert own[RATE] == recipe.training.learning_rate
    assert 32 <= own[WIDTH] <= 192  # a default of the architecture
    outside = replace(recipe, training=replace(recipe.training, learning_rate=0.5))
    assert space.params_of(outside) is None


def test_the_space_that_ships() -> None:
    recipe = load_recipe(RECIPES / "cnn.toml")
    space = read_space(RECIPES / "spaces" / "cnn.toml", recipe)
    assert len(space.dimensions) == 10
    assert space.params_of(recipe) is not None  # the recipe itself is the first trial
