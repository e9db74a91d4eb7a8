"""The measurement of feature extraction is a fair race."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def benchmark(repository: Path) -> dict[str, Any]:
    return runpy.run_path(str(repository / "benchmarks" / "features.py"))


def test_the_contestants_answer_the_same(benchmark: dict[str, Any], recordings: list[Path]) -> None:
    pytest.importorskip("librosa")
    files = [str(file) for file in recordings if file.suffix in {".wav", ".flac"}]  # at 16 kHz
    assert benchmark["largest_difference"](files) < benchmark["MAX_DIFFERENCE"]
