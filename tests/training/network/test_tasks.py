"""What is learned beside the emotions: intensity, and not to know the speaker."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tiny_network import RATE, tiny_network, voice  # noqa: E402
from tone_corpus import write_recipe  # noqa: E402

import affekt  # noqa: E402
from affekt.data import Clip, load_corpus  # noqa: E402
from affekt.errors import ConfigError, DataError  # noqa: E402
from affekt.evaluation.dimensions import concordance  # noqa: E402
from affekt.export import ModelMetadata, write_model_directory  # noqa: E402
from affekt.export.model_directory import read_network  # noqa: E402
from affekt.training import Recipe, load_recipe  # noqa: E402
from affekt.training.data.batches import (  # noqa: E402
    Batches,
    identity_targets,
)
from affekt.training.data.features import FeatureStore  # noqa: E402
from affekt.training.network.fit import fit  # noqa: E402
from affekt.training.network.tasks import Tasks  # noqa: E402
from affekt.training.recipe.fingerprint import run_fingerprint  # noqa: E402
from affekt.training.recipe.tasks import (  # noqa: E402
    HEADS,
    TasksConfig,
    head_targets,
    intensity_targets,
)


def clip(**facts: str | float) -> Clip:
    return Clip(Path("a.wav"), "happy", **facts)


def test_words_become_numbers_and_unknown_ones_nothing() -> None:
    found = intensity_targets([clip(intensity=word) for word in ("low", "strong", "", "loud")])
    np.testing.assert_array_equal(found, [0, 1, np.nan, np.nan])


def test_rated_strengths_go_before_acted_levels() -> None:
    clips = [
        clip(intensity="low", strength=0.9),
        clip(intensity="low"),
        clip(strength=0.0),
        clip(),
        replace(clip(intensity="normal", strength=0.8), emotion="neutral"),
    ]
    np.testing.assert_array_equal(intensity_targets(clips), np.float32([0, 0, np.nan, np.nan, 0.3]))
    rated = intensity_targets(clips, rated=True)
    np.testing.assert_array_equal(rated, np.float32([0.9, 0, 0, np.nan, 0.3]))
    for without in ([clip(intensity="low")], [replace(clip(strength=0.8), emotion="neutral")]):
        with pytest.raises(DataError, match=r"tasks\.rated needs clips whose strength was rated"):
            intensity_targets(without, rated=True)


def test_real_strengths_give_five_times_as_many_targets(data_root: Path) -> None:
    clips = load_corpus("cremad", data_root)
    acted, rated = intensity_targets(clips), intensity_targets(clips, rated=True)
    assert np.isfinite(acted).sum() == 3 * 455
    assert np.isfinite(rated).sum() > 5000
    assert np.nanmin(rated) >= 0
    assert 0.9 < np.nanmax(rated) <= 1
    both = np.isfinite(acted) & np.isfinite(rated) & (acted != rated)
    assert np.corrcoef(acted[both], rated[both])[0, 1] > 0.2


def test_training_learns_what_was_rated(tones, tmp_path: Path) -> None:
    recipe = load_recipe(write_recipe(tmp_path / "tiny.toml"))
    clips = [replace(one, intensity="low", strength=0.75) for one in tones.train]
    store = FeatureStore(recipe.model.frontend)
    for rated, expected in ((False, 0.0), (True, 0.75)):
        made = replace(recipe, tasks=TasksConfig(intensity=1.0, rated=rated))
        batches = Batches(clips, ("angry", "happy", "sad"), made, store, seed=0)
        assert set(batches.numbers[:, 0].tolist()) == {expected}


def test_rated_strengths_decide_a_run_only_where_they_are_learned(tones, tmp_path: Path) -> None:
    recipe = load_recipe(write_recipe(tmp_path / "tiny.toml"))
    acted = replace(recipe, tasks=TasksConfig(intensity=0.3))
    rated = replace(recipe, tasks=TasksConfig(intensity=0.3, rated=True))
    heard = [replace(one, strength=0.5) for one in tones.train]

    def fingerprint(recipe: Recipe, train: list[Clip]) -> str:
        return run_fingerprint(recipe, train, tones.validation, 0)

    for made in (recipe, acted):
        assert fingerprint(made, heard) == fingerprint(made, tones.train)
    assert fingerprint(rated, heard) != fingerprint(rated, tones.train)
    assert fingerprint(rated, heard) != fingerprint(acted, heard)


def test_identities_are_numbered_and_unknown_ones_are_not() -> None:
    clips = [clip(corpus="b", speaker="1", gender="male"), clip(), clip(corpus="a", speaker="1")]
    assert identity_targets(clips, "speaker").tolist() == [1, -1, 0]
    assert identity_targets(clips, "gender").tolist() == [0, -1, -1]


def test_clips_that_say_nothing_teach_nothing() -> None:
    network = tiny_network(heads=("intensity",))
    tasks = Tasks(TasksConfig(1.0, "speaker", 1.0), network, np.array([0, 1])).eval()
    embedding = torch.randn(3, network.embedding_size)
    nan, unknown = torch.full((3, 1), torch.nan), torch.full((3,), -1)
    assert tasks(network, embedding, nan, unknown) == 0
    of_two = tasks(
        network, embedding, torch.tensor([[0.0], [1.0], [torch.nan]]), torch.tensor([0, 1, -1])
    )
    alone = tasks(network, embedding[:2], torch.tensor([[0.0], [1.0]]), torch.tensor([0, 1]))
    torch.testing.assert_close(of_two, alone)


def test_dimensions_are_learned_by_their_concordance() -> None:
    said, rated = torch.tensor([0.1, 0.4, -0.3, 0.9]), torch.tensor([0.0, 0.5, -0.9, 0.7])
    task, known = HEADS["valence"], torch.tensor([True, True, True, True, False])
    # A fifth clip is not rated.
    errors = task.loss(torch.cat([said, said[:1]]), torch.cat([rated, torch.zeros(1)]), known)
    assert float(errors[known].mean()) == pytest.approx(
        1 - concordance(said.numpy(), rated.numpy()), abs=1e-5
    )
    assert torch.isfinite(task.loss(said[:1], rated[:1], known[:1])).all()


def test_ratings_that_teach_nothing_are_refused() -> None:
    config = TasksConfig(valence=1.0)
    np.testing.assert_array_equal(
        head_targets([clip(valence=-1.0), clip(), clip(valence=0.5)], config)[:, 0],
        np.float32([-1, np.nan, 0.5]),
    )
    with pytest.raises(DataError, match=r"tasks\.valence needs clips that say their rated valence"):
        head_targets([clip(arousal=0.5)], config)
    with pytest.raises(DataError, match=r"tasks\.valence: all clips are rated 0\.25: nothing"):
        head_targets([clip(valence=0.25), clip(valence=0.25)], config)


def test_the_adversary_learns_and_the_encoder_is_turned_away() -> None:
    """What lowers its loss by its own weights raises it by the embedding."""
    network = tiny_network()
    tasks = Tasks(TasksConfig(0.0, "speaker", 1.0), network, np.array([0, 1])).eval()
    embedding = torch.randn(6, network.embedding_size, requires_grad=True)
    nothing, identity = torch.zeros(6, 0), torch.arange(6) % 2
    loss = tasks(network, embedding, nothing, identity)
    loss.backward()
    with torch.no_grad():
        moved = tasks(network, embedding - 0.1 * embedding.grad, nothing, identity)
        assert moved > loss
        for parameter in tasks.parameters():
            parameter -= 0.1 * parameter.grad
        assert tasks(network, embedding, nothing, identity) < loss


@pytest.fixture(scope="module")
def graded(tones) -> list[Clip]:
    """Made-up voices whose bright ones are strong, whose dull ones faint; of some nobody says."""
    words = {"angry": "strong", "happy": "", "sad": "low"}
    return [replace(one, intensity=words[one.emotion]) for one in tones.all()]


def test_intensity_is_learned_exported_and_predicted(graded: list[Clip], tmp_path: Path) -> None:
    recipe = load_recipe(write_recipe(tmp_path / "tiny.toml", epochs=10))
    recipe = replace(recipe, tasks=TasksConfig(intensity=1.0, adversary="speaker"))
    train = [one for one in graded if one.speaker != "h"]
    heard = [one for one in graded if one.speaker == "h"]
    network = fit(recipe, train, [], tmp_path / "run").network
    assert not [name for name in network.state_dict() if "adversary" in name]
    write_model_directory(network, tmp_path / "model", ModelMetadata("graded", {"train": train}))
    assert json.loads((tmp_path / "model/config.json").read_text())["heads"] == ["intensity"]
    model = affekt.load_model(tmp_path / "model", threads=1)
    found = {word: [] for word in ("strong", "low")}
    for one in heard:
        if one.intensity:
            found[one.intensity].append(model.predict(one.file).intensity)
    assert min(found["strong"]) > 0.5 > max(found["low"])
    again, _ = read_network(tmp_path / "model")
    samples = voice(0.5)
    with torch.inference_mode():
        expected = again(torch.from_numpy(samples)[None])["intensity"].item()
    assert model.predict((samples, RATE)).intensity == pytest.approx(expected, abs=1e-4)


def test_a_mixture_is_as_strong_as_its_parts(graded: list[Clip], tmp_path: Path) -> None:
    recipe = load_recipe(write_recipe(tmp_path / "tiny.toml"))
    recipe = replace(recipe, tasks=TasksConfig(1.0, "speaker"))
    augment = replace(recipe.augment, enabled=True, mixup=replace(recipe.augment.mixup, alpha=5.0))
    recipe = replace(recipe, augment=augment)
    clips = [one for one in graded if one.intensity]
    store = FeatureStore(recipe.model.frontend)
    batches = Batches(clips, ("angry", "happy", "sad"), recipe, store, seed=0)
    mixed = 0
    for batch in batches.epoch(0):
        # The share of the angry is that of the strong: it can be read from the targets.
        torch.testing.assert_close(batch.numbers[:, 0], batch.targets[:, 0])
        mixed += int((batch.identity == -1).sum())
    assert mixed > 0


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        (TasksConfig(intensity=1.0), "tasks.intensity needs clips that say how strongly"),
        (TasksConfig(adversary="gender"), "tasks.adversary needs clips of two or more: no such ge"),
    ],
)
def test_a_task_without_data_is_refused(
    tones, tmp_path: Path, tasks: TasksConfig, message: str
) -> None:
    recipe = replace(load_recipe(write_recipe(tmp_path / "tiny.toml")), tasks=tasks)
    with pytest.raises(DataError, match=message):
        fit(recipe, tones.all(), [], tmp_path / "run")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rated": True}, "tasks.rated needs tasks.intensity: set it to 0.3"),
        ({"intensity": -1.0}, "tasks.intensity must be 0 or more, got -1"),
        ({"adversary": "age"}, "tasks.adversary must be 'speaker', 'gender' or empty, got 'age'"),
        ({"adversary_weight": float("nan")}, "tasks.adversary_weight must be 0 or more, got nan"),
        ({"masked": -0.1}, "tasks.masked must be 0 or more, got -0.1"),
        ({"masked_share": 1.0}, r"tasks.masked_share must be in \(0, 1\), got 1"),
        ({"masked_seconds": 0.0}, "tasks.masked_seconds must be positive, got 0"),
        ({"emotions": 0.0}, "tasks.emotions is 0 and tasks.masked, too: nothing is learned"),
    ],
)
def test_impossible_tasks_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TasksConfig(**changes)
