"""The loop stops, resumes, keeps and gives up where it should."""

from __future__ import annotations

import math
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from affekt.errors import ModelError  # noqa: E402
from affekt.models import Network, NetworkConfig, build_network, checkpoint  # noqa: E402
from affekt.training import FeatureStore, Recipe, fit  # noqa: E402
from affekt.training.data.batches import Batches  # noqa: E402
from affekt.training.network.loop import BEST, LAST, Epoch, Quiet, Trainer  # noqa: E402
from affekt.training.recipe.schema import (  # noqa: E402
    DistilConfig,
    TasksConfig,
)

MakeRecipe = Callable[..., Recipe]


class Interrupting(Quiet):
    """Calls a function at one step; remembers where runs began."""

    def __init__(self, at: int, act: Callable[[], None]) -> None:
        self.at = at
        self.act = act
        self.began: list[int] = []
        self.steps: list[int] = []

    def started(self, first_step: int, steps: int, history: Sequence[Epoch]) -> None:
        self.began.append(first_step)

    def step(self, step: int, loss: float) -> None:
        self.steps.append(step)
        if step == self.at:
            self.act()


def power_cut() -> None:
    raise RuntimeError("power cut")


def random_recipe(recipe: MakeRecipe, **training: object) -> Recipe:
    """Everything random that a run may hold: dropout, augmentation, mixup, speeds."""
    made = recipe(epochs=4)
    changes = {"checkpoint_seconds": 0.0, "speeds": (1.0, 0.95), **training}
    return replace(
        made,
        training=replace(made.training, **changes),
        augment=replace(made.augment, enabled=True),
        model=replace(made.model, head_dropout=0.3, options={**made.model.options, "dropout": 0.2}),
    )


def weights(run: Path) -> dict[str, torch.Tensor]:
    return checkpoint.load(run / LAST)[0]


def assert_same_run(one: Path, other: Path) -> None:
    """Weights, averages, optimiser and random state agree bit by bit, and so do the losses."""
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []
    histories = [
        [{**row, "seconds": 0} for row in checkpoint.load(run / LAST)[1]["history"]]
        for run in (one, other)
    ]
    assert str(histories[0]) == str(histories[1])


@pytest.mark.parametrize("at", [1, 5, 6, 7])
def test_a_broken_off_run_ends_as_an_unbroken_one(
    at: int, tones, store: FeatureStore, recipe: MakeRecipe, tmp_path: Path
) -> None:
    """The epochs have 3 steps: broken off in the first, the middle, and around an end."""
    made = random_recipe(recipe)
    fit(made, tones.train, tones.validation, tmp_path / "whole", store=store)
    reporter = Interrupting(at, power_cut)
    with pytest.raises(RuntimeError, match="power cut"):
        fit(made, tones.train, tones.validation, tmp_path / "cut", store=store, reporter=reporter)
    torch.manual_seed(99)  # what happens in between does not matter
    reporter.act = lambda: None
    fit(made, tones.train, tones.validation, tmp_path / "cut", store=store, reporter=reporter)
    assert reporter.began == [0, at - 1]  # the step that broke was not saved
    assert reporter.steps == [*range(1, at + 1), *range(at, 13)]
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_step_finish_and_be_saved(
    number: int, tones, store: FeatureStore, recipe: MakeRecipe, tmp_path: Path
) -> None:
    made = random_recipe(recipe, checkpoint_seconds=1e6)
    reporter = Interrupting(5, lambda: os.kill(os.getpid(), number))
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        fit(made, tones.train, tones.validation, tmp_path / "cut", store=store, reporter=reporter)
    assert signal.getsignal(number) is before
    assert checkpoint.load(tmp_path / "cut" / LAST)[1]["step"] == 5
    reporter.act = lambda: None
    fit(made, tones.train, tones.validation, tmp_path / "cut", store=store, reporter=reporter)
    assert reporter.steps == list(range(1, 13))
    fit(made, tones.train, tones.validation, tmp_path / "whole", store=store)
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


def test_a_finished_run_takes_no_more_steps(
    tones, store: FeatureStore, recipe: MakeRecipe, tmp_path: Path
) -> None:
    first = fit(recipe(), tones.train, tones.validation, tmp_path, store=store)
    reporter = Interrupting(-1, power_cut)
    again = fit(recipe(), tones.train, tones.validation, tmp_path, store=store, reporter=reporter)
    assert reporter.steps == []
    assert again.history == first.history
    assert again.best_epoch == first.best_epoch
    for name, value in first.network.state_dict().items():
        assert torch.equal(again.network.state_dict()[name], value), name


@pytest.mark.parametrize("change", ["seed", "recipe", "data"])
def test_the_folder_of_another_run_is_refused(
    change: str, tones, store: FeatureStore, recipe: MakeRecipe, tmp_path: Path
) -> None:
    fit(recipe(), tones.train, (), tmp_path / "run", store=store)
    before = (tmp_path / "run" / LAST).read_bytes()
    made = recipe(epochs=3) if change == "recipe" else recipe()
    train = tones.train[1:] if change == "data" else tones.train
    message = r"run holds a run of another recipe, data or seed: choose another --out, or delete"
    with pytest.raises(ModelError, match=message):
        fit(made, train, (), tmp_path / "run", seed=int(change == "seed"), store=store)
    assert (tmp_path / "run" / LAST).read_bytes() == before


def scripted(
    tones, store: FeatureStore, made: Recipe, folder: Path, scores: Sequence[float]
) -> tuple[Trainer, dict[int, torch.Tensor]]:
    """Run a trainer whose epochs are told how good they are; return the weights of each."""
    seen: dict[int, torch.Tensor] = {}
    script: Iterator[float] = iter(scores)

    def validate(network: Network) -> tuple[float, float]:
        seen[len(seen) + 1] = network.head[-1].weight.detach().clone()
        return 1.0, next(script)

    labels = ("angry", "happy", "sad")
    torch.manual_seed(0)
    network = build_network(NetworkConfig(labels, options=dict(made.model.options)))
    batches = Batches(tones.train, labels, made, store, 0)
    trainer = Trainer(network, batches, made.training, folder, "fingerprint", validate, 0)
    trainer.run()
    return trainer, seen


def test_the_best_epoch_is_kept_and_of_equals_the_later_one(
    tones, store: FeatureStore, recipe: MakeRecipe, tmp_path: Path
) -> None:
    trainer, seen = scripted(tones, store, recipe(epochs=5), tmp_path, [0.4, 0.7, 0.5, 0.7, 0.6])
    assert trainer.best_epoch == 4
    assert torch.equal(trainer.network.head[-1].weight, seen[4])
    assert checkpoint.load(tmp_path / BEST)[1] == {"epoch": 4, "validation_uar": 0.7}
    assert not trainer.network.training


def test_the_last_epoch_is_kept_on_request(
    tones, store: FeatureStore, recipe: MakeRecipe, tmp_path: Path
) -> None:
    last = recipe(epochs=3, training='keep = "last"')
    trainer, seen = scripted(tones, store, last, tmp_path, [0.9, 0.5, 0.2])
    assert torch.equal(trainer.network.head[-1].weight, seen[3])


def test_patience_ends_a_run_that_gets_worse(
    tones, store: FeatureStore, recipe: MakeRecipe, tmp_path: Path
) -> None:
    patient = recipe(epochs=9, training="patience = 2")
    trainer, seen = scripted(tones, store, patient, tmp_path, [0.4, 0.3, 0.6, 0.5, 0.5, 0.9, 1])
    assert [row.epoch for row in trainer.history] == [1, 2, 3, 4, 5]
    assert torch.equal(trainer.network.head[-1].weight, seen[3])


def test_the_rate_warms_up_and_falls_to_zero(
    tones, store: FeatureStore, recipe: MakeRecipe, tmp_path: Path
) -> None:
    made = recipe(epochs=20, batch_size=100, training="warmup = 0.2")  # 4 of 20 steps
    rates = [row.learning_rate for row in fit(made, tones.train, (), tmp_path, store=store).history]
    assert rates[:5] == pytest.approx([0.0025, 0.005, 0.0075, 0.01, 0.01])
    assert rates[12] == pytest.approx(0.005)  # half way down
    assert rates[19] == pytest.approx(0.01 * 0.5 * (1 + math.cos(math.pi * 15 / 16)))
    assert rates[4:] == sorted(rates[4:], reverse=True)


def test_norms_and_biases_do_not_decay(
    tones, store: FeatureStore, recipe: MakeRecipe, tmp_path: Path
) -> None:
    trainer, _ = scripted(tones, store, recipe(epochs=1), tmp_path, [0.5])
    for group in trainer.optimizer.param_groups:
        assert group["params"]
        for parameter in group["params"]:
            assert (parameter.ndim > 1) == (group["weight_decay"] > 0)
    counted = sum(len(group["params"]) for group in trainer.optimizer.param_groups)
    assert counted == len(list(trainer.network.parameters()))


def test_the_gradient_is_clipped(
    tones, store: FeatureStore, recipe: MakeRecipe, tmp_path: Path
) -> None:
    """The second moment of AdamW remembers how large the gradients were."""
    norms = {}
    for clip in (1e-3, 1e3):
        run = tmp_path / str(clip)
        made = recipe(epochs=1, batch_size=100, training=f"gradient_clip = {clip}")
        fit(made, tones.train, (), run, store=store)
        squares = [v.sum() for n, v in weights(run).items() if n.endswith("exp_avg_sq")]
        norms[clip] = math.sqrt(sum(map(float, squares)) / 0.001)  # one step: 0.001 g^2
    assert norms[1e-3] == pytest.approx(1e-3, rel=1e-3)
    assert norms[1e3] > 0.1


@pytest.mark.parametrize("even", ["class weights", "logit adjustment"])
@pytest.mark.parametrize("architecture", ["cnn", "tcn", "transformer"])
def test_a_step_stays_on_the_device_of_the_network(
    tones, store: FeatureStore, recipe: MakeRecipe, tmp_path: Path, architecture: str, even: str
) -> None:
    """On ``meta`` tensors have shapes but no numbers; most operations refuse others beside them."""
    made, weighted = recipe(), even == "class weights"
    made = replace(
        made,
        training=replace(made.training, precision="float32", class_weights=weighted),
        tasks=TasksConfig(intensity=0.5, adversary="speaker", masked=0.5),
        imbalance=replace(
            made.imbalance, logit_adjustment=0.0 if weighted else 1.0, focal_gamma=1.0
        ),
        distil=DistilConfig(embedding=1.0),
    )
    clips = [replace(clip, intensity="strong") for clip in tones.train]
    labels = tuple(sorted({clip.emotion for clip in clips}))
    config = NetworkConfig(
        labels,
        architecture=architecture,
        pooling="attention",
        head_dropout=0.3,
        heads=("intensity",),
    )
    network = build_network(config).to("meta").train()
    batches = Batches(clips, labels, made, store, 0)
    batches.embeddings = np.zeros((len(clips), 7), dtype=np.float32)
    trainer = Trainer(
        network, batches, made.training, tmp_path, "fingerprint", lambda _: (0.0, 0.0), 0
    )
    batch = next(batches.epoch(0)).to(trainer.device)
    loss = trainer.loss(batch)
    loss.backward()
    trainer.optimizer.step()
    trainer.average.update(network, 0)
    kept = [*vars(batch).values(), loss, *trainer.tasks.state_dict().values()]
    kept += [trainer.class_weights if weighted else trainer.logit_shift]
    kept += [parameter.grad for parameter in network.parameters()]
    assert {tensor.device.type for tensor in kept} == {"meta"}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_network_learns_the_same(
    tones, store: FeatureStore, recipe: MakeRecipe, tmp_path: Path
) -> None:
    made = recipe()
    losses, gradients = [], []
    for compiled in (False, True):
        config = replace(made.training, precision="float32", compile=compiled)
        labels = tuple(sorted({clip.emotion for clip in tones.train}))
        torch.manual_seed(0)
        options = dict(made.model.options)
        network = build_network(NetworkConfig(labels, options=options, head_dropout=0.0))
        batches = Batches(tones.train, labels, made, store, 0)
        trainer = Trainer(
            network.train(), batches, config, tmp_path, "fingerprint", lambda _: (0.0, 0.0), 0
        )
        loss = trainer.loss(next(batches.epoch(0)))
        loss.backward()
        losses.append(loss.item())
        gradients.append([parameter.grad for parameter in network.parameters()])
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    for plain, other in zip(*gradients, strict=True):
        torch.testing.assert_close(other, plain, rtol=0, atol=1e-4 * float(plain.abs().max()))
