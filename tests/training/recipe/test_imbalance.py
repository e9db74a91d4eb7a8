"""The imbalance table of a recipe, from the TOML file to what a batch and a fit see."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_corpus import write_sound

pytest.importorskip("imblearn")
torch = pytest.importorskip("torch")

from affekt.data import Clip  # noqa: E402
from affekt.errors import ConfigError  # noqa: E402
from affekt.training import FeatureStore, Recipe, fit, load_recipe  # noqa: E402
from affekt.training.data.batches import Batches  # noqa: E402
from affekt.training.recipe.fingerprint import run_fingerprint  # noqa: E402
from affekt.training.recipe.imbalance import ImbalanceConfig  # noqa: E402
from affekt.training.recipe.schema import AugmentConfig, ModelRecipe, TrainingConfig  # noqa: E402

LABELS = ("angry", "sad")
PLAIN = Recipe(
    model=ModelRecipe(options={"stem": [4], "channels": 8, "dilations": [1]}),
    training=TrainingConfig(epochs=1, batch_size=8, speeds=(1.0,), class_weights=False),
    augment=AugmentConfig(enabled=False),
)


def recipe(**imbalance: object) -> Recipe:
    return replace(PLAIN, imbalance=ImbalanceConfig(**imbalance))


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    folder = tmp_path_factory.mktemp("clips")
    return [
        Clip(
            write_sound(folder / f"{number}.wav"),
            "sad" if number % 8 == 0 else "angry",
            speaker=str(number % 4),
            corpus="own",
            votes={"angry": 0.25, "sad": 0.75},
        )
        for number in range(32)
    ]


@pytest.fixture(scope="module")
def store() -> FeatureStore:
    return FeatureStore(PLAIN.model.frontend)


def test_a_recipe_file_sets_it(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text('[imbalance]\nfocal_gamma = 2\nsampler = "balanced"\nvotes = 0.5\n')
    assert load_recipe(path).imbalance == ImbalanceConfig(
        focal_gamma=2.0, sampler="balanced", votes=0.5
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("focal_gamma = -1", "imbalance.focal_gamma must be 0 or more, got -1"),
        ("logit_adjustment = nan", "imbalance.logit_adjustment must be 0 or more, got nan"),
        ('sampler = "even"', "must be one of shuffle, square_root, balanced, got 'even'"),
        ("votes = 1.5", r"imbalance.votes must be in \[0, 1\], got 1.5"),
        ("smote = 1", "imbalance.smote must be bool, got 1"),
        ("smot = true", "unknown key recipe.imbalance.smot"),
        ("logit_adjustment = 1.0", "twice: set training.class_weights = false"),
    ],
)
def test_impossible_values_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(f"[imbalance]\n{text}\n")
    with pytest.raises(ConfigError, match=message):
        load_recipe(path)


def test_what_a_table_asks_for_decides_the_run(clips: list[Clip]) -> None:
    plain = run_fingerprint(PLAIN, clips, [], 0)
    for changed in (recipe(smote=True), recipe(focal_gamma=1.0), recipe(votes=0.5)):
        assert run_fingerprint(changed, clips, [], 0) != plain


def test_other_votes_are_another_run_when_votes_count(clips: list[Clip]) -> None:
    others = [replace(clip, votes=None) for clip in clips]
    assert run_fingerprint(PLAIN, others, [], 0) == run_fingerprint(PLAIN, clips, [], 0)
    voted = recipe(votes=0.5)
    assert run_fingerprint(voted, others, [], 0) != run_fingerprint(voted, clips, [], 0)


def test_a_balanced_sampler_fills_batches_with_both_classes(
    clips: list[Clip], store: FeatureStore
) -> None:
    shares = {}
    for sampler in ("shuffle", "balanced"):
        batches = Batches(clips, LABELS, recipe(sampler=sampler), store, seed=0)
        targets = [batch.targets for epoch in range(10) for batch in batches.epoch(epoch)]
        shares[sampler] = torch.cat(targets).mean(dim=0)[1].item()
    assert shares["shuffle"] == 4 / 32
    assert shares["balanced"] == pytest.approx(0.5, abs=0.1)


def test_weights_and_priors_leave_alone_what_the_sampler_has_evened_out(
    clips: list[Clip], store: FeatureStore
) -> None:
    plain = Batches(clips, LABELS, recipe(), store, 0)
    assert plain.class_weights() == pytest.approx([32 / 56, 4])
    balanced = Batches(clips, LABELS, recipe(sampler="balanced"), store, 0)
    assert balanced.class_weights() == pytest.approx([1, 1])
    rooted = Batches(clips, LABELS, recipe(sampler="square_root"), store, 0)
    assert rooted.class_weights()[1] / rooted.class_weights()[0] == pytest.approx(7**0.5)


def test_batches_carry_the_votes(clips: list[Clip], store: FeatureStore) -> None:
    batch = next(Batches(clips, LABELS, recipe(votes=0.4), store, 0).epoch(0))
    rows = {tuple(round(value, 4) for value in row) for row in batch.targets.tolist()}
    assert rows <= {(0.7, 0.3), (0.1, 0.9)}


def test_the_loss_of_a_step_is_the_one_asked_for(
    clips: list[Clip], store: FeatureStore, tmp_path: Path
) -> None:
    losses = {
        name: fit(changed, clips, [], tmp_path / name, store=store).history[0].loss
        for name, changed in {
            "plain": recipe(),
            "gamma 0": recipe(focal_gamma=0.0),
            "focal": recipe(focal_gamma=2.0),
            "adjusted": recipe(logit_adjustment=1.0),
        }.items()
    }
    assert losses["gamma 0"] == losses["plain"]
    assert losses["focal"] < losses["plain"]
    assert losses["adjusted"] != losses["plain"]


def test_smote_fits_the_last_layer_again_after_the_same_training(
    clips: list[Clip], store: FeatureStore, tmp_path: Path
) -> None:
    plain = fit(recipe(), clips, [], tmp_path / "plain", store=store)
    smote = fit(recipe(smote=True), clips, [], tmp_path / "smote", store=store)
    assert [row.loss for row in smote.history] == [row.loss for row in plain.history]
    before, after = plain.network.state_dict(), smote.network.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"head.2.weight", "head.2.bias"}
    again = fit(recipe(smote=True), clips, [], tmp_path / "smote", store=store)
    assert np.array_equal(again.network.head[2].weight.detach(), after["head.2.weight"])
