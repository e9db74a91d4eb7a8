from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from affekt.cli import _common
from affekt.cli._common import Format, csv_text, emit, json_line, plain_table, progress, write_text

ROWS = [
    {"name": "grün", "clips": 12, "share": 0.25, "tags": ["a", "b"], "note": None},
    {"name": "[b]x[/b]", "clips": 7442, "share": 1.0, "tags": [], "note": "late", "extra": 1},
]


def test_plain_table_lines_up() -> None:
    assert plain_table(ROWS).splitlines() == [
        "name      clips  share  tags  note  extra",
        "grün         12   0.25  a, b",
        "[b]x[/b]   7442      1        late      1",
    ]


def test_csv_is_read_back() -> None:
    first, second = csv.DictReader(io.StringIO(csv_text(ROWS)))
    assert first["tags"] == "a; b"
    assert first["note"] == ""
    assert second["extra"] == "1"


def test_json_has_no_nan() -> None:
    row = {"uar": float("nan"), "inner": {"deep": [float("inf"), 1.5]}, "path": Path("a")}
    assert json.loads(json_line(row)) == {"uar": None, "inner": {"deep": [None, 1.5]}, "path": "a"}


@pytest.mark.parametrize("style", list(Format))
def test_nothing_to_show(style: Format, tmp_path: Path) -> None:
    emit([], style, tmp_path / "out")
    assert (tmp_path / "out").read_text().strip() == ""


def test_emit_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    emit(ROWS, Format.json)
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == ROWS[0]
    assert second == ROWS[1]


def test_a_table_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("affekt.cli._common.watched", lambda stream=None: True)
    monkeypatch.setenv("COLUMNS", "100")
    emit(ROWS, Format.table, title="Corpora")
    out = capsys.readouterr().out
    assert "Corpora" in out
    assert "[b]x[/b]" in out  # a name is not markup


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    write_text("old", out)
    with pytest.raises(TypeError):
        write_text(5, out)  # type: ignore[arg-type]
    assert out.read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


def test_progress_is_lines_in_a_log(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_common, "SECONDS_BETWEEN_LINES", 0.0)
    with progress("work", total=2) as done:
        done(1)
        done(1)
    captured = capsys.readouterr()
    assert captured.err == "work: 1 of 2\nwork: 2 of 2\n"
    assert captured.out == ""


def test_short_work_is_silent_for_programs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_common, "SECONDS_BETWEEN_LINES", 1e9)
    with progress("work", total=2) as done:
        done(1)
        done(1)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""
