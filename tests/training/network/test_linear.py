"""A linear classifier on a frozen encoder: what it learns, and what it does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_network import LABELS, TINY_ENCODERS, WAVEFORM
from tone_corpus import make_tones, tone_clips, write_recipe

import affekt
from affekt import TimelineOptions
from affekt.data import Clip
from affekt.errors import ConfigError
from affekt.evaluation.dimensions import agreement, dimension_scores
from affekt.evaluation.metrics import uar
from affekt.export import ModelMetadata, write_model_directory
from affekt.labels import CIRCUMPLEX
from affekt.models import Network, NetworkConfig, build_network
from affekt.training import FeatureStore, Recipe, load_recipe, score_clips
from affekt.training.network.fit import fit
from affekt.training.network.linear import (
    HeldOutAnswers,
    Lesson,
    answers_elsewhere,
    even_weights,
    fit_confidence,
    fit_linear,
    fit_ridge,
)
from affekt.training.recipe.schema import LinearConfig
from affekt.training.recipe.tasks import TasksConfig
from affekt.training.run import train

pytest.importorskip("transformers")

OPTIONS = {"encoder": TINY_ENCODERS["whisper"], "layers": (1, 2), "dimensions": 24}
DIM = 64


def network() -> Network:
    torch.manual_seed(0)
    return build_network(NetworkConfig(LABELS, "statistics", OPTIONS, WAVEFORM)).eval()


def clips_of(speakers: int, each: int) -> list[Clip]:
    """Every speaker says every emotion as often."""
    return [
        Clip(Path(f"{speaker}-{label}-{number}.wav"), label, str(speaker), corpus="own")
        for speaker in range(speakers)
        for label in LABELS
        for number in range(each)
    ]


def points_of(clips: list[Clip], shift: float, seed: int = 0) -> np.ndarray:
    """Points around the centre of their class, moved by their speaker ``[1, clips, dim]``."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(len(LABELS), DIM))
    own = np.random.default_rng(seed)
    moves = shift * own.normal(size=(len({clip.speaker for clip in clips}), DIM))
    labels = [LABELS.index(clip.emotion) for clip in clips]
    speakers = [int(clip.speaker) for clip in clips]
    noise = own.normal(size=(len(clips), DIM))
    return (centres[labels] + moves[speakers] + noise).astype(np.float32)[None]


def fitted(config: LinearConfig, clips: list[Clip], points: np.ndarray) -> Network:
    made = network()
    targets = np.eye(len(LABELS), dtype=np.float32)[[LABELS.index(c.emotion) for c in clips]]
    lesson = Lesson(clips, points, targets, np.ones_like(targets, dtype=bool), {})
    fit_linear(made, config, lesson)
    return made


@torch.inference_mode()
def score(made: Network, clips: list[Clip], points: np.ndarray, centred: bool = False) -> float:
    z = (points[0] - made.encoder.mean.numpy()) / made.encoder.scale.numpy()
    z = z @ made.encoder.projection.numpy()
    if centred:
        for speaker in {clip.speaker for clip in clips}:
            own = [clip.speaker == speaker for clip in clips]
            z[own] -= z[own].mean(axis=0)
    predicted = made.head(torch.from_numpy(z.astype(np.float32))).numpy().argmax(axis=1)
    truth = np.array([LABELS.index(clip.emotion) for clip in clips])
    return uar(truth, predicted, len(LABELS))


def test_one_classifier_serves_with_and_without_the_speakers_mean() -> None:
    seen, unseen = clips_of(12, 4), clips_of(6, 4)
    train_points = points_of(seen, 6.0, seed=1)
    test_points = points_of(unseen, 6.0, seed=2)
    made = fitted(LinearConfig(0.2), seen, train_points)
    plain, centred = (score(made, unseen, test_points, centred=c) for c in (False, True))
    assert centred > plain + 0.1
    assert centred > 0.9
    only_plain = fitted(LinearConfig(0.2, centred=0.0), seen, train_points)
    assert plain > score(only_plain, unseen, test_points) - 0.1


def test_shuffled_labels_give_chance() -> None:
    seen, unseen = clips_of(12, 4), clips_of(12, 4)
    order = np.random.default_rng(3).permutation(len(seen))
    shuffled = [
        replace(clip, emotion=seen[other].emotion) for clip, other in zip(seen, order, strict=True)
    ]
    made = fitted(LinearConfig(0.2), shuffled, points_of(seen, 0.5, seed=1))
    assert score(made, unseen, points_of(unseen, 0.5, seed=2)) == pytest.approx(0.25, abs=0.12)


def test_each_class_of_each_corpus_weighs_the_same() -> None:
    large = [replace(clip, corpus="large") for clip in clips_of(5, 3)][:-10]
    small = [replace(clip, corpus="small") for clip in clips_of(1, 1)]
    clips = large + small
    classes = np.array([LABELS.index(clip.emotion) for clip in clips])
    weights = even_weights(clips, classes, {"small": 2.0})
    assert weights.sum() == pytest.approx(1)
    sums = {
        (corpus, label): sum(
            w
            for w, c in zip(weights, clips, strict=True)
            if (c.corpus, c.emotion) == (corpus, label)
        )
        for corpus in ("large", "small")
        for label in LABELS
    }
    assert sums["small", "sad"] == pytest.approx(2 * sums["large", "angry"])
    assert sums["large", "sad"] == pytest.approx(sums["large", "angry"])


def test_a_stronger_penalty_gives_smaller_weights() -> None:
    clips = clips_of(4, 4)
    points = points_of(clips, 1.0)
    norms = [
        fitted(LinearConfig(l2), clips, points).head[-1].weight.norm().item() for l2 in (0.03, 3.0)
    ]
    assert norms[0] > 2 * norms[1]


def test_confidence_is_fitted_on_corpora_that_were_left_out() -> None:
    """Where corpora differ, a classifier knows less of another one than of other speakers."""
    seen = clips_of(12, 4)
    points = points_of(seen, 0.5)
    corpora = [replace(clip, corpus="ab"[int(clip.speaker) % 2]) for clip in seen]
    targets = np.eye(len(LABELS), dtype=np.float32)[[LABELS.index(c.emotion) for c in seen]]
    moved = points.copy()
    moved[0, [clip.corpus == "b" for clip in corpora], : DIM // 2] *= -1
    temperatures = []
    for found in (points, moved):
        lesson = Lesson(corpora, found, targets, np.ones_like(targets, dtype=bool), {})
        answers = answers_elsewhere(LinearConfig(0.2), lesson, 24)
        assert answers.weights.sum() == pytest.approx(1)
        assert answers.targets.tolist() == [
            LABELS.index(clip.emotion) for name in "ab" for clip in corpora if clip.corpus == name
        ]
        made = network()
        fit_confidence(made, answers)
        temperatures.append(float(made.temperature))
    assert temperatures[1] > 2 * temperatures[0]
    lesson = Lesson(seen, points, targets, np.ones_like(targets, dtype=bool), {})
    with pytest.raises(ConfigError, match="needs two or more training corpora, got 'own'"):
        answers_elsewhere(LinearConfig(0.2), lesson, 24)


def test_what_lies_far_from_the_training_clips_is_answered_with_less_confidence() -> None:
    """Half of the clips lie four times as far away, and their labels are those of others."""
    clips = clips_of(8, 4)
    points = points_of(clips, 0.5)
    made = fitted(LinearConfig(0.2), clips, points)
    z = (points[0] - made.encoder.mean.numpy()) / made.encoder.scale.numpy()
    near = z @ made.encoder.projection.numpy()
    assert (near**2).mean() == pytest.approx(1, abs=0.05)
    targets = np.array([LABELS.index(clip.emotion) for clip in clips])
    wrong = np.random.default_rng(0).permutation(targets)
    answers = HeldOutAnswers.together(
        [HeldOutAnswers.of(made.head, near, targets), HeldOutAnswers.of(made.head, 2 * near, wrong)]
    )
    fit_confidence(made, answers)
    assert float(made.encoder.exponent) > 0.5
    with torch.no_grad():
        both = [made.logits(torch.from_numpy(scale * near)) / made.temperature for scale in (1, 2)]
    sure, unsure = (torch.softmax(logits, dim=1).amax(dim=1).mean() for logits in both)
    assert sure > 0.8
    assert unsure < 0.6


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    made = load_recipe(write_recipe(tmp_path / "tones.toml", epochs=6))
    model = replace(made.model, architecture="statistics", options=OPTIONS, frontend=WAVEFORM)
    return replace(made, model=model, linear=LinearConfig())


def test_a_recipe_trains_a_model_that_predicts(recipe: Recipe, tmp_path: Path) -> None:
    folder = make_tones(tmp_path / "tones")
    data = replace(recipe.data, sources=(str(folder),))
    result = train(replace(recipe, data=data), tmp_path / "run")
    assert result.test
    assert min(metrics.uar for metrics in result.test.values()) > 0.5
    model = affekt.load_model(result.model)
    assert model.predict(result.fitted.train[0].file).label in result.fitted.network.config.labels


def test_training_again_gives_the_same_weights(recipe: Recipe, tmp_path: Path) -> None:
    clips = tone_clips(tmp_path / "tones")
    store = FeatureStore(WAVEFORM)
    both = [fit(recipe, clips, [], tmp_path / n, store=store).network for n in ("a", "b")]
    scores = [score_clips(made, clips, store) for made in both]
    assert np.array_equal(*scores)


def test_an_architecture_that_leaves_pooling_to_others_is_refused(
    recipe: Recipe, tmp_path: Path
) -> None:
    clips = tone_clips(tmp_path / "tones")
    plain = load_recipe(write_recipe(tmp_path / "cnn.toml", epochs=1))
    wrong = replace(plain, linear=LinearConfig())
    with pytest.raises(
        ConfigError, match=r"\[linear\] needs the architecture 'statistics', got 'cnn'"
    ):
        fit(wrong, clips, [], tmp_path / "run")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"l2": 0.0}, "linear.l2 must be positive, got 0"),
        ({"shrinkage": 0.0}, "linear.shrinkage must be positive, got 0"),
        ({"calibration": "none"}, "linear.calibration must be 'speakers' or 'corpora', got 'none'"),
        ({"centred": 1.5}, r"linear.centred must be in \[0, 1\], got 1.5"),
    ],
)
def test_impossible_values_are_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LinearConfig(**values)


def test_ridge_regression_serves_speakers_that_it_has_not_met() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(2, 240, 40))
    points[1] = points[0] + rng.normal(0, 0.1, (240, 40))
    targets = 0.5 * points[0, :, 3] + rng.normal(0, 0.2, 240)
    speakers = np.arange(240) % 8
    own = speakers < 6
    weights, bias = fit_ridge(points[:, own], targets[own], speakers[own])
    said = points[0, ~own] @ weights + bias
    found = agreement(said, targets[~own])
    assert found.correlation > 0.75
    assert 0.8 < found.spread < 1.25  # a penalty alone draws it to the middle
    alone, _ = fit_ridge(points[:, own], targets[own], np.zeros(own.sum(), int))
    assert np.isfinite(alone).all()


def test_rated_dimensions_are_learned_exported_and_predicted(
    recipe: Recipe, tmp_path: Path
) -> None:
    norms = {label: CIRCUMPLEX[label] for label in LABELS}
    clips = [
        replace(one, valence=norms[one.emotion][0], arousal=norms[one.emotion][1])
        for one in tone_clips(tmp_path / "tones")
    ]
    rated = replace(recipe, tasks=TasksConfig(valence=1.0, arousal=1.0))
    made = fit(rated, clips, [], tmp_path / "run").network
    plain = fit(recipe, clips, [], tmp_path / "plain").network
    store = FeatureStore(WAVEFORM)
    assert np.array_equal(score_clips(made, clips, store), score_clips(plain, clips, store))
    write_model_directory(made, tmp_path / "model", ModelMetadata(name="rated", clips={}))
    model = affekt.load_model(tmp_path / "model", threads=1)
    assert model.outputs == ("probabilities", "embedding", "valence", "arousal")
    answers = [model.predict(one.file) for one in clips]
    assert {(one.dimensions, one.dominance) for one in answers} == {("trained", None)}
    for name, found in dimension_scores(answers, clips).items():
        assert found.ccc > 0.7, name
    (segment, *_) = model.timeline(clips[0].file, TimelineOptions(threshold=0.0, vad="off"))
    assert segment.dimensions == "trained"
    assert segment.valence is not None
