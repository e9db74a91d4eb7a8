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
from affekt.data import Clip

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def ablation() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "benchmarks" / "ablation.py"))


@pytest.fixture
def methods(ablation: dict[str, Any], tmp_path: Path) -> list[Any]:
    for name in ("noise", "rir"):
        (tmp_path / name).mkdir()
    return list(ablation["methods"](tmp_path))


def result(ablation: dict[str, Any], scores: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    rows = [
        ablation["summary"](
            ablation["Method"](name, "waveform" if name != "base" else "base"), scores
        )
        for name in scores
    ]
    return {
        "protocol": "ravdess-luna5",
        "fold": "1",
        "groups": [["1"], ["2"], ["3"]],
        "seeds": [0, 1, 2],
        "runs": 3,
        "epochs": 20,
        "clips": 180,
        "methods": rows,
        "commit": "0" * 40,
    }


def of_speakers(*uars: float) -> list[dict[str, float]]:
    """Three runs, each of which asks one more speaker."""
    return [{str(number): value} for number, value in enumerate(uars)]


SCORES = {
    "base": of_speakers(0.50, 0.52, 0.51),
    "gain": of_speakers(0.50, 0.53, 0.50),
    "clipping": of_speakers(0.40, 0.42, 0.42),
    "mixup": of_speakers(0.60, 0.62, 0.60),
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
    assert base.training.epochs == 20
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


def test_a_speaker_who_is_asked_twice_counts_once(ablation: dict[str, Any]) -> None:
    scores = {
        "base": [{"1": 0.5, "2": 0.6}, {"1": 0.3, "2": 0.4}],
        "gain": [{"1": 0.6, "2": 0.6}, {"1": 0.6, "2": 0.4}],
    }
    row = ablation["summary"](ablation["Method"]("gain", "waveform"), scores)
    assert row["difference"] == pytest.approx(0.1)  # of the first speaker 0.2, of the other none
    assert row["half_interval"] == pytest.approx(12.7062 * 0.1, rel=1e-4)  # one degree
    assert row["uar_per_run"] == pytest.approx([0.6, 0.5])


def test_each_pass_asks_every_speaker_once_and_no_run_is_made_twice(
    ablation: dict[str, Any],
) -> None:
    runs = ablation["runs"](3)
    assert len({(run.seed, run.group) for run in runs}) == len(runs) == 9
    for number in range(3):
        assert {run.group for run in runs[3 * number : 3 * number + 3]} == {0, 1, 2}
        assert {run.seed for run in runs[3 * number : 3 * number + 3]} == {0, 1, 2}


def test_the_groups_share_out_women_and_men(ablation: dict[str, Any]) -> None:
    clips = [
        Clip(Path(f"{n}.wav"), "happy", speaker=f"{n:02}", gender="female" if n % 2 else "male")
        for n in range(19)
    ]
    groups = ablation["groups"](clips)
    assert sorted(speaker for group in groups for speaker in group) == [
        f"{n:02}" for n in range(19)
    ]
    women = {clip.speaker for clip in clips if clip.gender == "female"}
    assert all(len(group & women) == 3 for group in groups)
    assert {len(group - women) for group in groups} == {3, 4}


def test_a_speaker_has_the_mean_recall_over_emotions(ablation: dict[str, Any]) -> None:
    emotions = ["happy", "sad", "sad", "sad"]
    clips = [Clip(Path(f"{n}.wav"), emotions[n], speaker="a") for n in range(4)]
    clips.append(Clip(Path("b.wav"), "sad", speaker="b"))
    found = ablation["by_speaker"](clips, ["happy", "sad"], [0, 1, 0, 0, 0])
    assert found == pytest.approx({"a": (1 + 1 / 3) / 2, "b": 0.0})


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
