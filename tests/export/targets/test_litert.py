"""LiteRT: real conversions, run by the real runtime. Needs the environment of ``make litert``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import wave
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from patience import PATIENCE
from tiny_network import LABELS, RATE, TINY_OPTIONS, tiny_network, voice

pytest.importorskip("litert_torch")

import affekt
from affekt.data import Clip
from affekt.errors import ModelError
from affekt.export import ModelMetadata
from affekt.export.artefact import PRECISIONS
from affekt.export.model_directory import model_config
from affekt.export.targets import litert
from affekt.export.targets.litert import add_metadata
from affekt.export.targets.registry import export_model
from affekt.models import Network, checkpoint
from affekt.runtime.bundle import LITERT_FILE, WEIGHTS_FILE, Bundle
from affekt.runtime.litert import LiteRtBackend, fill_windows

WINDOW = 1.0  # seconds
FACTS = ModelMetadata("tiny", {"train": [Clip(Path("a.wav"), "happy", "anna")]})


@pytest.fixture(scope="module")
def bare(network: Network) -> bytes:
    """One conversion for all tests, because it takes many seconds."""
    return litert.convert(network, round(WINDOW * RATE))


def with_metadata(model: bytes, network: Network, folder: Path) -> Path:
    path = folder / LITERT_FILE
    path.write_bytes(add_metadata(model, model_config(network, FACTS), network.outputs))
    return path


@pytest.fixture(scope="module")
def network() -> Network:
    return tiny_network()


@pytest.fixture(scope="module")
def plain(network: Network, bare: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_metadata(bare, network, tmp_path_factory.mktemp("litert"))


def expected(network: Network, waveforms: np.ndarray) -> dict[str, np.ndarray]:
    """What torch answers on the same windows."""
    rows = []
    for windows in fill_windows(waveforms, round(WINDOW * RATE)):
        with torch.inference_mode():
            rows.append(network(torch.from_numpy(windows)))
    return {
        name: np.stack([row[name].numpy().mean(axis=0) for row in rows]) for name in network.outputs
    }


@pytest.mark.parametrize(("seconds", "rows"), [(0.1, 1), (0.5, 3), (1.0, 2), (3.3, 2), (10.0, 1)])
def test_it_equals_torch_at_many_lengths_and_batch_sizes(
    network: Network, plain: Path, seconds: float, rows: int
) -> None:
    waveforms = np.stack([voice(seconds, row) for row in range(rows)])
    found = LiteRtBackend(Bundle(plain, None)).run(waveforms)
    assert tuple(found) == network.outputs
    for name, theirs in expected(network, waveforms).items():
        np.testing.assert_allclose(found[name], theirs, atol=1e-4)


CONVERTIBLE = ("transformer", "tcn", "light")  # besides cnn, above; the others are refused


@pytest.mark.parametrize("name", CONVERTIBLE)
def test_every_architecture_equals_torch_in_all_that_it_says(name: str, tmp_path: Path) -> None:
    network = tiny_network(
        architecture=name, options=TINY_OPTIONS[name], pooling="attention", heads=("intensity",)
    )
    bare = litert.convert(network, round(WINDOW * RATE))
    recordings = [voice(1.2, seed) for seed in range(6)]
    waveforms = np.stack([voice(1.7, row) for row in range(2)])
    wanted = expected(network, waveforms)
    for precision in PRECISIONS:
        try:
            model = bare
            if precision != "fp32":
                model = litert.smaller(bare, precision, recordings)
        except ModelError as error:
            assert str(error).endswith("take int8")  # noqa: PT017
            assert precision == "int8-static"
            continue
        found = LiteRtBackend(Bundle(with_metadata(model, network, tmp_path), None))
        tolerance = {"fp32": 1e-4, "fp16": 5e-3}.get(precision, 0.1)
        outputs = found.run(waveforms)
        assert tuple(outputs) == network.outputs
        for name in ("probabilities", "intensity"):
            np.testing.assert_allclose(outputs[name], wanted[name], atol=tolerance)
        assert outputs["embedding"].shape == wanted["embedding"].shape
    assert (
        affekt.load_model(tmp_path / LITERT_FILE).predict((voice(1.0), RATE)).intensity is not None
    )


@pytest.mark.parametrize("precision", PRECISIONS[1:])
def test_smaller_numbers_stay_near(
    network: Network, bare: bytes, tmp_path: Path, precision: str
) -> None:
    recordings = [voice(1.2, seed) for seed in range(8)]
    model = litert.smaller(bare, precision, recordings)
    assert len(model) < 0.7 * len(bare)
    path = with_metadata(model, network, tmp_path)
    waveforms = np.stack([voice(1.0, seed) for seed in range(4)])
    found = LiteRtBackend(Bundle(path, None)).run(waveforms)["probabilities"]
    tolerance = 5e-3 if precision == "fp16" else 0.06
    wanted = expected(network, waveforms)["probabilities"]
    np.testing.assert_allclose(found, wanted, atol=tolerance)


def test_it_carries_what_media_pipe_and_affekt_read(plain: Path) -> None:
    with zipfile.ZipFile(plain) as archive:
        assert archive.read("labels.txt").decode().split() == list(LABELS)
        assert json.loads(archive.read("config.json"))["name"] == "tiny"
    model = affekt.load_model(plain)
    assert model.labels == LABELS
    answer = model.predict((voice(2.0), RATE))
    np.testing.assert_allclose(sum(answer.scores.values()), 1, atol=1e-5)


def test_media_pipe_answers_alike(plain: Path, network: Network, tmp_path: Path) -> None:
    python = os.environ.get("MEDIAPIPE_PYTHON") or (find_spec("mediapipe") and sys.executable)
    if not python:
        pytest.skip("needs mediapipe, make mediapipe, then make test-litert")
    whole = np.round(voice(WINDOW, 3) * 32767).astype(np.int16)
    recording = tmp_path / "voice.wav"
    with wave.open(str(recording), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(whole.tobytes())
    script = Path(__file__).parents[2] / "mediapipe_labels.py"
    words = [python, str(script), str(plain), str(recording)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["heads"] == ["embedding", "probabilities"]
    samples = (whole / 32768).astype(np.float32)
    wanted = dict(zip(LABELS, expected(network, samples[None])[0][0].tolist(), strict=True))
    assert answer["scores"] == pytest.approx(wanted, abs=1e-4)


def test_a_file_without_metadata_or_of_other_content_is_refused(
    plain: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "bare.tflite"
    data = plain.read_bytes()
    bare.write_bytes(data[: data.index(b"PK\x03\x04")])
    with pytest.raises(ModelError, match="carries no configuration of affekt"):
        affekt.load_model(bare)
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(b"TFL3" * 9 + data[data.index(b"PK\x03\x04") :])
    with pytest.raises(ModelError, match="cannot be loaded, it is damaged"):
        affekt.load_model(damaged)
    with pytest.raises(ModelError, match=r"takes waveforms \[batch, samples\], got shape \(5,\)"):
        LiteRtBackend(Bundle(plain, None)).run(np.zeros(5, np.float32))


def test_the_way_from_the_command_to_the_folder(network: Network, tmp_path: Path) -> None:
    config = model_config(network, FACTS)
    checkpoint.save(tmp_path / "run" / WEIGHTS_FILE, dict(network.state_dict()), config)
    out = tmp_path / "out"
    report = export_model(tmp_path / "run", "litert", out, window=WINDOW, data=tmp_path)
    assert report["window"] == WINDOW
    assert (out / "labels.txt").read_text().split() == list(LABELS)
    assert max(row["max_difference"] for row in report["lengths"]) < 1e-4
    model = affekt.load_model(out, backend="litert")
    assert model.predict((voice(0.5), RATE)).label in LABELS
    with pytest.raises(ModelError, match=r"has no model\.onnx for the backend onnx"):
        affekt.load_model(out, backend="onnx")
