"""The benchmark measures right, and the example runs."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE


def test_the_ratio_is_measured_right(repository: Path) -> None:
    import numpy as np

    benchmark = runpy.run_path(str(repository / "benchmarks" / "augment.py"))
    clean = np.ones(1000, dtype=np.float32)
    noisy = clean + np.tile(np.array([0.1, -0.1], dtype=np.float32), 500)
    assert benchmark["measured_snr_db"](clean, noisy) == pytest.approx(20, abs=1e-3)


@pytest.mark.slow
def test_the_example(repository: Path, recordings: list[Path], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    script = repository / "examples" / "augment.py"
    done = subprocess.run(
        [sys.executable, script, recordings[0], tmp_path / "out"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"before.wav", "pitch_shift.wav", "pitch_shift.png", "chain-2.png"} < made
