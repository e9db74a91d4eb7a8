"""A recipe holds what differs from the defaults, and nothing that means nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from affekt.augment import Mixup  # noqa: E402
from affekt.errors import ConfigError  # noqa: E402
from affekt.models import NetworkConfig, build_network, describe  # noqa: E402
from affekt.training import Recipe, load_recipe  # noqa: E402


def written(folder: Path, text: str) -> Path:
    path = folder / "own.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_is_left_out_is_the_default(tmp_path: Path) -> None:
    recipe = load_recipe(written(tmp_path, "[training]\nepochs = 3\n[augment.mixup]\nalpha = 1\n"))
    default = Recipe()
    assert recipe.training.epochs == 3
    assert recipe.training.batch_size == default.training.batch_size
    assert recipe.augment.mixup == Mixup(alpha=1.0)
    assert recipe.model == default.model
    assert recipe.name == "own"


def test_a_recipe_may_name_itself(tmp_path: Path) -> None:
    assert load_recipe(written(tmp_path, 'name = "best yet"')).name == "best yet"


def test_labels_are_canonical_and_in_order(tmp_path: Path) -> None:
    recipe = load_recipe(written(tmp_path, '[data]\nlabels = ["Sadness", "joy", "ANG"]'))
    assert recipe.data.labels == ("angry", "happy", "sad")


WRONG = {
    "unknown key": ("[training]\nepoch = 3", "unknown key recipe.training.epoch: expected one of"),
    "unknown table": ("[trainig]\nepochs = 3", "unknown key recipe.trainig"),
    "unknown augmentation": ("[augment.blur]\nx = 1", "unknown key recipe.augment.blur"),
    "text for a number": ('[training]\nepochs = "3"', "recipe.training.epochs must be int"),
    "fraction for a number": ("[training]\nepochs = 3.5", "recipe.training.epochs must be int"),
    "bool for a number": ("[training]\nepochs = true", "recipe.training.epochs must be int"),
    "number for a list": ("[training]\nspeeds = 1.0", "recipe.training.speeds must be a list"),
    "wrong item": ('[training]\nspeeds = ["fast"]', "recipe.training.speeds[0] must be float"),
    "number for a table": ("training = 3", "recipe.training must be a table"),
    "no epochs": ("[training]\nepochs = 0", "training.epochs must be positive, got 0"),
    "batch of one": ("[training]\nbatch_size = 1", "training.batch_size must be at least 2"),
    "warm-up of all": ("[training]\nwarmup = 1.0", "training.warmup must be in [0, 1), got 1.0"),
    "wild speed": ("[training]\nspeeds = [1.0, 3.0]", "training.speeds must lie in 0.5..2"),
    "no speed": ("[training]\nspeeds = []", "training.speeds must lie in 0.5..2"),
    "unknown choice": ('[training]\nkeep = "all"', "training.keep must be 'best' or 'last'"),
    "unknown precision": ('[training]\nprecision = "int8"', "training.precision must be auto"),
    "less than no patience": ("[training]\npatience = -1", "training.patience must be 0 or more"),
    "negative decay": ("[training]\nweight_decay = -0.1", "weight_decay must be 0 or more"),
    "negative clips": ("[training]\nclips_per_epoch = -5", "clips_per_epoch must be 0 or more"),
    "negative time": ("[training]\ncheckpoint_seconds = -1.0", "checkpoint_seconds must be 0 or"),
    "weightless corpus": ("[data.weights]\nemodb = 0.0", "data.weights.emodb must be a positive"),
    "unknown label": ('[data]\nlabels = ["angry", "hangry"]', "unknown emotion 'hangry'"),
    "deaf frontend": ("[model.frontend]\nf_min = 9000.0", "f_min < f_max"),
    "not TOML": ("epochs: 3", "cannot read"),
    "not text": ("\udcff", "cannot read"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_mistakes_are_named_with_the_file(kind: str, tmp_path: Path) -> None:
    text, message = WRONG[kind]
    path = tmp_path / "own.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError) as error:
        load_recipe(path)
    assert message in str(error.value)
    assert str(path) in str(error.value)


def test_a_missing_recipe(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"recipe not found: .*nowhere\.toml"):
        load_recipe(tmp_path / "nowhere.toml")


def recipe_files() -> list[Path]:
    return sorted((Path(__file__).resolve().parents[3] / "recipes").glob("*.toml"))


@pytest.mark.parametrize("path", recipe_files(), ids=lambda path: path.stem)
def test_the_recipes_that_ship_can_be_built(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe.description
    options = dict(recipe.model.options)
    if "checkpoint" in options:  # not fetched: of WavLM's default size, which is that of its base
        options["encoder"] = {"model_type": "wavlm"}
    network = build_network(
        NetworkConfig(
            labels=("angry", "sad"),
            architecture=recipe.model.architecture,
            options=options,
            frontend=recipe.model.frontend,
            pooling=recipe.model.pooling,
            head_dropout=recipe.model.head_dropout,
        )
    )
    assert describe(network).parameters > 1000
