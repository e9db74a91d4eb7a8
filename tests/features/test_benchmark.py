"""The measurement of feature extraction: a fair race, and a page that tells its result."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def benchmark(repository: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.syspath_prepend(str(repository / "benchmarks"))
    return runpy.run_path(str(repository / "benchmarks" / "features.py"))


def test_the_contestants_answer_the_same(benchmark: dict[str, Any], recordings: list[Path]) -> None:
    pytest.importorskip("librosa")
    files = [str(file) for file in recordings if file.suffix in {".wav", ".flac"}]  # at 16 kHz
    assert benchmark["largest_difference"](files) < benchmark["MAX_DIFFERENCE"]


def test_the_page_tells_the_stored_result(benchmark: dict[str, Any]) -> None:
    if not benchmark["RESULT"].is_file():
        pytest.skip("no measurement of features is stored yet")
    text = benchmark["PAGE"].read_text(encoding="utf-8")
    shown = text.partition(benchmark["BEGIN"])[2].partition(benchmark["END"])[0].strip()
    stored = json.loads(benchmark["RESULT"].read_text(encoding="utf-8"))
    assert shown == benchmark["table"](stored), "write it again with: make tables"
