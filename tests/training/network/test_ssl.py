"""Training on encoders of transformers: what learns, how fast, and on what."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_network import RATE, TINY_ENCODERS, WAVEFORM, tiny_network
from tone_corpus import make_tones, write_recipe
from tone_protocol import tone_protocol

import affekt
from affekt.augment import Mixup, NoiseFloor
from affekt.errors import ConfigError
from affekt.models.encoders.ssl import Ssl
from affekt.training import FeatureStore, Recipe, load_recipe, score_clips
from affekt.training.benchmark.benchmark import FoldResult, run_benchmark
from affekt.training.data.batches import Batches
from affekt.training.data.features import FEATURES, clip_samples
from affekt.training.network.fit import fit
from affekt.training.network.loop import SLOWDOWN, Quiet, make_optimizer, set_learning_rate
from affekt.training.recipe.schema import TrainingConfig
from affekt.training.run import train
from affekt.training.search.space import changed, make_space

transformers = pytest.importorskip("transformers")


class Stopping(Quiet):
    """Breaks a run off after two steps, as Ctrl-C would."""

    def step(self, step: int, loss: float) -> None:
        if step == 2:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints") / "tiny-wavlm"
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(**TINY_ENCODERS["wavlm"])
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    return folder


@pytest.fixture
def recipe(checkpoint: Path, tmp_path: Path) -> Recipe:
    made = load_recipe(write_recipe(tmp_path / "tones.toml", epochs=6))
    model = replace(
        made.model,
        architecture="ssl",
        options={"checkpoint": str(checkpoint), "channels": 16},
        frontend=WAVEFORM,
    )
    return replace(made, model=model)


def test_a_run_from_a_checkpoint_to_a_model_that_answers(
    recipe: Recipe, checkpoint: Path, tmp_path: Path
) -> None:
    recordings = make_tones(tmp_path / "tones", takes=2)
    recipe = replace(recipe, data=replace(recipe.data, sources=(str(recordings),)))
    result = train(recipe, tmp_path / "run")
    assert not (tmp_path / "run" / FEATURES).exists()  # served for going on
    losses = [row.loss for row in result.fitted.history]
    assert losses[-1] < 0.9 * losses[0]
    before = transformers.AutoModel.from_pretrained(checkpoint).encoder.state_dict()
    after = result.fitted.network.encoder.backbone.encoder.state_dict()
    frozen = [name for name in after if "pos_conv_embed" not in name]  # that is written otherwise
    assert len(frozen) > 20
    assert all(torch.equal(before[name], after[name]) for name in frozen)
    assert float(result.fitted.network.feature_mean) == 0
    assert float(result.fitted.network.feature_scale) == 1
    config = json.loads((result.model / "config.json").read_text(encoding="utf-8"))
    assert config["architecture"]["checkpoint"] == "tiny-wavlm"
    model = affekt.load_model(result.model)  # compared with torch as it was written
    for name in ("sad/a/sad-a-0.wav", "angry/h/angry-h-1.wav"):
        sound = affekt.load_audio(recordings / name)
        with torch.inference_mode():
            expected = result.fitted.network(torch.from_numpy(sound)[None])["probabilities"][
                0
            ].tolist()
        found = list(model.predict(recordings / name).scores.values())
        assert sorted(found) == pytest.approx(sorted(expected), abs=1e-4)


def test_a_frozen_encoder_hears_each_clip_once(
    tones, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over epochs, seeds, and folds; one with other weights hears it for itself."""
    heard: list[int] = []
    frozen_features = Ssl.frozen_features

    def counted(self: Ssl, features: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
        heard.append(len(features))
        return frozen_features(self, features, *rest)

    monkeypatch.setattr(Ssl, "frozen_features", counted)
    store = FeatureStore(WAVEFORM)
    for seed in (0, 1):
        place = tmp_path / str(seed)
        network = fit(recipe, tones.train, tones.validation, place, seed=seed, store=store).network
        logits = score_clips(network, tones.test, store)
    assert sum(heard) == len(tones.all())
    alone = network.classify(
        network.frontend(torch.from_numpy(clip_samples(tones.test[0], RATE))[None])
    )
    np.testing.assert_allclose(logits[:1], alone.detach().numpy(), atol=0.01)  # kept in 16 bits
    heard.clear()
    kept = score_clips(network, tones.test, FeatureStore(WAVEFORM, tmp_path / "features"))
    again = score_clips(network, tones.test, FeatureStore(WAVEFORM, tmp_path / "features"))
    np.testing.assert_array_equal(kept, again)
    np.testing.assert_array_equal(kept, logits)
    assert sum(heard) == len(tones.test)
    heard.clear()
    network.encoder.backbone.layers[0].feed_forward.output_dense.weight.data.normal_()
    assert np.abs(score_clips(network, tones.test, store) - logits).max() > 0.01
    assert sum(heard) == len(tones.test)


def test_a_benchmark_of_a_fine_tuned_one(tones, recipe: Recipe, tmp_path: Path) -> None:
    options = {**recipe.model.options, "train": "all"}
    recipe = replace(
        recipe,
        model=replace(recipe.model, options=options),
        training=replace(recipe.training, epochs=1),
    )
    done: list[FoldResult] = []
    protocol = tone_protocol(tones.all())
    run_benchmark(
        protocol, recipe, tmp_path, folds=["1"], announce=lambda fold, known: done.append(fold)
    )
    (fold,) = done
    assert fold.probabilities.shape == (18, 3)
    assert np.ptp(fold.probabilities, axis=0).max() > 0


def test_its_recipe_can_be_searched(recipe: Recipe) -> None:
    space = make_space({"model.options": {"channels": {"choices": [8, 16]}}}, recipe)
    assert [dimension.key for dimension in space.dimensions] == ["model.options.channels"]
    found = changed(recipe, {"model.options.channels": 8})
    assert found.model.options == {**recipe.model.options, "channels": 8}
    with pytest.raises(ConfigError, match="ssl: top = 9, but there are 2 layers"):
        make_space(
            {"model.options": {"top": {"low": 1, "high": 9}}},
            changed(recipe, {"model.options.train": "top", "model.options.top": 1}),
        )


def test_what_an_encoder_was_is_told_beside_its_figure(recipe: Recipe) -> None:
    assert recipe.extra_data == ("tiny-wavlm",)
    options = {"checkpoint": "openai/whisper-base"}
    named = replace(recipe, model=replace(recipe.model, options=options))
    assert named.extra_data == ("openai/whisper-base",)
    assert replace(Recipe(), taught_by=named).extra_data == ("openai/whisper-base",)


def test_an_encoder_learns_more_slowly_than_what_is_new(recipe: Recipe, tones) -> None:
    options = {"encoder": TINY_ENCODERS["hubert"], "train": "top", "top": 1, "slowdown": 20.0}
    network = tiny_network(architecture="ssl", options=options)
    others = torch.nn.Linear(2, 2)
    optimizer = make_optimizer(network, others.parameters(), TrainingConfig())
    set_learning_rate(optimizer, 0.1)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    decays = {
        id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]
    }
    layer, head = network.encoder.backbone.layers[-1], network.head[-1]
    assert {rates[id(p)] for p in layer.parameters()} == {0.1 / 20}
    assert {rates[id(p)] for p in (*head.parameters(), *others.parameters())} == {0.1}
    assert rates[id(network.encoder.mix)] == 0.1
    assert len(rates) == sum(p.requires_grad for p in network.parameters()) + 2
    assert decays[id(layer.final_layer_norm.weight)] == decays[id(head.bias)] == 0
    assert decays[id(layer.final_layer_norm.weight)] != decays[id(head.weight)]
    plain = make_optimizer(tiny_network(), (), TrainingConfig())
    assert [group[SLOWDOWN] for group in plain.param_groups] == [1.0, 1.0]


def test_fine_tuning_goes_on_where_it_stopped(recipe: Recipe, tones, tmp_path: Path) -> None:
    """Bit for bit, with rates of its own for the encoder and dropout inside it."""
    options = {**recipe.model.options, "train": "all"}
    recipe = replace(
        recipe,
        model=replace(recipe.model, options=options),
        training=replace(recipe.training, epochs=1, checkpoint_seconds=0.0),
    )
    store = FeatureStore(WAVEFORM)
    whole = fit(recipe, tones.train, tones.validation, tmp_path / "whole", store=store)
    with pytest.raises(KeyboardInterrupt):
        fit(recipe, tones.train, tones.validation, tmp_path / "a", store=store, reporter=Stopping())
    again = fit(recipe, tones.train, tones.validation, tmp_path / "a", store=store)
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[name]), name


def test_waveforms_are_mixed_but_not_taken_for_power(recipe: Recipe, tones) -> None:
    clips, store = tones.train, FeatureStore(WAVEFORM)
    still = replace(recipe, training=replace(recipe.training, speeds=(1.0,), batch_size=4))
    loud = replace(still, augment=replace(still.augment, enabled=True))
    unmixed = replace(loud, augment=replace(loud.augment, mixup=Mixup(alpha=0.0)))
    plain, mixed, same = (
        next(Batches(clips, ("angry", "happy", "sad"), each, store, 0).epoch(0))
        for each in (still, loud, unmixed)
    )
    assert plain.features.shape[1] == 320
    assert plain.features.std() == pytest.approx(1, abs=0.2)
    assert torch.equal(plain.features, same.features)
    assert not torch.equal(plain.features, mixed.features)
    for row, length in zip(plain.features, plain.lengths, strict=True):
        assert not row[:, length:].any()


def test_spectral_augmentation_that_is_asked_for_is_refused(recipe: Recipe) -> None:
    asked = replace(recipe.augment, enabled=True, noise_floor=NoiseFloor(probability=0.9))
    with pytest.raises(ConfigError, match=r"augment\.noise_floor works on mel power.*waveforms"):
        replace(recipe, augment=asked)
    with pytest.raises(ConfigError, match=r"augment\.relevel works on mel power"):
        replace(recipe, augment=replace(recipe.augment, enabled=True, relevel=True))
    for harmless in (
        replace(asked, enabled=False),
        replace(asked, noise_floor=NoiseFloor(), variants=2, waveform=({"name": "gain"},)),
    ):
        assert replace(recipe, augment=harmless).augment == harmless


def test_a_waveform_comes_back_as_it_was(tones) -> None:
    store = FeatureStore(WAVEFORM)
    clip = tones.train[0]
    sound = affekt.load_audio(clip.file)
    rows = store.get(clip)
    assert rows.shape == (320, -(-len(sound) // 320))
    flat = rows.T.astype(np.float32).ravel()
    expected = (sound - sound.mean()) / sound.std()
    np.testing.assert_allclose(flat[: len(sound)], expected, atol=5e-3)
    assert not flat[len(sound) :].any()
