"""Sounds are found in order, decoded once, and forgotten when they are too many."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from affekt.augment import sounds
from affekt.augment.sounds import SoundFolder


def test_files_come_in_order(tmp_path: Path) -> None:
    for name in ("b/1.wav", "a/2.WAV", "a/1.flac", "c.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (group,) = SoundFolder(tmp_path, "test").groups
    assert [file.relative_to(tmp_path).as_posix() for file in group] == [
        *("a/1.flac", "a/2.WAV", "b/1.wav")
    ]


def test_the_cache_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sounds, "CACHE_BYTES", 3 * 4 * 8000)  # three of the sounds below
    for number in range(5):
        soundfile.write(tmp_path / f"{number}.wav", np.full(8000, 0.1 * (number + 1)), 8000)
    folder = SoundFolder(tmp_path, "test")
    loads = []
    original = sounds.load_audio

    def counted(file: Path, *, sample_rate: int) -> np.ndarray:
        loads.append(file.name)
        return original(file, sample_rate=sample_rate)

    monkeypatch.setattr(sounds, "load_audio", counted)
    files = folder.groups[0]
    for file in (*files[:3], files[0], files[3], files[0], files[1]):
        assert folder.load(file, 8000)[0] == pytest.approx(0.1 * (int(file.stem) + 1), abs=1e-3)
    # The first was used last before the fourth came, so the second had to go.
    assert loads == ["0.wav", "1.wav", "2.wav", "3.wav", "1.wav"]
