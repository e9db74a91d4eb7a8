"""LiteRT: real conversions, run by the real runtime. Needs the environment of ``make litert``."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_network import LABELS, RATE, tiny_network, voice

pytest.importorskip("litert_torch")

import affekt
from affekt.data import Clip
from affekt.errors import ModelError
from affekt.export import ModelFacts, litert
from affekt.export.litert_metadata import add_metadata
from affekt.export.model_directory import WEIGHTS_FILE, model_config
from affekt.export.targets import PRECISIONS, export_model
from affekt.models import Network
from affekt.runtime.bundle import LITERT_FILE, Bundle
from affekt.runtime.litert import LiteRtBackend
from affekt.runtime.windows import fill_windows
from affekt.training import checkpoint

WINDOW = 1.0  # seconds
FACTS = ModelFacts("tiny", {"train": [Clip(Path("a.wav"), "happy", "anna")]})


@pytest.fixture(scope="module")
def bare(network: Network) -> bytes:
    """One conversion for all tests, because it takes many seconds."""
    return litert.convert(network, round(WINDOW * RATE))


def with_metadata(model: bytes, network: Network, folder: Path) -> Path:
    path = folder / LITERT_FILE
    path.write_bytes(add_metadata(model, model_config(network, FACTS)))
    return path


@pytest.fixture(scope="module")
def network() -> Network:
    return tiny_network()


@pytest.fixture(scope="module")
def plain(network: Network, bare: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_metadata(bare, network, tmp_path_factory.mktemp("litert"))


def expected(network: Network, waveforms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What torch answers on the same windows."""
    rows = []
    for windows in fill_windows(waveforms, round(WINDOW * RATE)):
        with torch.inference_mode():
            rows.append([port.numpy().mean(axis=0) for port in network(torch.from_numpy(windows))])
    probabilities, embeddings = zip(*rows, strict=True)
    return np.stack(probabilities), np.stack(embeddings)


@pytest.mark.parametrize(("seconds", "rows"), [(0.1, 1), (0.5, 3), (1.0, 2), (3.3, 2), (10.0, 1)])
def test_it_equals_torch_at_many_lengths_and_batch_sizes(
    network: Network, plain: Path, seconds: float, rows: int
) -> None:
    waveforms = np.stack([voice(seconds, row) for row in range(rows)])
    found = LiteRtBackend(Bundle(plain, None)).run(waveforms)
    for ours, theirs in zip(found, expected(network, waveforms), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("precision", PRECISIONS[1:])
def test_smaller_numbers_stay_near(
    network: Network, bare: bytes, tmp_path: Path, precision: str
) -> None:
    recordings = [voice(1.2, seed) for seed in range(8)]
    model = litert.smaller(bare, precision, recordings)
    assert len(model) < 0.7 * len(bare)
    path = with_metadata(model, network, tmp_path)
    waveforms = np.stack([voice(1.0, seed) for seed in range(4)])
    found = LiteRtBackend(Bundle(path, None)).run(waveforms)[0]
    tolerance = 5e-3 if precision == "fp16" else 0.06
    np.testing.assert_allclose(found, expected(network, waveforms)[0], atol=tolerance)


def test_it_carries_what_media_pipe_and_affekt_read(plain: Path) -> None:
    with zipfile.ZipFile(plain) as archive:
        assert archive.read("labels.txt").decode().split() == list(LABELS)
        assert json.loads(archive.read("config.json"))["name"] == "tiny"
    model = affekt.load_model(plain)
    assert model.labels == LABELS
    answer = model.predict((voice(2.0), RATE))
    np.testing.assert_allclose(sum(answer.scores.values()), 1, atol=1e-5)


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
