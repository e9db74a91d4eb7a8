"""Training learns what can be learned, and nothing where there is nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from tone_corpus import EMOTIONS

torch = pytest.importorskip("torch")

from affekt.augment import Warp  # noqa: E402
from affekt.data import Clip  # noqa: E402
from affekt.errors import ConfigError, DataError, ModelError  # noqa: E402
from affekt.evaluation.metrics import uar  # noqa: E402
from affekt.models import checkpoint  # noqa: E402
from affekt.training import (  # noqa: E402
    FeatureStore,
    Recipe,
    fit,
    load_recipe,
    score_clips,
)
from affekt.training.network.loop import LAST, Quiet  # noqa: E402
from affekt.training.recipe.fingerprint import _decisive, run_fingerprint  # noqa: E402
from affekt.training.recipe.schema import TrainingConfig, effective_values  # noqa: E402

MakeRecipe = Callable[..., Recipe]


class Losses(Quiet):
    """Keeps the loss of every step."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def step(self, step: int, loss: float) -> None:
        self.values.append(loss)


def unheard_uar(network, clips: Sequence[Clip], store: FeatureStore) -> float:
    logits = score_clips(network, clips, store)
    targets = np.array([EMOTIONS.index(clip.emotion) for clip in clips])
    return uar(targets, logits.argmax(axis=1), len(EMOTIONS))


def shuffled(clips: Sequence[Clip], seed: int) -> list[Clip]:
    """Give the clips of each emotion labels of all emotions, equally often."""
    rng = np.random.default_rng(seed)
    emotions = np.array([clip.emotion for clip in clips])
    labels = emotions.copy()
    for emotion in EMOTIONS:
        own = np.flatnonzero(emotions == emotion)
        labels[rng.permutation(own)] = np.resize(EMOTIONS, len(own))
    return [replace(clip, emotion=str(label)) for clip, label in zip(clips, labels, strict=True)]


def test_one_step_lowers_the_loss(
    tones, store: FeatureStore, recipe: MakeRecipe, tmp_path: Path
) -> None:
    losses = Losses()
    whole = recipe(epochs=2, batch_size=100, training="warmup = 0.0")  # every step sees all clips
    fit(whole, tones.train, (), tmp_path / "run", store=store, reporter=losses)
    first, second = losses.values
    assert first == pytest.approx(np.log(3), abs=0.4)
    assert second < first - 0.05


def test_it_learns_what_unheard_speakers_share(
    tones, store: FeatureStore, recipe: MakeRecipe, tmp_path: Path
) -> None:
    result = fit(recipe(epochs=12), tones.train, tones.validation, tmp_path / "run", store=store)
    assert unheard_uar(result.network, tones.test, store) > 0.9
    assert result.history[-1].loss < 0.3 * result.history[0].loss
    assert result.history[result.best_epoch - 1].validation_uar > 0.9
    assert result.network.config.labels == EMOTIONS
    assert result.train == tuple(tones.train)


def test_shuffled_labels_teach_nothing(
    tones, store: FeatureStore, recipe: MakeRecipe, tmp_path: Path
) -> None:
    """The guard of the test above: no way of measuring may find what is not there."""
    scores = []
    for seed in range(3):
        train = shuffled(tones.train, seed)
        result = fit(recipe(epochs=8), train, (), tmp_path / str(seed), seed=seed, store=store)
        scores.append(unheard_uar(result.network, tones.test, store))
    assert np.mean(scores) == pytest.approx(1 / 3, abs=0.25)


def test_augmentation_and_every_regulariser_still_learn(
    tones, store: FeatureStore, recipe: MakeRecipe, tmp_path: Path
) -> None:
    made = recipe(epochs=25)
    full = replace(
        made,
        augment=replace(made.augment, enabled=True),
        training=replace(made.training, label_smoothing=0.1, speeds=(1.0, 0.95), averaging=0.9),
        model=replace(made.model, head_dropout=0.2, options={**made.model.options, "dropout": 0.1}),
    )
    result = fit(full, tones.train, tones.validation, tmp_path / "run", store=store)
    assert unheard_uar(result.network, tones.test, store) > 0.8


def test_bfloat16_learns_too(
    tones, store: FeatureStore, recipe: MakeRecipe, tmp_path: Path
) -> None:
    made = recipe(epochs=6)
    mixed = replace(made, training=replace(made.training, precision="bfloat16"))
    result = fit(mixed, tones.train, (), tmp_path / "run", store=store)
    assert {value.dtype for value in result.network.parameters()} == {torch.float32}
    assert result.history[-1].loss < 0.5 * result.history[0].loss


def test_the_same_seed_gives_the_same_weights(
    tones, store: FeatureStore, recipe: MakeRecipe, tmp_path: Path
) -> None:
    weights = []
    for name, seed in (("a", 4), ("b", 4), ("c", 5)):
        result = fit(recipe(), tones.train, (), tmp_path / name, seed=seed, store=store)
        weights.append(result.network.head[-1].weight)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_without_validation_the_last_epoch_is_kept_and_nothing_is_calibrated(
    tones, store: FeatureStore, recipe: MakeRecipe, tmp_path: Path
) -> None:
    result = fit(recipe(epochs=3), tones.train, (), tmp_path / "run", store=store)
    assert result.best_epoch == 3
    assert float(result.network.temperature) == 1.0
    assert all(np.isnan(row.validation_uar) for row in result.history)
    last = replace(recipe(epochs=3), training=replace(recipe(epochs=3).training, keep="last"))
    other = fit(last, tones.train, (), tmp_path / "last", store=store)
    assert torch.equal(other.network.head[-1].weight, result.network.head[-1].weight)


def test_validation_calibrates(
    tones, store: FeatureStore, recipe: MakeRecipe, tmp_path: Path
) -> None:
    wrong = shuffled(tones.validation, seed=0)  # a confident model is often wrong about these
    result = fit(recipe(epochs=8), tones.train, wrong, tmp_path / "run", store=store)
    assert float(result.network.temperature) > 2


def test_a_corpus_is_validated_over_the_emotions_it_has(
    tones, store: FeatureStore, recipe: MakeRecipe, tmp_path: Path
) -> None:
    """A corpus with a single emotion is always right, the other half as often as before."""
    single = [replace(clip, corpus="other") for clip in tones.validation if clip.emotion == "happy"]
    kept = recipe(epochs=1, data='labels = ["angry", "happy", "sad"]')
    alone = fit(kept, tones.train, tones.validation, tmp_path / "a", store=store)
    mixed = fit(kept, tones.train, [*tones.validation, *single], tmp_path / "b", store=store)
    expected = (alone.history[0].validation_uar + 1) / 2
    assert mixed.history[0].validation_uar == pytest.approx(expected)


def test_only_the_labels_asked_for_are_learned(
    tones, store: FeatureStore, recipe: MakeRecipe, tmp_path: Path
) -> None:
    two = recipe(data='labels = ["sadness", "anger"]')
    result = fit(two, tones.train, tones.validation, tmp_path / "run", store=store)
    assert result.network.config.labels == ("angry", "sad")
    assert {clip.emotion for clip in result.train} == {"angry", "sad"}


def test_what_cannot_be_learned_from_is_refused(
    tones, store: FeatureStore, recipe: MakeRecipe, tmp_path: Path
) -> None:
    angry = [clip for clip in tones.train if clip.emotion == "angry"]
    with pytest.raises(DataError, match="clips of two or more emotions"):
        fit(recipe(), angry, (), tmp_path, store=store)
    with pytest.raises(DataError, match="in training and validation at once: tones/a"):
        fit(recipe(), tones.train, tones.train[:1], tmp_path, store=store)


def test_an_impossible_network_is_refused_before_any_audio_is_read(
    tones, recipe: MakeRecipe, tmp_path: Path
) -> None:
    clips = [replace(clip, file=tmp_path / "gone.wav") for clip in tones.train]
    made = recipe()
    for model, message in (
        (replace(made.model, architecture="oracle"), "unknown architecture 'oracle'"),
        (replace(made.model, options={"layers": 9}), "unknown key model.cnn.layers"),
        (replace(made.model, head_dropout=1.5), "head_dropout must be in"),
    ):
        with pytest.raises(ConfigError, match=message):
            fit(replace(made, model=model), clips, (), tmp_path)


def test_a_loss_that_leaves_the_numbers_says_what_to_do(
    tones, store: FeatureStore, recipe: MakeRecipe, tmp_path: Path
) -> None:
    made = recipe(epochs=3)
    wild = replace(made, training=replace(made.training, learning_rate=1e30, gradient_clip=1e30))
    with pytest.raises(ModelError, match=r"the loss became \w+ at step \d+: lower training\.learn"):
        fit(wild, tones.train, (), tmp_path, store=store)


def test_the_fingerprint_is_of_what_decides_the_weights(tones, recipe: MakeRecipe) -> None:
    made = recipe()

    def fingerprint(recipe: Recipe = made, train=tones.train, seed: int = 0) -> str:
        return run_fingerprint(recipe, train, tones.validation, seed)

    same = replace(
        made,
        name="other",
        description="other",
        training=replace(made.training, checkpoint_seconds=1.0),
    )
    assert fingerprint(same) == fingerprint()
    moved = [replace(clip, file=Path("elsewhere") / clip.file.name) for clip in tones.train]
    assert fingerprint(train=moved) == fingerprint()
    others = [
        fingerprint(seed=1),
        fingerprint(train=tones.train[1:]),
        fingerprint(train=[replace(tones.train[0], emotion="sad"), *tones.train[1:]]),
        fingerprint(replace(made, training=replace(made.training, learning_rate=1e-3))),
        fingerprint(replace(made, augment=replace(made.augment, enabled=True))),
    ]
    assert len({fingerprint(), *others}) == len(others) + 1


def test_a_changed_default_is_another_run(
    tones, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that leaves a key out means another experiment when its default has changed."""

    def fingerprint(text: str) -> str:
        (tmp_path / "own.toml").write_text(text)
        recipe = load_recipe(tmp_path / "own.toml")
        return run_fingerprint(recipe, tones.train, tones.validation, 0)

    for table, name, value in ((TrainingConfig, "averaging", 0.5), (Warp, "tempo", 0.3)):
        before = fingerprint("")
        defaults = {field.name: field.default for field in fields(table)}
        changed = tuple({**defaults, name: value}.values())
        monkeypatch.setattr(table.__init__, "__defaults__", changed)
        assert fingerprint("") != before
    assert fingerprint("[training]\naveraging = 0.5") == fingerprint("")


def test_a_key_is_in_the_fingerprint_whatever_its_value(tones, recipe: MakeRecipe) -> None:
    decisive = _decisive(effective_values(recipe()))
    left_out = {"name", "description", "checkpoint_seconds", "device", "compile"}
    assert {field.name for field in fields(Recipe)} - set(decisive) <= left_out
    for table in ("data", "model", "training", "augment", "imbalance", "tasks"):
        keys = {field.name for field in fields(getattr(recipe(), table))}
        assert keys - set(decisive[table]) <= left_out


def test_a_run_of_an_earlier_version_is_refused(tones, recipe: MakeRecipe, tmp_path: Path) -> None:
    fit(recipe(epochs=1), tones.train, (), tmp_path)
    tensors, facts = checkpoint.load(tmp_path / LAST)
    checkpoint.save(tmp_path / LAST, tensors, {**facts, "fingerprint": "0" * 64})
    with pytest.raises(ModelError, match="holds a run of another version of affekt: choose"):
        fit(recipe(epochs=1), tones.train, (), tmp_path)
