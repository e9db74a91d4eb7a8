from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from tiny_network import Exported

import affekt
from affekt.export.targets import export_model


def test_a_site_carries_a_model_that_python_reads(
    exported: Exported, tmp_path: Path, engine: Path
) -> None:
    site = tmp_path / "site"
    report = export_model(exported.folder, "web", site, data=tmp_path)
    assert max(row["max_difference"] for row in report["lengths"]) < 1e-4
    assert report["browser_engine"].startswith("onnxruntime-web 1.")
    place = site / json.loads((site / "package.json").read_text())["affekt"]["model"]
    assert report["graph"] == (place / "model.onnx").relative_to(site).as_posix()
    noise = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    scores = [
        affekt.load_model(model).predict((noise, 16_000)).scores
        for model in (exported.folder, place)
    ]
    assert scores[0] == scores[1]
    assert (site / "index.html").is_file()
    assert (place / "README.md").read_text(encoding="utf-8").startswith("---")
    for name in ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.wasm"):
        assert (site / "runtime" / name).stat().st_size > 10_000
