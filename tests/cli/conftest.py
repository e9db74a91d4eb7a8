"""Run the command line as its users do: in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a function that runs ``affekt`` with the given words in the test's own folder.

    Keyword arguments go to :func:`subprocess.run`; ``env`` is added to the environment. No corpus
    and no model of this machine is found, unless a test says where.
    """

    def run(
        *words: str | Path, env: dict[str, str] | None = None, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        hidden = {"AFFEKT_HUB", "HF_ENDPOINT", "COLUMNS"}
        variables = {name: value for name, value in os.environ.items() if name not in hidden}
        own = {
            "AFFEKT_CACHE": str(tmp_path / "cache"),
            "AFFEKT_DATA": str(tmp_path / "data"),
            "PYTHONIOENCODING": "utf-8",
        }
        return subprocess.run(
            [sys.executable, "-m", "affekt", *map(str, words)],
            **{
                "env": {**variables, **own, **(env or {})},
                "cwd": tmp_path,
                "capture_output": True,
                "encoding": "utf-8",
                "timeout": PATIENCE,
                "check": False,
                **options,
            },
        )

    return run


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A good recording: one second of noise at 16 kHz."""
    import numpy as np
    import soundfile

    path = tmp_path / "good.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 16000), 16000)
    return path
