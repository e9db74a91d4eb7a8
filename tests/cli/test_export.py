"""``affekt export``: from weights to one file that can be used alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command_line import affekt
from tiny_network import tiny_network, voice

torch = pytest.importorskip("torch")

from affekt import load_model  # noqa: E402
from affekt.data import Clip  # noqa: E402
from affekt.export import ModelMetadata  # noqa: E402
from affekt.export.model_directory import model_config  # noqa: E402
from affekt.models import checkpoint  # noqa: E402
from affekt.runtime.bundle import WEIGHTS_FILE  # noqa: E402


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """What a finished run leaves for an export: the weights with their configuration."""
    network = tiny_network()
    clips = {"train": [Clip(Path("a.wav"), "happy", "anna")]}
    config = model_config(network, ModelMetadata("tiny", clips))
    checkpoint.save(tmp_path / "run" / "model" / WEIGHTS_FILE, dict(network.state_dict()), config)
    return tmp_path / "run"


def test_a_run_becomes_a_file_that_can_be_used_alone(
    finished: Path, recording: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "new" / "tiny.onnx"
    done = affekt(capsys, "export", finished, "--out", path, "--format", "json")
    assert done.status == 0, done.errors
    row = json.loads(done.out)
    assert row["file"] == str(path)
    assert row["bytes"] == path.stat().st_size
    assert row["max_difference"] < 1e-4
    assert row["label_agreement"] == 1.0
    assert (row["lengths"], row["batch_sizes"]) == (5, 3)
    assert [file.name for file in path.parent.iterdir()] == ["tiny.onnx"]

    model = load_model(path, threads=1)
    assert model.config.name == "tiny"
    answer = model.predict(recording)
    from affekt.audio import load_audio

    with torch.inference_mode():
        expected = tiny_network()(torch.from_numpy(load_audio(recording))[None])["probabilities"][
            0
        ].numpy()
    assert np.allclose(list(answer.scores.values()), expected, atol=1e-4)


def test_what_cannot_be_exported(
    finished: Path,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    weights = finished / "model" / WEIGHTS_FILE
    (tmp_path / "empty").mkdir()
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / WEIGHTS_FILE).write_bytes(weights.read_bytes()[:99])
    for words, part in (
        (("export", finished, "--out", "tiny.tflite"), "an export writes a folder"),
        (("export", "nowhere", "--out", "a.onnx"), "no model at nowhere"),
        (("export", finished, "--out", "a", "--to", "flash"), "unknown target 'flash'"),
        (("export", finished, "--out", "a", "--quantize", "int4"), "unknown precision 'int4'"),
        (("export", finished, "--out", weights), "is a file: --to onnx writes a folder"),
        (
            ("export", finished, "--out", "a", "-q", "int8", "--calibration", "empty"),
            "empty holds no recordings to calibrate on",
        ),
        (
            ("export", finished, "--out", "a", "-q", "int8", "--data", tmp_path),
            "no corpus that the model has learned from is at hand",
        ),
        (("export", "empty", "--out", "a.onnx"), f"empty has no {WEIGHTS_FILE}"),
        (("export", "damaged", "--out", "a.onnx"), f"{WEIGHTS_FILE} is damaged"),
    ):
        affekt(capsys, *words).is_one_line(part)
    assert not list(tmp_path.glob("*.onnx"))
    assert not (tmp_path / "a").exists()


@pytest.mark.slow
def test_an_int8_folder_predicts_and_says_what_it_has_kept(
    finished: Path, recording: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    sounds = tmp_path / "speech"
    sounds.mkdir()
    for number in range(4):
        soundfile.write(sounds / f"{number}.wav", voice(1.5, number, 22050), 22050)
    soundfile.write(sounds / "silence.wav", np.zeros(22050), 22050)
    out = tmp_path / "int8"
    words = ("export", finished, "--quantize", "int8", "--calibration", sounds, "--out", out)
    # An untrained network is unsure of everything, so a small change moves its labels.
    done = affekt(capsys, *words, "--data", tmp_path, "--force", "--format", "json")
    assert done.status == 0, done.errors
    report = json.loads((out / "parity.json").read_text())
    assert report["calibration"] == {"recordings": 4, "resampled": 4, "unusable": 1}
    assert "4 had another rate than the model's and were resampled; 1 could not" in done.errors
    assert json.loads(done.out)["bytes"] == report["bytes"]
    assert report["speech"] is None  # no corpus there
    assert [row["seconds"] for row in report["lengths"]] == [0.5, 1.0, 3.0, 10.0]
    assert "## This export" in (out / "README.md").read_text()
    model = load_model(out, threads=1)
    assert model.config.raw["name"] == "tiny"
    assert model.predict(recording).label in model.labels
