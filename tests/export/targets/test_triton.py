"""Triton and TensorRT: what is written, and that the client speaks the protocol."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
import threading
import wave
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from patience import PATIENCE
from tiny_network import LABELS, RATE, Exported, tiny_network, voice

from affekt.export.artefact import ExportJob
from affekt.export.model_directory import read_network
from affekt.export.targets import tensorrt, triton


@pytest.fixture(scope="module")
def job(exported: Exported) -> ExportJob:
    network, config = read_network(exported.folder)
    return ExportJob(network, config)


@pytest.fixture(scope="module")
def repository(
    exported: Exported, job: ExportJob, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("triton")
    with pytest.MonkeyPatch.context() as patch:  # the graph is that of the model directory
        graph = exported.folder / "model.onnx"
        patch.setattr(triton, "write_graph", lambda _, path: shutil.copy(graph, path))
        artefact = triton.export(job, folder)
    assert artefact.load is not None
    found = artefact.load(folder, 1).run(voice(1.0)[None])["probabilities"]
    assert found.shape == (1, len(LABELS))
    return folder


def test_the_repository_has_the_layout_that_triton_reads(repository: Path) -> None:
    files = {str(path.relative_to(repository)) for path in repository.rglob("*") if path.is_file()}
    assert files == {
        "client.py",
        *(
            f"{name}/tiny/{file}"
            for name in ("models", "tensorrt")
            for file in (
                "config.pbtxt",
                "labels.txt",
                "1/model.onnx",
            )
        ),
        *("tensorrt/tiny/1/build.py", "tensorrt/tiny/1/build.sh"),
    }
    text = (repository / "models/tiny/config.pbtxt").read_text()
    assert 'backend: "onnxruntime"' in text
    assert f"dims: [ {len(LABELS)} ]" in text
    assert text.count("{") == text.count("}")


def test_the_build_scripts_are_scripts(repository: Path) -> None:
    place = repository / "tensorrt/tiny/1"
    compile((place / "build.py").read_text(), "build.py", "exec")
    assert "@" not in (place / "build.py").read_text()
    assert "PROFILE = ((1, 1600), (8, 48000), (32, 480000))" in (place / "build.py").read_text()
    assert os.access(place / "build.sh", os.X_OK)
    done = subprocess.run(["sh", "-n", place / "build.sh"], check=False)
    assert done.returncode == 0
    assert "--maxShapes=waveform:32x480000" in (place / "build.sh").read_text()


def test_the_client_asks_as_the_protocol_wants_it(repository: Path, tmp_path: Path) -> None:
    """Against a small server of the same protocol that runs the same graph."""
    session = onnxruntime.InferenceSession(repository / "models/tiny/1/model.onnx")

    class Server(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v2/models/tiny/infer"
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            (port,) = asked["inputs"]
            samples = np.array(port["data"], np.float32).reshape(port["shape"])
            (scores,) = session.run(["probabilities"], {port["name"]: samples})
            count = asked["outputs"][0]["parameters"]["classification"]
            order = np.argsort(-scores[0])[:count]
            data = [f"{scores[0][index]:f}:{index}:{LABELS[index]}" for index in order]
            body = json.dumps({"outputs": [{"name": "probabilities", "data": data}]}).encode()
            if len(samples[0]) < RATE // 2:
                body = b'{"error": "the recording is too short"}'
            self.send_response(200 if len(samples[0]) >= RATE // 2 else 400)
            self.end_headers()
            self.wfile.write(body)

    server = HTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sound = tmp_path / "voice.wav"
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((voice(1.0) * 32767).astype(np.int16).tobytes())
    try:
        address = f"http://127.0.0.1:{server.server_port}"
        words = [sys.executable, repository / "client.py", sound, address]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=PATIENCE)
        ask = runpy.run_path(str(repository / "client.py"))["ask"]
        with pytest.raises(SystemExit, match="refuses the recording: .*the recording is too short"):
            ask([0.0] * 400, address)
    finally:
        server.shutdown()
    assert done.returncode == 0, done.stderr
    assert {line.rsplit(":")[-1] for line in done.stdout.split()} == set(LABELS)
    client = runpy.run_path(str(repository / "client.py"))
    with pytest.raises(SystemExit, match="no server answers at http://127.0.0.1:9"):
        client["ask"]([0.0] * RATE, "http://127.0.0.1:9")
    read = client["read"]
    with wave.open(str(sound), "wb") as file:
        file.setparams((2, 2, 44100, 0, "NONE", ""))
    with pytest.raises(SystemExit, match="expected 16000 Hz, mono, 16 bit"):
        read(str(sound))


def test_intensity_is_a_port_of_its_own(job: ExportJob) -> None:
    network = tiny_network(heads=("intensity",))
    text = triton.model_configuration(replace(job, network=network), "tiny", "onnxruntime")
    line = 'name: "intensity" data_type: TYPE_FP32 dims: [ 1 ] reshape: { shape: [ ] }'
    assert line in text
    assert text.count("{") == text.count("}")
    assert line not in triton.model_configuration(job, "tiny", "onnxruntime")


def test_a_name_becomes_a_folder() -> None:
    assert triton.repository_name("my model/2") == "my-model-2"
    assert triton.repository_name("///") == "affekt"


def test_without_a_gpu_the_engine_is_not_run(
    exported: Exported, job: ExportJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = exported.folder / "model.onnx"
    monkeypatch.setattr(tensorrt, "write_graph", lambda _, path: shutil.copy(graph, path))
    if "TensorrtExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("there is one here")
    artefact = tensorrt.export(job, tmp_path)
    assert artefact.load is None
    assert "an engine is built on the GPU that runs it" in artefact.not_run
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx", "build.py", "build.sh"}
