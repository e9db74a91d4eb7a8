"""Plausible mistakes and what is said to them, as the table of docs/index.md has it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from affekt.cli import main
from affekt.cli._common import colored

PAGE = Path(__file__).resolve().parents[2] / "docs" / "index.md"
ROWS = re.findall(r"^\| `(affekt [^`]*)` \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.M)
NEED_TORCH = ("evaluate", "train", "export")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, recordings: list[Path]) -> Path:
    """What the page says is there."""
    folder = tmp_path_factory.mktemp("mistakes")
    (folder / "mine" / "happy").mkdir(parents=True)
    (folder / "recordings").mkdir()
    for file in recordings:
        shutil.copy(file, folder / "recordings")
    for name in ("a.wav", "b.wav", "mine/happy/1.wav"):
        shutil.copy(recordings[0], folder / name)
    (folder / "notes.txt").write_text("no sound")
    (folder / "empty.wav").touch()
    return folder


def test_there_are_many() -> None:
    assert len(ROWS) >= 20


@pytest.mark.parametrize(("line", "expected"), ROWS, ids=[line for line, _ in ROWS])
def test_a_mistake_is_explained(
    line: str,
    expected: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = shlex.split(line)[1:]
    if words[0] in NEED_TORCH and not find_spec("torch"):
        pytest.skip("needs torch")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("AFFEKT_DATA", str(folder / "corpora"))
    before = sorted(folder.rglob("*"))
    with pytest.raises(SystemExit) as ended:
        main(words)
    said = capsys.readouterr()
    assert ended.value.code in (1, 2)
    assert expected in " ".join((said.out + said.err).split())
    assert sorted(folder.rglob("*")) == before  # nothing is left behind


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("affekt tra", "train"),
        ("affekt train --se", "--set --seed"),
        ("affekt predict --ad", "--adapt"),
        ("affekt data au", "audit"),
    ],
)
def test_a_shell_completes(
    line: str, expected: str, run: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    count = str(len(line.split()) - 1)
    asked = {"_AFFEKT_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": count}
    assert run(env=asked).stdout.split() == expected.split()


def test_no_color_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, terminal = os.openpty()
    with os.fdopen(opened, "r"), os.fdopen(terminal, "w") as stdout:
        monkeypatch.setattr("sys.stdout", stdout)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("NO_COLOR", raising=False)
        assert colored()
        monkeypatch.setenv("NO_COLOR", "1")
        assert not colored()
