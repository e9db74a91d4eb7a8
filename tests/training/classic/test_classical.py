"""Classical systems: what their recipes may say, what they learn from, what they answer."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")
torch = pytest.importorskip("torch")

from affekt.data import Clip  # noqa: E402
from affekt.errors import ConfigError, DataError  # noqa: E402
from affekt.evaluation.calibration import negative_log_likelihood  # noqa: E402
from affekt.training import Recipe, fit, load_recipe  # noqa: E402
from affekt.training.classic.fit import fit_classical  # noqa: E402
from affekt.training.recipe.classical import OPTIONS, ClassicalConfig  # noqa: E402

QUICK: dict[str, dict[str, Any]] = {
    "svm": {},
    "logistic": {},
    "boosting": {"rounds": 10, "features": 1.0},
    "mlp": {"hidden": [16], "epochs": 40, "learning_rate": 0.01, "batch_size": 20},
    "tutorial": {"epochs": 12, "kernel": 3, "batch_size": 10},
}
MODELS = tuple(QUICK)
RECIPES = Path(__file__).resolve().parents[3] / "recipes"


def vectors(
    counts: tuple[int, ...] = (60, 50, 40), seed: int = 0, spread: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Clouds of 20 features in odd units, whose means differ by class."""
    targets = np.repeat(np.arange(len(counts)), counts)
    centres = np.random.default_rng(99).normal(size=(len(counts), 20))
    noise = np.random.default_rng(seed).normal(size=(len(targets), 20))
    units = 10.0 ** np.arange(-3, 4).repeat(3)[:20]
    return ((centres[targets] + spread * noise + 5) * units).astype(np.float32), targets


def system(model: str, **changes: Any) -> ClassicalConfig:
    return ClassicalConfig(model=model, options=QUICK[model], **changes)


@pytest.mark.parametrize("model", MODELS)
def test_it_learns_whatever_the_units(model: str) -> None:
    fitted = fit_classical(system(model), vectors(), None, 3)
    points, targets = vectors(seed=1)
    logits = fitted.logits(points)
    assert logits.shape == (150, 3)
    assert (logits.argmax(axis=1) == targets).mean() > 0.9


@pytest.mark.parametrize("model", MODELS)
def test_the_seed_decides_and_torchs_own_state_stays(model: str) -> None:
    before = torch.get_rng_state()
    first, again = (fit_classical(system(model), vectors(), None, 3, seed=4) for _ in range(2))
    points = vectors(seed=1)[0]
    assert np.array_equal(first.logits(points), again.logits(points))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("model", ["mlp", "tutorial"])
def test_another_seed_is_another_network(model: str) -> None:
    points = vectors(seed=1)[0]
    first, other = (
        fit_classical(system(model), vectors(), None, 3, seed).logits(points) for seed in (0, 1)
    )
    assert not np.allclose(first, other)


def test_statistics_come_from_the_training_clips_alone() -> None:
    train = vectors()
    far = (vectors(seed=2)[0] * 1000, vectors(seed=2)[1])
    with_far, without = (fit_classical(system("svm"), train, side, 3) for side in (far, None))
    for fitted in (with_far, without):
        scaler = fitted.standardise[0]
        assert scaler.mean_ == pytest.approx(train[0].astype(float).mean(axis=0))
        assert scaler.scale_ == pytest.approx(train[0].astype(float).std(axis=0))


def test_a_missing_value_counts_as_the_mean_of_the_training_clips() -> None:
    points, targets = vectors()
    points[::3, 4] = np.nan
    points[:, 7] = np.nan  # a feature that no clip has
    fitted = fit_classical(system("logistic"), (points, targets), None, 3)
    asked = points[:1].copy()
    asked[0, 4] = np.nan
    filled = asked.copy()
    filled[0, 4] = np.nanmean(points[:, 4].astype(float))
    assert fitted.logits(asked) == pytest.approx(fitted.logits(filled), abs=1e-5)
    other = asked.copy()
    other[0, 7] = 123.0
    assert fitted.logits(other) == pytest.approx(fitted.logits(asked))


def test_the_temperature_makes_validation_clips_likeliest() -> None:
    validation = vectors(seed=1, spread=3.0)
    fitted = fit_classical(system("svm"), vectors(spread=3.0), validation, 3)
    logits = fitted.logits(validation[0])

    def loss(temperature: float) -> float:
        return negative_log_likelihood(logits / temperature, validation[1])

    assert fitted.temperature != 1
    assert loss(fitted.temperature) < min(loss(fitted.temperature * f) for f in (0.8, 1.25))


def test_without_validation_clips_nothing_is_chosen_or_calibrated() -> None:
    config = ClassicalConfig(model="svm", options={"c": 5.0}, grid={"c": (0.1, 1.0)})
    fitted = fit_classical(config, vectors(), None, 3)
    assert fitted.options.c == 5.0
    assert fitted.temperature == 1


def test_validation_clips_choose_from_the_grid() -> None:
    config = ClassicalConfig(model="logistic", grid={"c": (1e-9, 0.1, 0.1000001)})
    counts = (80, 10, 10)  # with next to no weights, the constant answers with the largest class
    fitted = fit_classical(config, vectors(counts), vectors(counts, seed=1), 3)
    assert fitted.options.c == 0.1  # the first of equals


def test_two_classes_and_a_class_that_was_never_trained() -> None:
    points, targets = vectors((40, 40))
    for model in MODELS:
        logits = fit_classical(system(model), (points, 2 * targets), None, 3).logits(points)
        assert np.isfinite(logits).all()
        assert set(logits.argmax(axis=1)) == {0, 2}
        assert (logits.argmax(axis=1) == 2 * targets).mean() > 0.9


@pytest.mark.parametrize("balance", ["weights", "smote"])
def test_balance_helps_the_rare_class(balance: str) -> None:
    counts = (300, 300, 8)
    test = vectors((100, 100, 100), seed=1, spread=4.0)
    rare = test[1] == 2

    def recall(kind: str) -> float:
        config = ClassicalConfig(model="logistic", options={"c": 0.01}, balance=kind)
        fitted = fit_classical(config, vectors(counts, spread=4.0), None, 3)
        return float((fitted.logits(test[0])[rare].argmax(axis=1) == 2).mean())

    assert recall(balance) > recall("none") + 0.2


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("logistic", 20 * 3 + 3),
        ("mlp", 20 * 16 + 16 + 16 * 3 + 3),
        # 20 features -> 18 -> 9 -> 7 -> 3 after two convolutions of 3 and poolings of 2
        ("tutorial", (64 * 3 + 64) + (128 * 64 * 3 + 128) + (128 * 3 * 128 + 128) + (128 * 3 + 3)),
    ],
)
def test_parameters_are_counted_by_hand(model: str, expected: int) -> None:
    learned = fit_classical(system(model), vectors(), None, 3).learned()
    assert learned.parameters == expected + 2 * 20 + 1  # mean, scale and temperature
    assert 4 * learned.parameters <= learned.bytes < 4 * learned.parameters + 8000


def test_a_support_vector_machine_is_as_large_as_its_clips() -> None:
    small = fit_classical(system("svm"), vectors(), None, 3)
    large = fit_classical(system("svm"), vectors((180, 150, 120), spread=3.0), None, 3)
    kept = len(small.classifier.support_)
    assert small.learned().parameters == kept * (20 + 2) + 3 + 41
    assert large.learned().parameters > small.learned().parameters


def test_trees_are_remembered_whole() -> None:
    """What is counted is enough to answer: the forest is walked again from the arrays alone."""
    points, _ = vectors()
    fitted = fit_classical(system("boosting"), vectors(), None, 3)
    numbers, structure = fitted.learned()
    leaves = np.unpackbits(structure["leaf"], count=structure["sizes"].sum()).astype(bool)
    before_leaf = np.cumsum(leaves) - leaves
    before_split = np.cumsum(~leaves) - ~leaves
    starts = np.cumsum(structure["sizes"]) - structure["sizes"]
    ready = fitted.standardise.transform(points)
    scores = np.tile(numbers["baseline"].astype(float), (5, 1))
    for row in range(5):
        for tree, start in enumerate(starts.tolist()):
            node = start
            while not leaves[node]:
                split = before_split[node]
                feature, threshold = numbers["feature"][split], numbers["threshold"][split]
                side = "left" if ready[row, int(feature)] <= threshold else "right"
                node = start + int(structure[side][split])
            scores[row, tree % 3] += numbers["value"][before_leaf[node]]
    assert scores == pytest.approx(fitted.logits(points[:5]), abs=1e-9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('model = "forest"', "classical.model must be one of svm, logistic, boosting, mlp"),
        ('balance = "even"', "classical.balance must be one of none, weights, smote"),
        ('model = "mlp"\nbalance = "weights"', "mlp takes no weights: balance it with 'smote'"),
        ("options = { cost = 1 }", "unknown key classical.options.cost"),
        ("options = { c = 0 }", "c of svm must be positive, got 0"),
        ("options = { c = true }", "classical.options.c must be float"),
        ("grid = { c = [] }", "classical.grid.c must name one or more values"),
        ("grid = { c = [1, -1] }", "c of svm must be positive, got -1"),
        ("grid = { d = [1] }", "classical.grid.d: svm can try only c, gamma"),
        ('model = "boosting"\noptions = { leaves = 1 }', "boosting needs leaves >= 2"),
        ('model = "mlp"\noptions = { hidden = [] }', "mlp needs hidden layers"),
        ('model = "tutorial"\noptions = { dropout = 1 }', r"dropout must be in \[0, 1\)"),
        ("classes = 3", "unknown key recipe.classical.classes"),
    ],
)
def test_impossible_recipes_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(f"[classical]\n{text}\n")
    with pytest.raises(ConfigError, match=message):
        load_recipe(path)


def test_every_system_has_its_recipe() -> None:
    found = {name: load_recipe(RECIPES / f"{name}.toml").classical for name in OPTIONS}
    assert all(config and config.model == name for name, config in found.items())


def test_it_makes_no_network(tmp_path: Path) -> None:
    recipe = Recipe(classical=ClassicalConfig())
    with pytest.raises(ConfigError, match="makes no network: give it to affekt benchmark"):
        fit(recipe, [Clip(Path("a.wav"), "sad")], [], tmp_path)


def test_too_few_features_for_the_convolutions() -> None:
    points, targets = vectors()
    with pytest.raises(ConfigError, match="6 features are too few for a kernel of 3"):
        fit_classical(ClassicalConfig(model="tutorial"), (points[:, :6], targets), None, 3)


def test_smote_needs_two_clips_of_every_class() -> None:
    with pytest.raises(DataError, match="two or more clips of every class"):
        fit_classical(system("mlp", balance="smote"), vectors((9, 9, 1)), None, 3)


def test_the_tutorials_network_is_the_one_that_is_described() -> None:
    from affekt.training.classic.classifiers import TutorialNetwork
    from affekt.training.recipe.classical import TutorialOptions

    network = TutorialNetwork(66, 8, TutorialOptions())
    shapes, x = [], torch.zeros(2, 66)
    for layer in network.eval():
        x = layer(x)
        shapes.append((type(layer).__name__, *x.shape[1:]))
    assert shapes == [
        ("Unflatten", 1, 66),
        ("Conv1d", 64, 64),
        ("ReLU", 64, 64),
        ("MaxPool1d", 64, 32),
        ("Conv1d", 128, 30),
        ("ReLU", 128, 30),
        ("MaxPool1d", 128, 15),
        ("Flatten", 1920),
        ("Linear", 128),
        ("ReLU", 128),
        ("Dropout", 128),
        ("Linear", 8),
    ]
    assert math.isclose(network[10].p, 0.5)


def test_the_tutorials_network_stops_early_and_keeps_its_best_epoch() -> None:
    from affekt.training.classic.classifiers import TutorialClassifier
    from affekt.training.recipe.classical import TutorialOptions

    points, targets = vectors((60, 60, 60), spread=3.0)
    points = (points - points.mean(axis=0)) / points.std(axis=0)
    train, others = (points[::2], targets[::2]), (points[1::2], targets[1::2])
    options = TutorialOptions(epochs=60, patience=3, learning_rate=3e-3)
    stopped = TutorialClassifier(options, seed=0).fit(*train, others)
    assert 1 <= stopped.best_epoch_ < 57

    def loss(best: int) -> tuple[float, np.ndarray]:
        """Of a training that ends after an epoch and keeps it."""
        fixed = replace(options, epochs=best, patience=0)
        logits = TutorialClassifier(fixed, seed=0).fit(*train).decision_function(others[0])
        return negative_log_likelihood(logits, others[1]), logits

    best_loss, logits = loss(stopped.best_epoch_)
    assert np.array_equal(stopped.decision_function(others[0]), logits)
    for epoch in range(1, stopped.best_epoch_ + options.patience + 1):
        assert loss(epoch)[0] >= best_loss - 1e-6


def test_without_validation_a_tenth_of_the_clips_stops_it() -> None:
    fitted = fit_classical(ClassicalConfig(model="tutorial"), vectors(spread=3.0), None, 3)
    assert fitted.classifier.best_epoch_ < 50
    assert fitted.temperature == 1.0
