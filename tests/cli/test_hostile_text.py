"""Names and files that were made to do harm: shown, refused or escaped, never obeyed."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from affekt.cli._common import csv_text
from affekt.data.manifest import read_manifest
from affekt.errors import DataError, ModelError
from affekt.files import table_cell, visible
from affekt.runtime.config import parse_config

NAMES = ["plain.wav", "=cmd|' -C calc'!A0.wav", "\x1b[2Jgone.wav", "two\nlines.wav", "@SUM(A1).wav"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in NAMES:
        soundfile.write(tmp_path / name, np.random.default_rng(0).normal(0, 0.1, 16000), 16000)
    (tmp_path / "+noise.wav").write_text("no sound")
    return tmp_path


@pytest.mark.parametrize("style", ["table", "csv", "tsv"])
def test_names_of_files(folder: Path, style: str) -> None:
    words = [*NAMES, "+noise.wav", "--model", "nano", "--format", style]
    done = subprocess.run(
        [sys.executable, "-m", "affekt", "predict", *words],
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert done.returncode == 1
    assert "\x1b" not in done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == len(words) - 4 + 1  # and the header
    assert r"\x1b[2Jgone.wav" in done.stdout
    assert r"two\nlines.wav" in done.stdout
    if style == "table":
        return
    rows = list(csv.reader(io.StringIO(done.stdout), delimiter="\t" if style == "tsv" else ","))
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "@"))]
    assert (folder / rows[2][0]).is_file()  # ./ leads to the same file
    assert rows[-1][-1].startswith("./+noise.wav: it is not audio")


def test_cells() -> None:
    assert table_cell("=1+1") == "'=1+1"
    assert table_cell("-x.wav", is_path=True) == "./-x.wav"
    assert table_cell("-", is_path=True) == "-"
    assert table_cell("a=b") == "a=b"
    assert visible("é 日本\u3000\u202egnp\x7f") == "é 日本\u3000\\u202egnp\\x7f"
    assert csv_text([{"file": "=x", "note": "@y", "n": -1}]).splitlines()[1] == "./=x,'@y,-1"


def manifest(folder: Path, text: str) -> Path:
    (folder / "a.wav").touch()
    (folder / "b.wav").touch()
    path = folder / "m.csv"
    path.write_bytes(text.encode())
    return path


def test_a_quote_that_never_closes(tmp_path: Path) -> None:
    rows = 'a.wav,anna,happy\na.wav,"bert,sad\na.wav,carl,sad\nb.wav,dora,sad\n'
    with pytest.raises(DataError, match="row 3: a quote opens and does not close"):
        read_manifest(manifest(tmp_path, f"file,speaker,emotion\n{rows}"))


def test_a_field_without_end(tmp_path: Path) -> None:
    long = "x" * (csv.field_size_limit() + 1)
    with pytest.raises(DataError, match="row 2: field larger than field limit"):
        read_manifest(manifest(tmp_path, f"file,speaker,emotion\na.wav,{long},happy\n"))


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x0b", "\x0c", "\x1c", "\x85"])
def test_line_separators_inside_a_field(tmp_path: Path, separator: str) -> None:
    text = f'file,speaker,emotion\r\na.wav,"an{separator}na",happy\r\nb.wav,bert,sad\r\n'
    clips = read_manifest(manifest(tmp_path, text))
    assert [clip.speaker for clip in clips] == [f"an{separator}na", "bert"]


def test_one_name_in_two_spellings(tmp_path: Path) -> None:
    text = "file,speaker,emotion\na.wav,Jos\u00e9,happy\nb.wav,Jose\u0301,sad\n"
    assert len({clip.speaker for clip in read_manifest(manifest(tmp_path, text))}) == 1


GOOD = {"format_version": 1, "sample_rate": 16000, "id2label": {"0": "happy", "1": "sad"}}


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"x":' * 100_000,
        json.dumps(GOOD).replace("16000", "1e999"),
        json.dumps(GOOD).replace("16000", "Infinity"),
        json.dumps(GOOD).replace("16000", "NaN"),
        json.dumps(GOOD).replace("16000", "9" * 5000),
        json.dumps(GOOD).replace("16000", "9" * 400),
        json.dumps(GOOD | {"parameters": 1}).replace('"parameters": 1', '"parameters": 1e300'),
        json.dumps(GOOD).replace("happy", "=1+1"),
        json.dumps(GOOD).replace("happy", "\\u001b[2J"),
    ],
    ids=range(10),
)
def test_hostile_configuration(text: str) -> None:
    with pytest.raises(ModelError) as caught:
        parse_config(text, "config.json")
    assert str(caught.value).startswith("config.json")
    assert len(str(caught.value)) < 400


def test_a_good_configuration() -> None:
    assert parse_config(json.dumps(GOOD), "config.json").labels == ("happy", "sad")
