"""benchmarks/ablation.py: what is added to the base, what is compared, what is shown."""

from __future__ import annotations

import json
import math
import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("scipy")

from affekt.augment import TRANSFORMS
from affekt.config import to_dict

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def ablation() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "benchmarks" / "ablation.py"))


@pytest.fixture
def methods(ablation: dict[str, Any], tmp_path: Path) -> list[Any]:
    for name in ("noise", "rir"):
        (tmp_path / name).mkdir()
    return list(ablation["methods"](tmp_path))


def result(ablation: dict[str, Any], scores: dict[str, list[float]]) -> dict[str, Any]:
    rows = [
        ablation["summary"](
            ablation["Method"](name, "waveform" if name != "base" else "base"), scores
        )
        for name in scores
    ]
    return {
        "protocol": "ravdess-luna5",
        "folds": ["1"],
        "seeds": [0, 1, 2],
        "epochs": 30,
        "clips": 120,
        "methods": rows,
        "commit": "0" * 40,
    }


SCORES = {
    "base": [0.50, 0.52, 0.51],
    "gain": [0.50, 0.53, 0.50],
    "clipping": [0.40, 0.42, 0.42],
    "mixup": [0.60, 0.62, 0.60],
}


def test_every_waveform_transform_is_tried(methods: list[Any]) -> None:
    names = [method.name for method in methods]
    assert len(set(names)) == len(names)
    assert set(TRANSFORMS) < set(names)


def test_without_sounds_what_needs_them_is_left_out(
    ablation: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [method.name for method in ablation["methods"](tmp_path)]
    assert "background_noise" not in names
    assert "left out: background_noise: there is no" in capsys.readouterr().err


def test_each_recipe_is_the_base_with_one_table_changed(
    ablation: dict[str, Any], methods: list[Any]
) -> None:
    base = ablation["recipe_of"](methods[0], 0)
    assert base.training.epochs == 30
    assert ablation["recipe_of"](methods[0], 2).training.epochs == 2
    for method in methods[1:]:
        recipe = ablation["recipe_of"](method, 0)
        before, after = to_dict(replace(base, name="")), to_dict(replace(recipe, name=""))
        changed = {table for table in before if before[table] != after[table]}
        assert changed == set(method.changes), method.name


def test_the_base_hears_nothing_but_the_recordings(
    ablation: dict[str, Any], methods: list[Any]
) -> None:
    import numpy as np

    augment = ablation["recipe_of"](methods[0], 0).augment
    rng = np.random.default_rng(0)
    power = rng.uniform(0.1, 1, (3, 64, 40)).astype(np.float32)
    for transform in (augment.band_limit, augment.noise_floor, augment.channel_tilt):
        assert np.allclose(transform(power, rng), power)
    assert np.array_equal(augment.spec_augment(power, rng), power)
    assert augment.mixup.draw(3, rng)[0] == 1
    assert augment.cutmix.probability == 0
    assert augment.variants == 0


def test_verdicts_follow_the_interval_of_the_paired_differences(
    ablation: dict[str, Any],
) -> None:
    rows = {row["name"]: row for row in result(ablation, SCORES)["methods"]}
    assert {name: row["verdict"] for name, row in rows.items()} == {
        "base": "",
        "gain": "unclear",
        "clipping": "harmed",
        "mixup": "helped",
    }
    mean, half = ablation["interval"]([0.0, 0.01, -0.01])
    assert mean == pytest.approx(0)
    assert half == pytest.approx(4.3027 * 0.01 / math.sqrt(3), rel=1e-4)  # Student, 2 degrees
    assert ablation["interval"]([0.2])[1] == math.inf


def test_the_table_and_the_picture_show_the_most_helpful_first(
    ablation: dict[str, Any], tmp_path: Path
) -> None:
    measured = result(ablation, SCORES)
    lines = [line for line in ablation["table"](measured).splitlines() if line.startswith("| `")]
    assert [line.split("`")[1] for line in lines] == ["mixup", "gain", "clipping"]
    assert "| +9.7 |" in lines[0]
    assert lines[2].endswith("| harmed |")
    ablation["draw"](measured, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes()[:4] == b"\x89PNG"


def test_the_table_of_the_page_is_the_measured_one(ablation: dict[str, Any]) -> None:
    page = ablation["PAGE"].read_text(encoding="utf-8")
    assert ablation["BEGIN"] in page
    assert ablation["END"] in page
    if not ablation["RESULT"].is_file():
        pytest.skip("no ablation is stored yet")
    measured = json.loads(ablation["RESULT"].read_text(encoding="utf-8"))
    assert ablation["table"](measured) in page, "run benchmarks/ablation.py --table-only"
