"""The engine for browsers: fetched once, always checked, a clear word where it is not to be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from affekt.errors import ModelError
from affekt.web import browser


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AFFEKT_CACHE", str(tmp_path))
    monkeypatch.delenv("AFFEKT_BROWSER_RUNTIME", raising=False)
    return tmp_path / browser.PACKAGE / browser.VERSION


def npm_that(says: str, status: int, folder: Path) -> str:
    """Return a PATH with nothing but an npm that fails so."""
    folder.mkdir()
    program = folder / "npm"
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit {status}\n")
    program.chmod(0o755)
    return str(folder)


def test_without_npm_it_says_what_to_do(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ModelError, match=r"npm is not there .* install Node.js .*\$AFFEKT_BROWSER"):
        browser.fetch_browser_runtime()
    assert not cache.exists()
    assert browser.browser_runtime() is None


def test_a_failing_npm_is_quoted(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", npm_that("network unreachable", 1, tmp_path / "bin"))
    with pytest.raises(ModelError, match=r"cannot fetch onnxruntime-web .*network unreachable"):
        browser.fetch_browser_runtime()
    assert not cache.exists()


def test_a_changed_file_is_refused(cache: Path) -> None:
    cache.mkdir(parents=True)
    for name in browser.FILES:
        (cache / name).write_text("something else")
    with pytest.raises(ModelError, match=r"ort.wasm.min.mjs is not that of onnxruntime-web"):
        browser.fetch_browser_runtime()


def test_a_folder_may_be_named(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AFFEKT_BROWSER_RUNTIME", str(tmp_path / "mine"))
    assert browser.browser_runtime() is None
    with pytest.raises(ModelError, match=r"mine has no ort.wasm.min.mjs"):
        browser.fetch_browser_runtime()
    assert not cache.exists()


def test_it_is_fetched_once(engine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")  # npm is not asked again
    assert browser.fetch_browser_runtime() == engine
    assert browser.browser_runtime() == engine
