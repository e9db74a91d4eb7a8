"""A recipe under a protocol: honest folds, kept one by one, and one figure at the end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tone_corpus import write_recipe

torch = pytest.importorskip("torch")

from tone_protocol import TESTED, leaking_folds, tone_protocol  # noqa: E402

from affekt.errors import ConfigError, DataError, ModelError  # noqa: E402
from affekt.evaluation import get_protocol  # noqa: E402
from affekt.evaluation.results import Result, read_result, write_result  # noqa: E402
from affekt.training import Recipe, load_recipe  # noqa: E402
from affekt.training.benchmark.benchmark import FoldResult, run_benchmark  # noqa: E402
from affekt.training.network.loop import Quiet  # noqa: E402


class Steps(Quiet):
    """Counts steps, and may stop the run as Ctrl-C would."""

    def __init__(self, stop_at: int = -1) -> None:
        self.count = 0
        self.stop_at = stop_at

    def step(self, step: int, loss: float) -> None:
        self.count += 1
        if self.count == self.stop_at:
            raise KeyboardInterrupt


class Done:
    """Remembers what was announced."""

    def __init__(self) -> None:
        self.folds: list[tuple[int, str, bool]] = []
        self.results: list[FoldResult] = []

    def __call__(self, fold: FoldResult, known: bool) -> None:
        self.folds.append((fold.seed, fold.fold, known))
        self.results.append(fold)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    return load_recipe(write_recipe(tmp_path_factory.mktemp("recipe") / "tiny.toml", epochs=14))


@pytest.fixture(scope="module")
def measured(
    tones, recipe: Recipe, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Result, Done]:
    """Fold 1 alone first, then Ctrl-C within fold 2, then all of it."""
    folder, protocol, done = (
        tmp_path_factory.mktemp("benchmark"),
        tone_protocol(tones.all()),
        Done(),
    )
    assert run_benchmark(protocol, recipe, folder, folds=["1"], announce=done) is None
    assert done.folds == [(0, "1", False)]
    with pytest.raises(KeyboardInterrupt):
        run_benchmark(protocol, recipe, folder, reporter=Steps(stop_at=10), announce=done)
    assert done.folds[1:] == [(0, "1", True)]
    result = run_benchmark(protocol, recipe, folder, announce=done)
    assert result is not None
    return folder, result, done


def test_folds_that_are_done_stay_done(
    measured: tuple[Path, Result, Done], tones, recipe: Recipe
) -> None:
    folder, result, first = measured
    assert first.folds[2:] == [(0, "1", True), (0, "2", False)]
    steps, done = Steps(), Done()
    again = run_benchmark(tone_protocol(tones.all()), recipe, folder, reporter=steps, announce=done)
    assert steps.count == 0
    assert done.folds == [(0, "1", True), (0, "2", True)]
    assert again == result


def test_every_clip_is_scored_once_by_a_model_that_never_heard_the_speaker(
    measured: tuple[Path, Result, Done],
) -> None:
    _, result, done = measured
    for fold in done.results[-2:]:
        assert set(fold.speakers) == {f"tones/{name}" for name in TESTED[fold.fold]}
        assert fold.probabilities.shape == (18, 3)
        assert fold.probabilities.sum(axis=1) == pytest.approx(1)
    assert sum(map(sum, result.confusion)) == 36
    assert list(result.per_fold) == ["1", "2"]
    assert result.per_fold["1"].mean == pytest.approx(done.results[0].uar)
    assert result.uar.mean > 0.9
    assert result.uar.ci95 is not None


def test_the_result_is_complete_and_can_be_stored(
    measured: tuple[Path, Result, Done], tmp_path: Path
) -> None:
    result = measured[1]
    path = write_result(result, tmp_path)
    assert path == tmp_path / "emodb-loso" / "tiny.json"
    assert read_result(path) == result
    assert result.seeds == (0,)
    assert 500 < result.parameters < 20_000
    assert result.bytes > 4 * result.parameters
    assert result.wall_seconds > 0
    assert len(result.data_sha256) == 64
    assert "torch" in result.versions


def test_seeds_are_measured_apart(
    measured: tuple[Path, Result, Done], tones, recipe: Recipe
) -> None:
    done = Done()
    folder, protocol = measured[0], tone_protocol(tones.all())
    result = run_benchmark(protocol, recipe, folder, seeds=(0, 1), announce=done)
    assert done.folds == [(0, "1", True), (0, "2", True), (1, "1", False), (1, "2", False)]
    assert result is not None
    assert result.seeds == (0, 1)
    assert sum(map(sum, result.confusion)) == 72
    first, second = done.results[0], done.results[2]
    assert abs(first.probabilities - second.probabilities).max() > 0


def test_another_recipe_is_measured_anew(
    measured: tuple[Path, Result, Done], tones, recipe: Recipe
) -> None:
    other = replace(recipe, training=replace(recipe.training, epochs=1))
    steps = Steps(stop_at=1)
    with pytest.raises(KeyboardInterrupt):
        run_benchmark(tone_protocol(tones.all()), other, measured[0], folds=["1"], reporter=steps)


def test_shuffled_labels_are_recognised_by_chance(
    measured: tuple[Path, Result, Done], tones, recipe: Recipe, tmp_path: Path
) -> None:
    """Whatever told the answer but the voice would be seen here: a leak, a lucky choice."""
    clips = tones.all()
    order = np.random.default_rng(0).permutation(len(clips))
    shuffled = [
        replace(clip, emotion=clips[other].emotion)
        for clip, other in zip(clips, order, strict=True)
    ]
    result = run_benchmark(tone_protocol(shuffled), recipe, tmp_path)
    assert result is not None
    scored = sum(map(sum, result.confusion))
    chance, spread = 1 / 3, (2 / 9 / scored) ** 0.5
    assert abs(result.uar.mean - chance) < 3 * spread
    assert measured[1].uar.mean > chance + 5 * spread  # with the true labels


def test_a_fold_that_shares_a_speaker_is_refused(tones, recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="fold 1: speakers in both train and test: tones/a"):
        run_benchmark(tone_protocol(tones.all(), leaking_folds), recipe, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_fold(tones, recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown fold '3': expected one of 1, 2"):
        run_benchmark(tone_protocol(tones.all()), recipe, tmp_path, folds=["1", "3"])


def test_a_corpus_under_test_cannot_be_extra(tones, recipe: Recipe, tmp_path: Path) -> None:
    borrowing = replace(recipe, data=replace(recipe.data, extra=("tones",)))
    with pytest.raises(ConfigError, match=r"data\.extra: tones is under test"):
        run_benchmark(tone_protocol(tones.all()), borrowing, tmp_path)


def test_a_damaged_fold_says_what_to_do(
    measured: tuple[Path, Result, Done], tones, recipe: Recipe
) -> None:
    (path,) = measured[0].glob("emodb-loso/tiny/seed-0/fold-1/predictions.npz")
    whole = path.read_bytes()
    try:
        for damaged in (whole[:100], b"", b"dear diary"):
            path.write_bytes(damaged)
            with pytest.raises(ModelError, match=r"predictions\.npz is damaged .*delete it to do"):
                run_benchmark(tone_protocol(tones.all()), recipe, measured[0], folds=["1"])
    finally:
        path.write_bytes(whole)


def test_a_real_protocol_with_real_speech(data_root: Path, recipe: Recipe, tmp_path: Path) -> None:
    done = Done()
    quick = replace(recipe, training=replace(recipe.training, epochs=1, batch_size=64))
    protocol = get_protocol("emodb-loso")
    assert (
        run_benchmark(protocol, quick, tmp_path, root=data_root, folds=["03"], announce=done)
        is None
    )
    (fold,) = done.results
    assert set(fold.speakers) == {"emodb/03"}
    assert fold.probabilities.shape == (49, 7)
    assert 0 < fold.uar < 1
