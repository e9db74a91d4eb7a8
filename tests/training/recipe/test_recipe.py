"""A recipe holds what differs from the defaults, and nothing that means nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from affekt.augment import Mixup  # noqa: E402
from affekt.errors import ConfigError  # noqa: E402
from affekt.models import ARCHITECTURES, NetworkConfig, build_network, describe  # noqa: E402
from affekt.training import Recipe, load_recipe  # noqa: E402
from affekt.training.recipe.file import read_changes  # noqa: E402
from affekt.training.recipe.schema import effective_values  # noqa: E402


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
    "impossible label": ('[data]\nlabels = ["angry", "=hangry"]', "'=hangry' cannot be a label"),
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


ROOT = Path(__file__).resolve().parents[3]
FILES = sorted([*ROOT.glob("recipes/*.toml"), *ROOT.glob("benchmarks/recipes/*.toml")])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_recipe_is_described(path: Path) -> None:
    assert load_recipe(path).description


def networks() -> list[str]:
    """Name one recipe for each network that the recipes describe: many share theirs."""
    found = {repr(load_recipe(path).model): path.stem for path in FILES}
    return sorted(found.values())


@pytest.mark.parametrize("name", networks())
def test_the_network_of_a_recipe_can_be_built(name: str) -> None:
    (path,) = (path for path in FILES if path.stem == name)
    recipe = load_recipe(path)
    options = dict(recipe.model.options)
    if "checkpoint" in options:  # not fetched: an encoder of the size that its family has
        options |= ARCHITECTURES[recipe.model.architecture].make.example
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


def test_a_shipped_recipe_is_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_recipe("cnn") == load_recipe(ROOT / "recipes" / "cnn.toml")
    assert load_recipe("cnn.toml") == load_recipe("cnn")
    written(tmp_path, "[training]\nepochs = 3").rename(tmp_path / "cnn.toml")
    assert load_recipe("cnn.toml").training.epochs == 3  # a file of one's own comes first
    with pytest.raises(
        ConfigError, match=r"recipe not found: transfomer; .*boosting, cnn, .*mean transformer\?"
    ):
        load_recipe("transfomer")
    with pytest.raises(
        ConfigError, match="recipe not found: here/cnn; by name there are base, boosting"
    ):
        load_recipe("here/cnn")


def test_a_recipe_extends_another(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(
        """
        description = "the base"
        [data]
        weights = { emodb = 3.0 }
        [model.options]
        channels = 64
        dropout = 0.2
        [training]
        epochs = 7
        speeds = [1.0, 0.9]
        [augment.babble]
        probability = 0.25
        """
    )
    own = load_recipe(
        written(
            tmp_path,
            """
            extends = "base.toml"
            [model.options]
            channels = 96
            [training]
            speeds = [1.0]
            [augment.babble]
            max_snr_db = 12.0
            """,
        )
    )
    assert (own.name, own.description) == ("own", "")
    assert own.data.weights == {"emodb": 3.0}
    assert own.model.options == {"channels": 96}, "free keys are replaced as a whole"
    assert (own.training.epochs, own.training.speeds) == (7, (1.0,))
    assert (own.augment.babble.probability, own.augment.babble.max_snr_db) == (0.25, 12.0)


def test_it_extends_a_shipped_one_with_what_that_starts_from(tmp_path: Path) -> None:
    recipes = ROOT / "benchmarks" / "recipes"
    base = load_recipe(recipes / "cnn-pretrained-warp.toml")
    path = (recipes / "cnn-pretrained-warp.toml").as_posix()
    own = load_recipe(written(tmp_path, f'extends = "{path}"\n[training]\nepochs = 2'))
    assert own.pretrain == base.pretrain
    assert own.pretrain.name == "pretrain-warp"
    alone = load_recipe(written(tmp_path, f'extends = "{path}"\npretrain = ""'))
    assert alone.pretrain is None
    assert load_recipe(written(tmp_path, 'extends = "tcn"')).model.architecture == "tcn"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('extends = "own.toml"', "own.toml: extends leads back to own.toml"),
        ("extends = 3", "extends must be the name or path of a recipe, got 3"),
        ('extends = "tnc"', r"own.toml: extends: recipe not found: .*tnc; .*mean tcn\?"),
        ('extends = "cnn"\n[ensemble]\nseeds = 2', "trains nothing of its own: put augment into"),
    ],
)
def test_a_wrong_base_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_recipe(written(tmp_path, text))


def test_keys_are_changed_as_toml_types_them() -> None:
    changes = read_changes(
        [
            "training.epochs=5",
            "training.learning_rate = 1e-4",
            "training.keep=best",
            'data.sources=["ravdess", "emodb"]',
            "model.options.channels=96",
            "augment.enabled=false",
        ]
    )
    recipe = load_recipe("cnn-warp", changes)
    assert (recipe.training.epochs, recipe.training.learning_rate) == (5, 1e-4)
    assert recipe.training.keep == "best"
    assert recipe.data.sources == ("ravdess", "emodb")
    assert recipe.model.options == {"channels": 96}
    assert recipe.augment.enabled is False
    assert recipe.augment.warp == load_recipe("cnn-warp").augment.warp


def test_the_recipes_in_a_recipe_are_changed(tmp_path: Path) -> None:
    path = ROOT / "benchmarks" / "recipes" / "cnn-pretrained.toml"
    recipe = load_recipe(path, {"pretrain.training.epochs": 2, "training.epochs": 3})
    assert (recipe.pretrain.training.epochs, recipe.training.epochs) == (2, 3)
    assert load_recipe(path, {"pretrain": ""}).pretrain is None
    assert load_recipe("cnn", {"pretrain": "cnn-warp"}).pretrain.name == "cnn-warp"
    team = load_recipe(path.with_name("ensemble-warp.toml"), {"ensemble.members": ["cnn", "tcn"]})
    assert [member.name for member in team.ensemble.members] == ["cnn", "tcn"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("training.epoch=5", r"unknown key training.epoch: .*; did you mean training.epochs\?"),
        ("epochs=5", r"unknown key epochs: .*; did you mean \w+.epochs\?"),
        ("training.epochs.most=5", "training.epochs.most: epochs is one value and has no keys"),
        ("training.epochs=five", "recipe.training.epochs must be int, got 'five'"),
        ("training=5", "recipe.training must be a table"),
        ("training.epochs", "expected KEY=VALUE, e.g. training.epochs=5, got 'training.epochs'"),
        ("=5", "expected KEY=VALUE"),
        ("pretrain.training.epochs=5", "cannot be set: the recipe has no pretrain"),
        ("pretrain=nowhere", "pretrain: recipe not found: nowhere"),
        ("training.epochs=0", "cnn.toml: training.epochs must be positive, got 0"),
    ],
)
def test_a_wrong_change_is_refused(change: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_recipe("cnn", read_changes([change]))


def test_an_ensemble_is_changed_in_its_members_alone() -> None:
    path = ROOT / "benchmarks" / "recipes" / "ensemble-warp.toml"
    assert load_recipe(path, {"ensemble.seeds": 2}).ensemble.seeds == 2
    with pytest.raises(ConfigError, match="an ensemble trains nothing of its own"):
        load_recipe(path, {"training.epochs": 2})


def test_the_effective_values_are_complete() -> None:
    values = effective_values(load_recipe("crnn"))
    assert values["model"]["options"]["hidden"] > 0  # the architecture's default
    assert values["training"]["weight_decay"] == Recipe().training.weight_decay
    assert values["distil"] is None
    classical = effective_values(load_recipe("mlp"))
    assert classical["classical"]["options"]["hidden"] == [128]
    path = ROOT / "benchmarks" / "recipes" / "ensemble-logistic.toml"
    (first, second) = effective_values(load_recipe(path))["ensemble"]["members"]
    assert first["pretrain"]["training"]["epochs"] == 40
    assert second["classical"]["options"] == {"c": 0.01}
