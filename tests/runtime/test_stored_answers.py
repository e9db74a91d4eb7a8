"""Whether a model gives the answers that were stored with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_model import write_tiny_model

from affekt.errors import ModelError
from affekt.runtime.backends import Backend, open_backend
from affekt.runtime.bundle import SHIPPED, open_bundle
from affekt.runtime.stored_answers import INT8_TOLERANCE, TOLERANCE, answers, compare

RATE = 16000


def tiny_backend(folder: Path) -> Backend:
    return open_backend(open_bundle(write_tiny_model(folder)), threads=1)


def write_report(folder: Path, **facts: Any) -> None:
    (folder / "parity.json").write_text(json.dumps(facts))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_models_give_theirs(name: str) -> None:
    bundle = open_bundle(name)
    found = compare(open_backend(bundle, threads=1), RATE, bundle.directory)
    assert found is not None
    assert found.tolerance == (INT8_TOLERANCE if name in ("small", "nano") else TOLERANCE)
    assert found.alike, found.difference


def test_other_answers_are_found(tmp_path: Path) -> None:
    backend = tiny_backend(tmp_path)
    assert compare(backend, RATE, tmp_path) is None
    stored = answers(backend, RATE)
    assert len(stored) == 2
    assert stored[0] != stored[1]
    write_report(tmp_path, precision="fp32", answers=stored)
    same = compare(backend, RATE, tmp_path)
    assert same is not None
    assert same.alike
    stored[1][0] += 0.005
    for precision, alike in (
        ("fp32", False),
        ("fp16", False),
        ("int8-weights", False),
        ("int8", True),
    ):
        write_report(tmp_path, precision=precision, answers=stored)
        other = compare(backend, RATE, tmp_path)
        assert other is not None
        assert other.difference == pytest.approx(0.005)
        assert other.alike is alike


def test_reports_without_answers_and_damaged_ones(tmp_path: Path) -> None:
    backend = tiny_backend(tmp_path)
    write_report(tmp_path, precision="fp32")  # of an older export
    assert compare(backend, RATE, tmp_path) is None
    write_report(tmp_path, precision="fp32", answers=[[0.5, 0.5]])
    with pytest.raises(ModelError, match="is of another model than the graph beside it"):
        compare(backend, RATE, tmp_path)
    for text in ("{", '{"answers": [[0.5], [0.1, 0.2]], "precision": "int8"}', '{"answers": []}'):
        (tmp_path / "parity.json").write_text(text)
        with pytest.raises(ModelError, match=r"parity\.json is damaged .*: export the model again"):
            compare(backend, RATE, tmp_path)
