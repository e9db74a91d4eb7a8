"""Classical recipes go through the same benchmark as networks."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("sklearn")
pytest.importorskip("torch")

from tone_protocol import TESTED, tone_protocol

from affekt.evaluation.results import Result, read_result, write_result
from affekt.training import Recipe
from affekt.training.benchmark.benchmark import FoldResult, run_benchmark
from affekt.training.benchmark.systems import ClassicalSystem, NetworkSystem, make_system
from affekt.training.recipe.classical import ClassicalConfig

SVM = Recipe(name="svm", classical=ClassicalConfig(features="tutorial", grid={"c": (1.0, 10.0)}))


class Done:
    """Remembers what was announced."""

    def __init__(self) -> None:
        self.known: list[bool] = []
        self.results: list[FoldResult] = []

    def __call__(self, fold: FoldResult, known: bool) -> None:
        self.known.append(known)
        self.results.append(fold)


@pytest.fixture(scope="module")
def measured(tones, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result, Done]:
    folder, done = tmp_path_factory.mktemp("benchmark"), Done()
    protocol = tone_protocol(tones.all())
    assert run_benchmark(protocol, SVM, folder, folds=["1"], announce=done) is None
    result = run_benchmark(protocol, SVM, folder, announce=done)
    assert result is not None
    return folder, result, done


def test_unheard_speakers_are_recognised(measured: tuple[Path, Result, Done]) -> None:
    _, result, done = measured
    assert result.uar.mean > 0.9
    for fold in done.results[-2:]:
        assert set(fold.speakers) == {f"tones/{name}" for name in TESTED[fold.fold]}
        assert fold.probabilities.sum(axis=1) == pytest.approx(1)


def test_folds_that_are_done_stay_done(tones, measured: tuple[Path, Result, Done]) -> None:
    folder, result, first = measured
    assert first.known == [False, True, False]
    done = Done()
    again = run_benchmark(tone_protocol(tones.all()), SVM, folder, announce=done)
    assert done.known == [True, True]
    assert again == result


def test_the_largest_fold_is_what_counts(measured: tuple[Path, Result, Done]) -> None:
    _, result, done = measured
    assert result.parameters == max(fold.parameters for fold in done.results)
    assert result.bytes == max(fold.bytes for fold in done.results)
    assert result.bytes > 4 * result.parameters


def test_each_clip_is_measured_once_for_all_folds(measured: tuple[Path, Result, Done]) -> None:
    folder, _, _ = measured
    assert len(list((folder / "vectors").glob("tutorial-*/*.npy"))) == 8 * 3 * 3


def test_the_result_can_be_stored(measured: tuple[Path, Result, Done], tmp_path: Path) -> None:
    _, result, _ = measured
    path = write_result(result, tmp_path)
    assert path == tmp_path / "emodb-loso" / "svm.json"
    assert read_result(path) == result


def test_recipes_find_their_system(tmp_path: Path) -> None:
    assert isinstance(make_system(SVM, tmp_path), ClassicalSystem)
    assert isinstance(make_system(Recipe(), tmp_path), NetworkSystem)
