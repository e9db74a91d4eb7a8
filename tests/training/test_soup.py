"""Soups: the mean is the mean, validation speakers choose, and what cannot be mixed is refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import affekt
from tone_corpus import write_recipe

torch = pytest.importorskip("torch")

from affekt.config import to_dict  # noqa: E402
from affekt.data import write_manifest  # noqa: E402
from affekt.errors import ConfigError, DataError, ModelError  # noqa: E402
from affekt.evaluation.calibration import fit_temperature  # noqa: E402
from affekt.export.model_directory import (  # noqa: E402
    ModelMetadata,
    model_config,
    read_network,
)
from affekt.files import json_text  # noqa: E402
from affekt.models import Network, NetworkConfig, build_network, checkpoint  # noqa: E402
from affekt.models.frontend import FrontendConfig  # noqa: E402
from affekt.training import FeatureStore, Recipe, fit, load_recipe  # noqa: E402
from affekt.training.data.batches import Batches  # noqa: E402
from affekt.training.data.split import Split  # noqa: E402
from affekt.training.network.fit import validation_scores  # noqa: E402
from affekt.training.network.infer import score_clips  # noqa: E402
from affekt.training.soup import NORMS, Soup, mix, recompute_norms, soup  # noqa: E402  # noqa: E402

TINY = {"stem": (4, 8), "channels": 16, "dilations": (1,), "dropout": 0.0}
LABELS = ("angry", "happy", "sad")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """The recipe of all runs: 36 clips in three batches, without augmentation."""
    return load_recipe(write_recipe(tmp_path_factory.mktemp("recipe") / "tiny.toml", epochs=8))


@pytest.fixture(scope="module")
def base(
    tiny: Recipe, tones: Any, store: FeatureStore, tmp_path_factory: pytest.TempPathFactory
) -> Network:
    """A network that hears something: what all runs of the soup start from."""
    folder = tmp_path_factory.mktemp("base")
    return fit(tiny, tones.train, tones.validation, folder, store=store).network


@pytest.fixture(scope="module")
def split(tones: Any) -> Split:
    return Split(tuple(tones.train), tuple(tones.validation), tuple(tones.test))


def nudged(network: Network, seed: int, by: float) -> Network:
    """The network after another short training, as far as weights can tell: moved a little."""
    moved = copy.deepcopy(network)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in moved.parameters():
            spread = weights.std() if weights.numel() > 1 else torch.tensor(0.0)
            weights.add_(by * spread * torch.randn(weights.shape, generator=generator))
    return moved


def strange(network: Network) -> Network:
    """A network of the same shape that learned nothing, with weights that drown all others."""
    torch.manual_seed(5)
    made = build_network(network.config)
    with torch.no_grad():
        for weights in made.parameters():
            weights.mul_(20)
    return made


def mirrored(network: Network) -> Network:
    """A network that answers alike from opposite weights, as one from another start may."""
    turned = copy.deepcopy(network)
    with torch.no_grad():
        for name, value in turned.encoder.state_dict().items():
            of_norm = name.endswith(("norm.weight", "norm.running_mean"))
            if of_norm or value.ndim == 4:
                value.neg_()
    return turned


def write_run(folder: Path, network: Network, split: Split, **facts: Any) -> Path:
    """What ``affekt train`` leaves of a run, as far as a soup needs it."""
    (folder / "model").mkdir(parents=True)
    recipe = load_recipe(write_recipe(folder / "tiny.toml", epochs=8))
    (folder / "recipe.json").write_text(json_text(to_dict(recipe)))
    write_manifest(split.all(), folder / "manifest.csv")
    clips = {"train": split.train, "validation": split.validation, "test": split.test}
    config = model_config(network, ModelMetadata(name=folder.name, clips=clips, replaced=facts))
    checkpoint.save(folder / "model" / "model.safetensors", dict(network.state_dict()), config)
    return folder


@pytest.fixture(scope="module")
def runs(base: Network, split: Split, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three that belong together, and one from elsewhere."""
    place = tmp_path_factory.mktemp("runs")
    members = {f"near-{seed}": nudged(base, seed, 0.03) for seed in (1, 2, 3)}
    members["far"] = strange(base)
    return [
        write_run(place / name, network, split, seed=number)
        for number, (name, network) in enumerate(members.items())
    ]


@pytest.fixture(scope="module")
def greedy(runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Soup:
    far, *near = reversed(runs)  # the order of the words does not matter
    return soup([far, *near], tmp_path_factory.mktemp("soup") / "greedy", method="greedy")


@pytest.fixture(scope="module")
def uniform(runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Soup:
    return soup(runs[:3], tmp_path_factory.mktemp("soup") / "uniform", method="uniform", name="all")


def test_the_mean_is_the_mean(base: Network) -> None:
    one, two, three = (nudged(base, seed, 0.1) for seed in (1, 2, 3))
    found = mix([one, two, three]).state_dict()
    assert found.keys() == base.state_dict().keys()
    for name, value in found.items():
        parts = [network.state_dict()[name] for network in (one, two, three)]
        if value.dtype.is_floating_point:
            torch.testing.assert_close(value, (parts[0] + parts[1] + parts[2]) / 3)
        else:
            assert torch.equal(value, parts[0])
    assert (found["head.2.weight"] - one.state_dict()["head.2.weight"]).abs().max() > 1e-3


def test_of_one_network_it_is_that_network(base: Network) -> None:
    for name, value in mix([base, base]).state_dict().items():
        torch.testing.assert_close(value, base.state_dict()[name], rtol=0, atol=1e-6)


def batches(tiny: Recipe, tones: Any, store: FeatureStore, size: int) -> Batches:
    recipe = replace(tiny, training=replace(tiny.training, batch_size=size))
    return Batches(tones.train, LABELS, recipe, store, 0)


def test_norms_are_measured_over_the_clips(
    base: Network, tiny: Recipe, tones: Any, store: FeatureStore
) -> None:
    network = nudged(base, 1, 0.0)
    weights = {name: value.clone() for name, value in network.named_parameters()}
    norms = [module for module in network.modules() if isinstance(module, NORMS)]
    for norm in norms:
        norm.running_mean.fill_(7.0)
    (whole,) = batches(tiny, tones, store, 36).epoch(0)
    assert recompute_norms(network, [whole]) == 36
    seen: list[Any] = []
    hook = network.encoder.stem[0].convolution.register_forward_hook(
        lambda module, given, answer: seen.append(answer)
    )
    with torch.no_grad():
        network.classify(whole.features, whole.lengths)
    hook.remove()
    first = network.encoder.stem[0].norm
    mean, spread = seen[0].mean(dim=(0, 2, 3)), seen[0].var(dim=(0, 2, 3))
    torch.testing.assert_close(first.running_mean, mean, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(first.running_var, spread, atol=1e-4, rtol=1e-3)
    assert all(int(norm.num_batches_tracked) == 1 for norm in norms)
    assert all(norm.momentum == 0.1 for norm in norms)
    assert not any(module.training for module in network.modules())
    for name, value in network.named_parameters():
        assert torch.equal(value, weights[name])


def test_batches_count_alike(base: Network, tiny: Recipe, tones: Any, store: FeatureStore) -> None:
    network, means = copy.deepcopy(base), []
    thirds = list(batches(tiny, tones, store, 12).epoch(0))
    for third in thirds:
        recompute_norms(network, [third])
        means.append(network.encoder.stem[0].norm.running_mean.clone())
    assert recompute_norms(network, thirds) == 36
    found = network.encoder.stem[0].norm.running_mean
    torch.testing.assert_close(found, sum(means) / 3, atol=1e-5, rtol=1e-5)
    assert (means[0] - means[1]).abs().max() > 1e-4


def test_uniform_takes_all(
    uniform: Soup, runs: list[Path], tones: Any, store: FeatureStore
) -> None:
    assert [one.kept for one in uniform.members] == [True] * 3
    network, config = read_network(uniform.model)
    members = [read_network(run / "model")[0] for run in runs[:3]]
    for name, value in network.named_parameters():
        expected = sum(dict(one.named_parameters())[name] for one in members) / 3
        torch.testing.assert_close(value, expected)
    assert uniform.validation_uar >= validation_scores(mix(members), tones.validation, store)[1]
    (count,) = {int(m.num_batches_tracked) for m in network.modules() if isinstance(m, NORMS)}
    measured_anew = config["soup"]["norms_recomputed_on"] == len(tones.train)
    assert (count == 3) == measured_anew
    assert config["name"] == "all"
    assert not uniform.spoiled


def test_greedy_leaves_out_what_does_not_help(
    greedy: Soup, runs: list[Path], tones: Any, store: FeatureStore
) -> None:
    scores = [one.validation_uar for one in greedy.members]
    assert scores == sorted(scores, reverse=True)
    assert greedy.validation_uar >= scores[0]
    assert greedy.members[-1].name == "far"
    assert not greedy.members[-1].kept
    assert greedy.members[0].kept
    for one in greedy.members:
        network, _ = read_network(one.run / "model")
        assert one.validation_uar == validation_scores(network, tones.validation, store)[1]
    network, _ = read_network(greedy.model)
    assert validation_scores(network, tones.validation, store)[1] == greedy.validation_uar
    kept = [read_network(one.run / "model")[0] for one in greedy.members if one.kept]
    expected = mix(kept).head[2].weight
    torch.testing.assert_close(network.head[2].weight, expected)


def test_it_is_calibrated_anew(greedy: Soup, tones: Any, store: FeatureStore) -> None:
    network, config = read_network(greedy.model)
    logits = score_clips(network, tones.validation, store)
    targets = [LABELS.index(clip.emotion) for clip in tones.validation]
    temperature = fit_temperature(logits, targets)
    assert float(network.temperature) == pytest.approx(temperature, rel=1e-4)
    assert config["calibration"]["temperature"] == pytest.approx(temperature, abs=1e-5)


def test_the_model_says_what_it_is(greedy: Soup, tones: Any) -> None:
    config = json.loads((greedy.model / "config.json").read_text())
    said = config["soup"]
    assert said["method"] == "greedy"
    assert [one["name"] for one in said["members"]] == [one.name for one in greedy.members]
    assert [one["seed"] for one in said["members"]] == [one.seed for one in greedy.members]
    assert config["name"] == f"{greedy.members[0].name}-soup"
    assert config["metrics"][0]["uar"] == pytest.approx(greedy.test["tones"].uar, abs=1e-4)
    assert config["training_data"][0]["clips"] == len(tones.train)
    card = (greedy.model / "README.md").read_text(encoding="utf-8")
    kept = sum(one.kept for one in greedy.members)
    assert "## A model soup" in card
    assert f"The mean of the weights of {kept} of 4 runs (greedy" in card
    assert f"UAR on validation speakers: {100 * greedy.validation_uar:.1f} %" in card
    assert "| far | 3 | " in card
    assert kept > 1
    measured_anew = said["norms_recomputed_on"] == len(tones.train)
    assert (f"measured anew on {len(tones.train)} training clips" in card) == measured_anew
    assert (greedy.model / "model.onnx").is_file()


def test_what_the_members_learned_from_binds_the_soup(
    base: Network, split: Split, tmp_path: Path
) -> None:
    bound = "CC-BY-NC-SA-4.0 (non-commercial: trained with a corpus that forbids more)"
    facts: list[dict[str, Any]] = [
        {"licence": "CC-BY-4.0", "teachers": ["one"], "speakers": {"train": ["cremad/1001"]}},
        {"licence": bound, "teachers": ["one", "two"], "speakers": {"train": ["emodb/03"]}},
    ]
    row = {"corpus": "emodb", "licence": "CC0-1.0", "clips": 5, "speakers": 1}
    facts[1]["training_data"] = [row]
    runs = [write_run(tmp_path / str(n), base, split, **one) for n, one in enumerate(facts)]
    made = soup(runs, tmp_path / "soup", method="uniform")
    config = json.loads((made.model / "config.json").read_text())
    assert config["licence"] == bound
    assert config["teachers"] == ["one", "two"]
    assert config["speakers"]["train"] == ["cremad/1001", "emodb/03"]
    assert [one["corpus"] for one in config["training_data"]] == ["emodb", "tones"]


def test_runs_that_began_elsewhere_are_told(base: Network, split: Split, tmp_path: Path) -> None:
    runs = [write_run(tmp_path / "a", base, split)]
    runs.append(write_run(tmp_path / "b", mirrored(base), split))
    mixed = soup(runs, tmp_path / "mixed", method="uniform")
    one, two = mixed.members
    assert one.validation_uar == two.validation_uar  # they answer alike
    assert mixed.spoiled
    chosen = soup(runs, tmp_path / "chosen")
    assert [member.kept for member in chosen.members] == [True, False]
    assert not chosen.spoiled


Change = Callable[[Network, Split], tuple[Network, Split]]


def other_network(**changes: Any) -> Change:
    def change(network: Network, split: Split) -> tuple[Network, Split]:
        config = network.config
        values = {"labels": config.labels, "options": TINY, "frontend": config.frontend}
        return build_network(NetworkConfig(**{**values, **changes})), split

    return change


def other_split(network: Network, split: Split) -> tuple[Network, Split]:
    return network, Split(split.train[1:], split.validation, (*split.test, split.train[0]))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            other_network(labels=("angry", "calm", "sad")),
            ModelError,
            "its labels are angry, calm, sad and not angry, happy, sad",
        ),
        (
            other_network(frontend=FrontendConfig(n_mels=40)),
            ModelError,
            "its frontend has n_mels = 40 and not 64",
        ),
        (other_network(architecture="crnn", options={}), ModelError, "its architecture is crnn"),
        (
            other_network(options={**TINY, "channels": 8}),
            ModelError,
            "its options has channels = 8 and not 16",
        ),
        (other_network(pooling="attention"), ModelError, "its pooling is attention"),
        (other_network(heads=("intensity",)), ModelError, "its heads are intensity and not none"),
        (other_split, DataError, "they were split differently"),
    ],
)
def test_what_cannot_be_mixed_is_refused(
    base: Network, split: Split, tmp_path: Path, change: Change, error: type, message: str
) -> None:
    one = write_run(tmp_path / "one", base, split)
    two = write_run(tmp_path / "two", *change(base, split))
    with pytest.raises(error, match=f"two cannot be mixed with .*one: {message}"):
        soup([one, two], tmp_path / "soup")
    assert not (tmp_path / "soup").exists()


def without(side: str, split: Split) -> Split:
    return replace(split, **{side: ()})


def test_who_chooses_must_not_have_taught(base: Network, split: Split, tmp_path: Path) -> None:
    speaker = split.validation[0].speaker_id
    one = write_run(tmp_path / "one", base, split)
    two = write_run(tmp_path / "two", base, split, speakers={"train": [speaker]})
    with pytest.raises(DataError, match=f"learned from speakers who are to choose .*{speaker}"):
        soup([one, two], tmp_path / "soup")


def test_somebody_must_choose(base: Network, split: Split, tmp_path: Path) -> None:
    blind = without("validation", split)
    runs = [write_run(tmp_path / name, base, blind) for name in "ab"]
    with pytest.raises(DataError, match="held no speakers out for validation"):
        soup(runs, tmp_path / "soup")


def test_folders_that_are_no_runs(base: Network, split: Split, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", base, split)
    other = write_run(tmp_path / "other", base, split)
    with pytest.raises(ModelError, match="nowhere is no finished run"):
        soup([run, tmp_path / "nowhere"], tmp_path / "soup")
    with pytest.raises(ConfigError, match="two or more runs, got 1"):
        soup([run], tmp_path / "soup")
    with pytest.raises(ConfigError, match="run is named twice"):
        soup([run, other, run / "model"], tmp_path / "soup")
    with pytest.raises(ConfigError, match="unknown kind of soup 'thick'"):
        soup([run, other], tmp_path / "soup", method="thick")
    with pytest.raises(ConfigError, match="is one of the runs"):
        soup([run, other], other / "model")
    (other / "recipe.json").write_text("{")
    with pytest.raises(DataError, match=r"recipe\.json is damaged"):
        soup([run, other], tmp_path / "soup")
    for name in ("recipe.json", "manifest.csv"):
        (other / name).unlink()
        with pytest.raises(DataError, match=f"other has no {name}, which a soup needs"):
            soup([run, other], tmp_path / "soup")


def test_from_the_command_line(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["soup", runs[0], runs[1] / "model", "--method", "uniform", "--format", "json"]
    done = affekt(capsys, *words, "--out", tmp_path / "soup", "--name", "broth")
    assert done.status == 0, done.errors
    *members, mixed = map(json.loads, done.out.splitlines())
    assert {row["model"] for row in members} == {str(run) for run in runs[:2]}
    assert all(row["kept"] for row in members)
    assert mixed["model"] == str(tmp_path / "soup")
    assert 0 <= mixed["test_uar_tones"] <= 1
    config = json.loads((tmp_path / "soup" / "config.json").read_text())
    assert config["name"] == "broth"
    assert f"model: {tmp_path / 'soup'}" in done.errors
    refused = affekt(capsys, "soup", runs[0], "--out", tmp_path / "no")
    refused.is_one_line("a soup needs two or more runs, got 1")


def test_the_frontend_of_the_tests_is_the_default(base: Network) -> None:
    """Else the shared store would hold other features than the runs ask for."""
    assert to_dict(base.config.frontend) == to_dict(FrontendConfig())
    assert base.config.labels == LABELS
