"""Folders of sounds to augment with, made by the tests themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from voice import RATE


@pytest.fixture
def noise_folder(tmp_path: Path) -> Path:
    """Three sounds in MUSAN's layout, one of each kind, each two seconds long."""
    rng = np.random.default_rng(3)
    for kind in ("noise", "music", "speech"):
        folder = tmp_path / "musan" / kind / "library"
        folder.mkdir(parents=True)
        soundfile.write(folder / f"{kind}-1.wav", rng.normal(0, 0.1, 2 * RATE), RATE)
        (folder / "LICENSE").write_text("public domain")
    return tmp_path / "musan"


@pytest.fixture
def room_folder(tmp_path: Path) -> Path:
    """Two rooms that die away within a quarter of a second, at another sample rate."""
    rng = np.random.default_rng(4)
    (tmp_path / "rooms").mkdir()
    for number in (1, 2):
        tail = rng.normal(0, 0.3, 6000) * np.exp(-np.arange(6000) / (800 * number))
        tail[40] = 1.0  # the direct sound, after a delay
        soundfile.write(tmp_path / "rooms" / f"{number}.flac", tail / 2, 24_000)
    return tmp_path / "rooms"
