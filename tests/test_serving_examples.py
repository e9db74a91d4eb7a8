"""What docs/serving.md shows is run: its curl lines and its Python, against a real server."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from live_server import Server

from affekt.server.keys import new_key

DEFAULT = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs" / "serving.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path, recordings: list[Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(recordings[0], tmp_path / "interview.wav")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def blocks(page: str, tag: str) -> list[str]:
    return [part.partition("```")[0] for part in page.split(f"```{tag}\n")[1:]]


def test_the_curl_lines_are_answered(page: str, folder: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    lines = [
        line.removeprefix("$ ")
        for block in blocks(page, "console")
        for line in block.splitlines()
        if line.startswith("$ curl ")
    ]
    assert len(lines) >= 4
    key, hashed = new_key("reader")
    server = Server(variables={"AFFEKT_API_KEYS": hashed})
    try:
        for line in lines:
            words = shlex.split(line.replace(DEFAULT, server.url).replace("$KEY", key))
            words += ["-H", f"Authorization: Bearer {key}", "--silent", "--fail-with-body"]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
            answer = done.stdout or Path(words[words.index("--output") + 1]).read_text("utf-8")
            assert answer.startswith(("{", "1\n")), answer
    finally:
        server.close()


def test_the_python_runs(page: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = blocks(page, "python no-run server")
    assert len(parts) == 2
    server = Server()
    try:
        namespace: dict[str, Any] = {"__name__": "__main__"}
        for part in parts:
            exec(compile(part.replace(DEFAULT, server.url), "docs/serving.md", "exec"), namespace)
    finally:
        server.close()
    out = capsys.readouterr().out
    assert "WEBVTT" in out
    assert out.splitlines()[0].startswith(namespace["answer"].label)
