"""Results survive the disk, and broken ones are named."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from affekt.errors import ConfigError, DataError
from affekt.evaluation import results
from affekt.evaluation.results import Predictions, Result, Score, summarise

LABELS = ("happy", "neutral", "sad")


@pytest.fixture
def result(predict: Callable[..., Predictions]) -> Result:
    summary = summarise([predict(0), predict(1)], LABELS, n_bootstrap=100)
    return Result(
        **vars(summary),
        protocol="ravdess-luna5",
        recipe="ravdess-cnn",
        seeds=(0, 1),
        parameters=256104,
        bytes=1050000,
        commit="0" * 40,
        data_sha256="f" * 64,
        versions={"numpy": "2.0"},
        wall_seconds=12.5,
        extra_data=("cremad",),
    )


def test_a_result_survives_the_disk(result: Result, tmp_path: Path) -> None:
    path = results.write_result(result, tmp_path)
    assert path == tmp_path / "ravdess-luna5" / "ravdess-cnn.json"
    assert results.read_result(path) == result
    assert results.read_results(tmp_path) == [result]
    assert [one.name for one in path.parent.iterdir()] == ["ravdess-cnn.json"]


def test_the_file_has_the_agreed_fields(result: Result, tmp_path: Path) -> None:
    values = json.loads(results.write_result(result, tmp_path).read_text())
    agreed = "protocol recipe seeds uar wa weighted_f1 macro_f1 ece confusion parameters bytes"
    agreed += " extra_data adapted ensemble commit data_sha256 versions wall_seconds"
    assert set(agreed.split()) <= values.keys()
    assert values["uar"].keys() == {"mean", "sd", "ci95"}
    low, high = values["uar"]["ci95"]
    assert 0 <= low <= values["uar"]["mean"] <= high <= 1


def test_fields_of_later_versions_are_ignored(result: Result, tmp_path: Path) -> None:
    path = results.write_result(result, tmp_path)
    path.write_text(json.dumps({**result.to_dict(), "novelty": 1}))
    assert results.read_result(path) == result


def change(values: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    *parents, last = name.split(".")
    target = values
    for parent in parents:
        target = target[parent]
    target[last] = value
    return values


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("seeds", 3, "'seeds' cannot be 3"),
        ("parameters", "many", "'parameters' cannot be 'many'"),
        ("parameters", True, "'parameters' cannot be True"),
        ("seeds", [], "'seeds' must be a list of integers"),
        ("seeds", [0.5], "'seeds' must be a list of integers"),
        ("bytes", -1, "'bytes' cannot be -1"),
        ("wall_seconds", float("nan"), "'wall_seconds' cannot be nan"),
        ("adapted", 0, "'adapted' cannot be 0"),
        ("uar", 0.5, "'uar' cannot be 0.5"),
        ("uar.mean", 62.3, "'uar' holds 62.3: fractions go from 0 to 1"),
        ("uar.sd", None, "'uar' holds None"),
        ("wa.ci95", [0.5], "'wa' has an interval that is no pair"),
        ("ece", {"mean": 0.1}, "'ece' must have 'mean', 'sd' and 'ci95'"),
        ("per_fold.2", {}, "'per_fold of 2' must have"),
        ("confusion", [[1, 2], [3, 4]], "'confusion' must be 3 rows of 3 counts"),
        ("confusion", [[1, 2, 3], [4, 5, 6], [7, 8, -9]], "'confusion' must be 3 rows"),
    ],
)
def test_impossible_fields_are_named(
    result: Result, tmp_path: Path, field: str, value: Any, message: str
) -> None:
    path = results.write_result(result, tmp_path)
    values = json.loads(path.read_text())
    path.write_text(json.dumps(change(values, field, value)))
    with pytest.raises(DataError, match=f"ravdess-cnn.json is not a result: the field {message}"):
        results.read_result(path)


@pytest.mark.parametrize("field", sorted(results.SCHEMA))
def test_missing_fields_are_named(result: Result, tmp_path: Path, field: str) -> None:
    path = results.write_result(result, tmp_path)
    values = json.loads(path.read_text())
    del values[field]
    path.write_text(json.dumps(values))
    with pytest.raises(DataError, match=f"the field '{field}' is missing"):
        results.read_result(path)


@pytest.mark.parametrize(
    ("text", "message"), [("{", "it is not JSON"), ("[1]", "it holds no JSON object")]
)
def test_other_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "cross" / "x.json"
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        results.read_results(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read the result .*none\.json: No such file"):
        results.read_result(tmp_path / "none.json")


def test_a_result_in_the_wrong_place_is_refused(result: Result, tmp_path: Path) -> None:
    path = results.write_result(result, tmp_path)
    wrong = path.rename(path.with_name("other.json"))
    with pytest.raises(DataError, match=r"move it to ravdess-luna5/ravdess-cnn\.json"):
        results.read_result(wrong)


def test_an_unknown_protocol_is_not_written(result: Result, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown protocol 'own'"):
        results.write_result(replace(result, protocol="own"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_impossible_result_is_not_written(result: Result, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'uar' holds 1\.5"):
        results.write_result(replace(result, uar=Score(1.5, 0.0)), tmp_path)
    with pytest.raises(DataError, match="'uar' holds nan"):
        results.write_result(replace(result, uar=Score(float("nan"), 0.0)), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_results_are_ordered_as_the_protocols_are(result: Result, tmp_path: Path) -> None:
    for protocol, recipe in [("cross", "a"), ("emodb-loso", "b"), ("emodb-loso", "a")]:
        results.write_result(replace(result, protocol=protocol, recipe=recipe), tmp_path)
    (tmp_path / "speed.json").write_text("{}")  # not a result of a protocol
    assert [(one.protocol, one.recipe) for one in results.read_results(tmp_path)] == [
        *(("emodb-loso", "a"), ("emodb-loso", "b"), ("cross", "a"))
    ]
