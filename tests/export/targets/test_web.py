from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from browser import served
from tiny_network import TINY_OPTIONS as ARCHITECTURES
from tiny_network import Exported, tiny_network, voice

import affekt
from affekt.export import ModelMetadata, export_onnx
from affekt.export.model_directory import model_config
from affekt.export.targets.registry import export_model
from affekt.web.site import write_site

if TYPE_CHECKING:
    from playwright.sync_api import Browser

TOLERANCE = {"fp16": 1e-4, "int8": 1e-2}  # int8 kernels of two engines round differently

PREDICT = """async ([encoded, model]) => {
  const bytes = Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0));
  const affekt = await import("./static/affekt.js");
  return (await (await affekt.loadModel(model)).predict(bytes.buffer)).scores;
}"""


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


ANSWER = """async ([encoded, model]) => {
  const bytes = Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0));
  const affekt = await import("./static/affekt.js");
  const answer = await (await affekt.loadModel(model)).predict(bytes.buffer);
  return {...answer, embedding: Array.from(answer.embedding)};
}"""


@pytest.mark.slow
def test_a_browser_runs_every_architecture(tmp_path: Path, engine: Path, chromium: Browser) -> None:
    site = tmp_path / "site"
    for name, options in ARCHITECTURES.items():
        network = tiny_network(
            architecture=name, options=options, pooling="attention", heads=("intensity",)
        )
        folder = tmp_path / name
        folder.mkdir()
        config = model_config(network, ModelMetadata(name, {}))
        export_onnx(network, folder / "model.onnx", config)
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "README.md").write_text(name)
        write_site(folder, site)
    with served(site) as address:
        page = chromium.new_page()
        page.goto(f"{address}/README.md")
        for name in ARCHITECTURES:
            model = affekt.load_model(tmp_path / name)
            for seconds in (0.5, 4.0):
                file = io.BytesIO()
                soundfile.write(file, voice(seconds, 5), 16_000, format="WAV", subtype="FLOAT")
                content = file.getvalue()
                words = [base64.b64encode(content).decode(), f"models/{name}/"]
                found, expected = page.evaluate(ANSWER, words), model.predict(content)
                assert found["scores"] == pytest.approx(expected.scores, abs=1e-4), name
                assert found["intensity"] == pytest.approx(expected.intensity, abs=1e-4), name
                assert found["embedding"] == pytest.approx(expected.embedding.tolist(), abs=1e-3)
        page.close()


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_smaller_numbers_are_the_same_in_a_browser(
    exported: Exported, tmp_path: Path, engine: Path, chromium: Browser, precision: str
) -> None:
    speech = tmp_path / "speech"
    speech.mkdir()
    for number in range(4):
        soundfile.write(speech / f"{number}.wav", voice(1.5, number), 16_000)
    site = tmp_path / "site"
    options = {"precision": precision, "calibration": speech, "data": tmp_path}
    export_model(exported.folder, "web", site, force=True, **options)
    folder = json.loads((site / "package.json").read_text())["affekt"]["model"]
    model = affekt.load_model(site / folder)
    with served(site) as address:
        page = chromium.new_page()
        page.goto(f"{address}/README.md")
        for seconds in (0.5, 3.0, 10.0):
            file = io.BytesIO()
            soundfile.write(file, voice(seconds, 9), 16_000, format="WAV", subtype="FLOAT")
            content = file.getvalue()
            found = page.evaluate(PREDICT, [base64.b64encode(content).decode(), f"{folder}/"])
            assert found == pytest.approx(model.predict(content).scores, abs=TOLERANCE[precision])
        page.close()
