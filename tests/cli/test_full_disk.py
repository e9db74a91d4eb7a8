"""An output that cannot be written: one line says so, and what was written is kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from patience import PATIENCE

RATE = 16000
QUICK = ["--window", "1", "--hop", "0.25", "--min-duration", "0.25", "--vad", "off"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files")


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Loud and soft in turns, so that the answers change."""
    loudness = np.tile(np.repeat([0.3, 0.003], 2 * RATE), 10)
    path = tmp_path / "talk.wav"
    soundfile.write(path, loudness * np.random.default_rng(0).normal(size=len(loudness)), RATE)
    return path


def limited(size: int, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run affekt where no file may grow beyond a size, in bytes."""
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size})); "
        "from affekt.cli import main; main(sys.argv[1:])"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_the_lines_before_are_kept(recording: Path, tiny_model: Path, tmp_path: Path) -> None:
    words = ["timeline", *[recording] * 6, "-m", tiny_model, *QUICK, "--out"]
    whole, out = tmp_path / "whole.jsonl", tmp_path / "out" / "cut.jsonl"
    assert limited(10**6, *words, whole).returncode == 0
    done = limited(whole.stat().st_size // 2, *words, out)
    kept = out.with_name("cut.jsonl.part")
    assert done.returncode == 1
    assert f"cut.jsonl: File too large: what was written before is kept in {kept}" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert list(out.parent.iterdir()) == [kept]
    lines = kept.read_text().splitlines()
    assert 1 < len(lines) < len(whole.read_text().splitlines())
    assert lines == whole.read_text().splitlines()[: len(lines)]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_device_is_written_as_it_is(recording: Path, tiny_model: Path, tmp_path: Path) -> None:
    link = tmp_path / "full.csv"
    link.symlink_to("/dev/full")
    for verb in ("timeline", "predict"):
        done = limited(10**6, verb, recording, "-m", tiny_model, "--out", link)
        assert done.returncode == 1
        assert "No space left on device: nothing was kept" in done.stderr
    assert link.is_symlink()
    assert Path("/dev/full").is_char_device()
