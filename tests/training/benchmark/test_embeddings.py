"""Recipes under adapted and few-shot protocols: networks, classical systems, ensembles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tone_corpus import write_recipe

pytest.importorskip("sklearn")
pytest.importorskip("torch")

from tone_protocol import tone_protocol

from affekt.errors import ConfigError
from affekt.evaluation.adapted import COUNTS, speaker_mean
from affekt.evaluation.results import Result, read_result, write_result
from affekt.training import Recipe, load_recipe
from affekt.training.benchmark.benchmark import run_benchmark
from affekt.training.benchmark.embeddings import FoldScore
from affekt.training.benchmark.systems import make_system
from affekt.training.recipe.classical import ClassicalConfig

SVM = Recipe(name="svm", classical=ClassicalConfig(features="tutorial"))


def measure(
    tones: Any, folder: Path, recipe: Recipe, **changes: Any
) -> tuple[Result, list[FoldScore]]:
    told: list[Any] = []
    protocol = replace(tone_protocol(tones.all()), **changes)
    result = run_benchmark(
        protocol, recipe, folder, announce=lambda score, known: told.append(score)
    )
    assert result is not None
    return result, told


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipes")
    write_recipe(folder / "one.toml", epochs=6)
    write_recipe(folder / "two.toml", epochs=3)
    (folder / "both.toml").write_text('[ensemble]\nmembers = ["one.toml", "two.toml"]\n')
    (folder / "taught.toml").write_text(
        'taught_by = "one.toml"\n[distil]\n' + (folder / "two.toml").read_text()
    )
    return folder


@pytest.fixture(scope="module")
def adapted(
    tones: Any, place: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Result, list[FoldScore]]:
    folder = tmp_path_factory.mktemp("benchmark")
    recipe = load_recipe(place / "one.toml")
    changes = {"name": "emodb-loso-adapted", "kind": "adapted", "base": "emodb-loso"}
    return folder, *measure(tones, folder, recipe, **changes)


def test_every_setting_is_in_the_result(
    adapted: tuple[Path, Result, list[FoldScore]], tmp_path: Path
) -> None:
    _, result, told = adapted
    assert set(result.per_setting) == {"random", "one-emotion"}  # nobody is neutral here
    assert list(result.per_setting["random"]) == list(COUNTS)
    headline = result.per_setting["random"]["all"]
    assert headline["uar"]["mean"] == pytest.approx(result.uar.mean)
    assert result.adapted
    assert "all other clips" in result.setting
    assert [score.fold for score in told] == ["1", "2"]
    for score in told:
        assert score.uar == pytest.approx(result.per_fold[score.fold].mean)
    assert read_result(write_result(result, tmp_path)) == result


def test_without_a_baseline_it_is_the_plain_protocol(
    adapted: tuple[Path, Result, list[FoldScore]], tones: Any, place: Path
) -> None:
    folder, result, _ = adapted
    recipe = load_recipe(place / "one.toml")
    plain, _ = measure(tones, folder, recipe)  # the folds' networks lie there
    without = result.per_setting["random"]["0"]
    assert without["uar"]["mean"] == pytest.approx(plain.uar.mean, abs=1e-6)
    assert without["harmed"]["mean"] == 0
    assert not plain.adapted
    assert plain.per_setting == {}


@pytest.mark.parametrize("classical", [True, False])
def test_systems_take_baselines_where_training_left_them(
    tones: Any, place: Path, tmp_path: Path, classical: bool
) -> None:
    recipe = SVM if classical else load_recipe(place / "one.toml")
    protocol = tone_protocol(tones.all())
    fold = protocol.folds(protocol.load())[0]
    labels = protocol.labels[::-1]
    fitted = make_system(recipe, tmp_path).fitted(fold, labels, tmp_path / "fold", 0)
    answer = make_system(recipe, tmp_path).answer(fold, labels, tmp_path / "fold", 0)
    embeddings = fitted.system.embed(fold.test)
    np.testing.assert_allclose(
        fitted.system.scores(embeddings, None), answer.logits / answer.temperature, atol=1e-4
    )
    names = [clip.speaker_id for clip in fold.train]
    expected = speaker_mean(fitted.system.embed(fold.train), names)
    np.testing.assert_allclose(fitted.prior, expected, atol=1e-5)
    # The training speakers' own mean in the place of a baseline changes nothing.
    same = np.tile(fitted.prior, (len(embeddings), 1))
    np.testing.assert_allclose(
        fitted.system.scores(embeddings, same), fitted.system.scores(embeddings, None), atol=1e-4
    )
    shifted = fitted.system.scores(embeddings + 3.0, same + 3.0)
    np.testing.assert_allclose(shifted, fitted.system.scores(embeddings, None), atol=1e-3)
    assert (fitted.parameters, fitted.bytes) == (answer.parameters, answer.bytes)


def test_an_ensemble_is_the_mean_of_its_members(tones: Any, place: Path, tmp_path: Path) -> None:
    changes = {"kind": "adapted", "base": "emodb-loso"}
    both, _ = measure(tones, tmp_path, load_recipe(place / "both.toml"), **changes)
    one, _ = measure(tones, tmp_path, load_recipe(place / "one.toml"), **changes)
    assert both.ensemble
    assert both.parameters == 2 * one.parameters


def test_kshot(tones: Any, tmp_path: Path) -> None:
    result, told = measure(tones, tmp_path, SVM, kind="kshot", mean_of_folds=True)
    assert list(result.per_setting) == ["1", "2"]
    others = result.per_setting["1"]["others"]
    assert list(others) == ["1", "2", "4"]  # three takes of each emotion by each of two speakers
    assert others["1"]["clips"] == 1
    assert result.adapted
    assert "labelled clips" in result.setting
    assert result.uar.mean == pytest.approx(np.mean([score.uar for score in told]), abs=0.02)
    assert read_result(write_result(result, tmp_path / "results")) == result


def test_what_cannot_be_measured(tones: Any, place: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="emodb-loso measures recipes without a teacher"):
        measure(tones, tmp_path, load_recipe(place / "taught.toml"), kind="adapted")


def test_some_folds_are_no_figure(tones: Any, tmp_path: Path) -> None:
    protocol = replace(tone_protocol(tones.all()), kind="adapted", base="emodb-loso")
    assert run_benchmark(protocol, SVM, tmp_path, folds=["1"]) is None


def test_the_mean_over_folds_and_the_worst(tones: Any, tmp_path: Path) -> None:
    result, told = measure(tones, tmp_path, SVM, mean_of_folds=True)
    assert result.mean_of_folds
    assert result.uar.mean == pytest.approx(np.mean([score.uar for score in told]))
    assert result.worst_fold == min(told, key=lambda score: score.uar).fold
    assert result.limited_uar is not None
    assert result.limited_uar.mean >= result.uar.mean
    assert read_result(write_result(result, tmp_path / "results")) == result
