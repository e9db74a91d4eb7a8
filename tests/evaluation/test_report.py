"""Reports say what the arrays say, as text, JSON and real pictures."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from affekt.errors import DataError, MissingExtraError
from affekt.evaluation import report
from affekt.evaluation.metrics import Metrics, evaluate, reliability
from affekt.evaluation.results import Predictions

LABELS = ("happy", "neutral", "sad")
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def metrics(predict: Callable[..., Predictions]) -> Metrics:
    run = predict(0)
    return evaluate(run.probabilities, run.targets, LABELS, speakers=run.speakers)


def test_confusion_as_text() -> None:
    assert report.confusion_text([[8, 2, 0], [1, 12, 0], [0, 0, 0]], LABELS) == (
        "true \\ predicted  happy  neutral  sad  clips  recall\n"
        "happy                 8        2    0     10  80.0 %\n"
        "neutral               1       12    0     13  92.3 %\n"
        "sad                   0        0    0      0       -"
    )


def test_a_matrix_must_fit_its_labels(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"3 labels must be square, got the shape \[2, 3\]"):
        report.confusion_text(np.zeros((2, 3)), LABELS)
    with pytest.raises(DataError, match="must be square"):
        report.draw_confusion(np.zeros((2, 2)), LABELS, tmp_path / "x.png")


def test_scores_as_text(metrics: Metrics) -> None:
    text = report.report_text(metrics)
    low, high = metrics.ci95["uar"]
    assert text.startswith("240 clips, 3 classes")
    assert f"UAR          {100 * metrics.uar:.1f} %" in text
    assert f"95 % interval over speakers {100 * low:.1f} to {100 * high:.1f}" in text
    assert "true \\ predicted" in text


def test_a_report_is_complete(
    metrics: Metrics, predict: Callable[..., Predictions], tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    run = predict(0)
    written = report.write_report(
        metrics, tmp_path / "new", probabilities=run.probabilities, targets=run.targets
    )
    names = ["report.txt", "metrics.json", "confusion.png", "reliability.png"]
    assert [path.name for path in written] == names
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(names)
    assert json.loads(written[1].read_text()) == metrics.to_dict()
    assert written[0].read_text() == report.report_text(metrics) + "\n"
    for path in written[2:]:
        assert path.read_bytes().startswith(PNG)


def test_pictures_show_what_they_are_given(tmp_path: Path) -> None:
    image = pytest.importorskip("matplotlib.image")

    def blues(confusion: object) -> float:
        """Fraction of the dark blue pixels: the cells of more than half of their row."""
        report.draw_confusion(confusion, LABELS, tmp_path / "x.png")
        pixels = image.imread(tmp_path / "x.png")[..., :3]
        dark = (pixels[..., 2] - pixels[..., 0] > 0.3) & (pixels[..., 0] < 0.1)
        return float(dark.mean())

    diagonal = blues(np.diag([5, 5, 5]))
    assert diagonal > 0.1
    assert blues(np.diag([5, 5, 0])) == pytest.approx(2 / 3 * diagonal, rel=0.1)
    assert blues(np.ones((3, 3))) < 0.1 * diagonal


def test_a_reliability_diagram_without_a_title(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    report.draw_reliability(reliability([[1.0, 0.0]], [0]), tmp_path / "new" / "x.png")
    assert (tmp_path / "new" / "x.png").read_bytes().startswith(PNG)


def test_without_matplotlib_the_error_names_the_extra_and_the_texts_are_there(
    metrics: Metrics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'affekt\[train\]'"):
        report.write_report(metrics, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["metrics.json", "report.txt"]
