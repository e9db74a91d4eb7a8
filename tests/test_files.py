from __future__ import annotations

import json
from pathlib import Path

import pytest

from affekt.files import atomic_path, json_text


def test_the_new_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    path.write_text("old")
    with atomic_path(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
        assert partial.parent == path.parent  # a rename over file systems is not atomic
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    path.write_text("old")

    def fail_half_way() -> None:
        with atomic_path(path) as partial:
            partial.write_text("half of the n")
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        fail_half_way()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    wanted = tmp_path / ("x" * 250 + ".txt")  # with what is added, too long a name
    with pytest.raises(OSError, match="too long") as caught, atomic_path(wanted) as partial:
        partial.write_text("new")
    assert caught.value.filename == str(wanted)


def test_an_interrupt_leaves_nothing_behind(tmp_path: Path) -> None:
    def interrupted() -> None:
        with atomic_path(tmp_path / "a.bin") as partial:
            partial.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), atomic_path(path):
        pass
    assert path.read_text() == "old"


def test_folders_on_the_way_are_made(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "down" / "a.txt"
    with atomic_path(str(path)) as partial:
        partial.write_text("here")
    assert path.read_text() == "here"


def test_the_partial_name_keeps_the_extension_and_is_hidden(tmp_path: Path) -> None:
    # Writers such as matplotlib and soundfile choose the format by the extension.
    with atomic_path(tmp_path / "curve.png") as partial:
        assert partial.suffix == ".png"
        assert partial.name.startswith(".")
        partial.write_bytes(b"")


def test_json_is_for_people_and_programs() -> None:
    facts = {"a": ["x, y", "z"], "b": {"c": [], "d": [[1, 2], [{"e": 3}]]}, "f": "[\\n 1,\\n 2]"}
    text = json_text(facts)
    assert json.loads(text) == facts
    assert '"a": ["x, y", "z"]' in text
    assert "[1, 2]" in text
    assert text.endswith("}\n")
