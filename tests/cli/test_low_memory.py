"""A machine without memory: one line, never a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE

LIMITED = """
import resource, sys
import affekt.cli.predict, affekt.runtime, onnxruntime, soundfile, av, soxr
from affekt.cli import main
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
limit = used + int(sys.argv[1]) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
main(sys.argv[2:])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
@pytest.mark.parametrize("megabytes", [1, 4])  # no thread of onnxruntime starts
def test_too_little_memory_is_one_line(megabytes: int, recording: Path, tiny_model: Path) -> None:
    words = ["predict", str(recording), "-m", str(tiny_model), "--threads", "2"]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(megabytes), *words],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "there is not enough memory" in done.stderr
    assert done.stderr.count("\n") == 1
