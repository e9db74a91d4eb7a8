"""What a model says of intensity is compared with what is known, by ranks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_line import affekt as command
from tiny_corpus import sound, write_sound

from affekt.data import Clip, write_manifest
from affekt.evaluation.intensity import RankCorrelation, intensity_scores, rank_correlation

CLIP = Clip(Path("a.wav"), "angry", "anna")


def test_ranks_count_and_equal_values_share_theirs() -> None:
    stats = pytest.importorskip("scipy.stats")
    generator = np.random.default_rng(3)
    said, known = generator.normal(size=60), generator.integers(0, 4, 60)
    assert rank_correlation(said, known) == pytest.approx(stats.spearmanr(said, known).statistic)
    assert rank_correlation([0.1, 0.2, 0.9], [1, 2, 90]) == pytest.approx(1)
    assert rank_correlation([0.1, 0.2, 0.9], [3, 2, 1]) == pytest.approx(-1)
    assert rank_correlation([0.1, 0.2], [1, 1]) is None


def test_words_and_raters_are_told_apart_and_the_unknown_left_out() -> None:
    clips = [
        replace(CLIP, intensity="low", strength=0.9),
        replace(CLIP, intensity="medium"),
        replace(CLIP, intensity="strong", strength=0.2),
        replace(CLIP, intensity="loud", strength=0.5),
        replace(CLIP, emotion="neutral", intensity="low", strength=0.1),
        replace(CLIP, intensity="high", strength=0.3),
    ]
    scores = intensity_scores([0.1, 0.2, 0.8, 0.5, 0.9, None], clips)
    assert scores == {
        "acted": RankCorrelation(pytest.approx(1), 3),
        "rated": RankCorrelation(pytest.approx(-1), 3),
    }


def test_nothing_is_said_where_nothing_is_known() -> None:
    assert intensity_scores([0.1, 0.2], [CLIP, CLIP]) == {}
    assert intensity_scores([None, None], [replace(CLIP, intensity="low")] * 2) == {}
    assert intensity_scores([0.1], [replace(CLIP, intensity="low")]) == {}
    assert intensity_scores([], []) == {}


def test_evaluate_tells_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    from tiny_network import tiny_network

    from affekt import load_model
    from affekt.export import ModelMetadata, write_model_directory

    network = tiny_network(heads=("intensity",))
    folder = tmp_path / "model"
    write_model_directory(network, folder, ModelMetadata(name="strong", clips={}))
    clips = [
        Clip(
            write_sound(tmp_path / f"{number}.wav", (0.1 + 0.08 * number) * sound(str(number))),
            network.config.labels[number % 2],
            f"speaker {number % 3}",
            intensity=("low", "medium", "high")[number // 3],
        )
        for number in range(9)
    ]
    write_manifest(clips, tmp_path / "clips.csv")
    call = [str(folder), "--corpus", str(tmp_path / "clips.csv"), "--split", "all"]
    out = tmp_path / "report"
    said = command(capsys, "evaluate", *call, "--out", str(out)).out
    model = load_model(folder)
    answers = [model.predict(clip.file).intensity for clip in clips]
    expected = rank_correlation(answers, [number // 3 for number in range(9)])
    assert expected is not None
    line = f"intensity   Spearman's {expected:.2f} with what was acted, 9 clips"
    assert line in said.splitlines()
    assert line in (out / "report.txt").read_text()
    stored = json.loads((out / "metrics.json").read_text())["intensity"]
    assert stored == {"acted": {"value": pytest.approx(expected, abs=1e-6), "n": 9}}
    row = json.loads(command(capsys, "evaluate", *call, "--format", "json").out)
    assert row["intensity_acted"] == pytest.approx(expected, abs=1e-6)
    assert "intensity_rated" not in row
