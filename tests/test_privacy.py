"""Nothing is told to anybody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_onnxruntime_reports_to_nobody(tmp_path: Path, tiny_model: Path) -> None:
    # Its telemetry begins by keeping an id for the session in the folder of temporary files.
    variables = {k: v for k, v in os.environ.items() if k not in ("CI", "ORT_DISABLE_TELEMETRY")}
    done = subprocess.run(
        [sys.executable, "-c", f"import affekt; affekt.load_model({str(tiny_model)!r})"],
        env={**variables, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []
