"""What every test may use: where the real corpora lie, and where the sample recordings do."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# A shell starts what runs in the background with Ctrl-C ignored, and so would the commands that
# tests start: those that interrupt one would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Processes that compile with Numba at the same time spoil each other's cache (and then crash):
# each has one of its own.
os.environ.setdefault(
    "NUMBA_CACHE_DIR",
    str(Path(__file__).parents[1] / f".numba-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"),
)

# A busy machine may take any time for one example. The environment of LiteRT has no Hypothesis.
if find_spec("hypothesis"):
    from hypothesis import settings

    settings.register_profile("affekt", deadline=None)
    settings.load_profile("affekt")

REPOSITORY = Path(__file__).resolve().parents[1]


def _find_data() -> Path | None:
    """Return the folder of the corpora: ``$AFFEKT_DATA``, else ``../shared/data``."""
    folder = Path(os.environ.get("AFFEKT_DATA") or REPOSITORY.parent / "shared" / "data")
    return folder.resolve() if folder.is_dir() else None


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the source tree."""
    return REPOSITORY


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder with ``ravdess/``, ``emodb/``, ``cremad/``; without it, the test skips."""
    folder = _find_data()
    if folder is None:
        pytest.skip("needs the real corpora: set AFFEKT_DATA to the folder that holds them")
    return folder


@pytest.fixture(scope="session")
def recordings() -> list[Path]:
    """The sample recordings that the project ships, in alphabetical order."""
    suffixes = {".wav", ".flac", ".ogg", ".opus", ".mp3"}
    files = sorted((REPOSITORY / "examples" / "recordings").iterdir())
    return [file for file in files if file.suffix in suffixes]


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory whose small graph hears loudness alone; do not write to it."""
    from tiny_model import write_tiny_model  # here, because it needs the package onnx

    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A headless Chromium for one test file; skips where there is none.

    Not for the whole session: while Playwright is at work, nothing else in this thread can run
    an event loop of its own.
    """
    from browser import open_browser

    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="session")
def engine() -> Path:
    """Folder of the engine that runs models in browsers; skips where npm cannot fetch it."""
    from affekt.errors import ModelError
    from affekt.web.browser import fetch_browser_runtime

    try:
        return fetch_browser_runtime()
    except ModelError as error:
        pytest.skip(str(error))
