"""Pre-training: what a network starts from, shared by all folds, and never heard in the test."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tone_corpus import make_tones, write_recipe

torch = pytest.importorskip("torch")

from tone_protocol import tone_protocol  # noqa: E402

from affekt.data import open_data, write_manifest  # noqa: E402
from affekt.errors import ConfigError  # noqa: E402
from affekt.training import Recipe, load_recipe  # noqa: E402
from affekt.training.benchmark.benchmark import FoldResult, run_benchmark  # noqa: E402
from affekt.training.network.loop import Quiet  # noqa: E402
from affekt.training.network.pretrain import pretrain  # noqa: E402
from affekt.training.run import train  # noqa: E402


class Steps(Quiet):
    """Counts steps."""

    count = 0

    def step(self, step: int, loss: float) -> None:
        self.count += 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings, the same with a corpus of their own, and two recipes."""
    place = tmp_path_factory.mktemp("pretrain")
    clips = open_data(make_tones(place / "tones", takes=2))
    write_manifest([replace(clip, corpus="before") for clip in clips], place / "before.csv")
    source = f'sources = ["{(place / "before.csv").as_posix()}"]'
    write_recipe(place / "before.toml", epochs=12, data=source)
    write_recipe(place / "after.toml", epochs=1)
    text = (place / "after.toml").read_text()
    (place / "after.toml").write_text('pretrain = "before.toml"\n' + text)
    return place


@pytest.fixture(scope="module")
def recipe(folder: Path) -> Recipe:
    return load_recipe(folder / "after.toml")


def test_a_recipe_names_what_it_starts_from(recipe: Recipe) -> None:
    assert recipe.pretrain is not None
    assert (recipe.name, recipe.pretrain.name) == ("after", "before")
    assert recipe.pretrain.training.epochs == 12
    assert [Path(name).name for name in recipe.extra_data] == ["before.csv"]


def test_it_is_trained_once_and_then_read(recipe: Recipe, tmp_path: Path) -> None:
    first, second, other = Steps(), Steps(), Steps()
    one = pretrain(recipe, tmp_path, reporter=first)
    two = pretrain(recipe, tmp_path, reporter=second)
    assert one is not None
    assert two is not None
    assert first.count > 0
    assert second.count == 0
    assert one.weights.keys() == two.weights.keys()
    assert all(torch.equal(one.weights[name], two.weights[name]) for name in one.weights)
    assert not [name for name in one.weights if name.startswith(("head", "temperature"))]
    assert {clip.corpus for clip in one.clips} == {"before"}
    three = pretrain(recipe, tmp_path, seed=1, reporter=other)
    assert other.count == first.count
    assert three is not None
    assert any(not torch.equal(one.weights[name], three.weights[name]) for name in one.weights)


def test_a_recipe_without_starts_from_nothing(recipe: Recipe, tmp_path: Path) -> None:
    assert pretrain(replace(recipe, pretrain=None), tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_one_epoch_after_it_beats_one_epoch_alone(recipe: Recipe, tones, tmp_path: Path) -> None:
    protocol = tone_protocol(tones.all())
    found: dict[str, list[FoldResult]] = {"with": [], "without": []}
    for name, one in (("with", recipe), ("without", replace(recipe, pretrain=None))):
        result = run_benchmark(
            protocol,
            one,
            tmp_path / name,
            announce=lambda fold, known, name=name: found[name].append(fold),
        )
        assert result is not None
        assert bool(result.extra_data) == (name == "with")
    better = [with_.uar - alone.uar for with_, alone in zip(*found.values(), strict=True)]
    assert min(better) >= 0
    assert max(better) > 0.2


def test_a_corpus_under_test_is_refused(recipe: Recipe, tones, tmp_path: Path) -> None:
    clips = [replace(clip, corpus="before") for clip in tones.all()]
    protocol = replace(tone_protocol(clips), corpora=("before",), speakers={"before": ()})
    with pytest.raises(ConfigError, match="pretrain: before is under test"):
        pretrain(recipe, tmp_path, under_test=protocol.corpora)
    assert list(tmp_path.iterdir()) == []


def test_the_model_says_what_it_started_from(recipe: Recipe, folder: Path, tmp_path: Path) -> None:
    data = replace(recipe.data, sources=(str(folder / "tones"),))
    result = train(replace(recipe, data=data), tmp_path / "run")
    config = json.loads((result.model / "config.json").read_text())
    learned = {row["corpus"]: row["clips"] for row in config["training_data"]}
    assert learned.keys() == {"before", "own recordings"}
    assert min(learned.values()) > 0


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_what_cannot_be_started_from(folder: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other.toml", "[model.options]\nchannels = 8\n")
    for text, match in (
        (f'pretrain = "{other.as_posix()}"', r"give both recipes the same \[model\]"),
        ("[pretrain]\nepochs = 3", "pretrain must be the name or path of a recipe"),
        ('pretrain = "gone.toml"', "recipe not found"),
        ('pretrain = "bad.toml"', r"pretrain leads back to bad\.toml"),
        ('pretrain = "other.toml"\n[classical]\nmodel = "svm"', r"leave out \[classical\]"),
    ):
        with pytest.raises(ConfigError, match=match):
            load_recipe(write(tmp_path / "bad.toml", text))


def test_a_teacher_of_the_pre_training_is_trained_on_the_same_clips_first(
    recipe: Recipe, folder: Path, tmp_path: Path
) -> None:
    teacher = load_recipe(write_recipe(folder / "teacher.toml", epochs=3))
    assert recipe.pretrain is not None
    taught = replace(recipe, pretrain=replace(recipe.pretrain, taught_by=teacher))
    steps = Steps()
    found = pretrain(taught, tmp_path, reporter=steps)
    alone = pretrain(recipe, tmp_path)
    assert found is not None
    assert alone is not None
    assert steps.count % 15 == 0  # as many in each of 12 + 3 epochs
    assert any(not torch.equal(found.weights[key], alone.weights[key]) for key in alone.weights)
