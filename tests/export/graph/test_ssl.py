"""Networks on encoders of transformers as model directories, without the checkpoint they are of."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from tiny_network import LABELS, RATE, TINY_ENCODERS, tiny_network, voice

import affekt
from affekt.data import Clip
from affekt.errors import ModelError
from affekt.export import ModelMetadata, check_parity, export_onnx, write_model_directory
from affekt.export.graph.onnx import PARITY_BATCH_SIZES, PARITY_DURATIONS
from affekt.export.graph.quantize import to_int8
from affekt.export.model_directory import read_network
from affekt.models import Network

transformers = pytest.importorskip("transformers")


def begun_from(folder: Path, family: str) -> Network:
    """A network whose encoder comes from a checkpoint in a folder."""
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(**TINY_ENCODERS[family])
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    return tiny_network(architecture="ssl", options={"checkpoint": str(folder), "channels": 8})


# The other families: wav2vec2 in tests/models/encoders/test_architectures.py, WavLM in
# tests/training/network/test_ssl.py, Whisper below.
@pytest.mark.parametrize("shorten", [1, 4])
def test_the_graph_equals_torch_at_all_lengths_and_batch_sizes(
    shorten: int, tmp_path: Path
) -> None:
    options = {"encoder": TINY_ENCODERS["hubert"], "channels": 8, "shorten": shorten}
    network = tiny_network(architecture="ssl", options=options)
    path = tmp_path / "model.onnx"
    export_onnx(network, path, {})
    parity = check_parity(network, path)
    assert parity.durations == PARITY_DURATIONS
    assert parity.batch_sizes == PARITY_BATCH_SIZES
    assert parity.max_difference < 1e-5
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for samples in (400, 1599, 12345):
        waveform = np.stack([voice(1, seed)[:samples] for seed in range(3)])
        (found,) = session.run(["embedding"], {"waveform": waveform})
        with torch.inference_mode():
            expected = network(torch.from_numpy(waveform))["embedding"].numpy()
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert np.ptp(found, axis=0).max() > 1e-3


def test_a_directory_needs_neither_its_checkpoint_nor_torch(tmp_path: Path) -> None:
    network = begun_from(tmp_path / "tiny-whisper", "whisper")
    (tmp_path / "tiny-whisper").rename(tmp_path / "away")
    clips = [Clip(Path("a.wav"), LABELS[0], "1", corpus="cremad")]
    folder = tmp_path / "model"
    parity = write_model_directory(network, folder, ModelMetadata("tiny", {"train": clips}))
    assert parity.durations == PARITY_DURATIONS
    assert parity.batch_sizes == PARITY_BATCH_SIZES
    assert parity.max_difference < 1e-5

    text = (folder / "config.json").read_text(encoding="utf-8")
    config = json.loads(text)
    assert config["architecture"]["checkpoint"] == "tiny-whisper"
    assert config["architecture"]["encoder"]["d_model"] == 16
    assert str(tmp_path) not in text
    licence = "that of tiny-whisper, which it was begun from; of the training data: CC-BY-4.0"
    assert config["licence"] == licence
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "| encoder begun from | `tiny-whisper` |" in card
    assert licence in card

    again, _ = read_network(folder)
    model = affekt.load_model(folder)
    for seconds in (0.5, 3.0):  # it knows the positions of two seconds
        sound = voice(seconds)
        found = model.predict((sound, RATE))
        with torch.inference_mode():
            wanted = network(torch.from_numpy(sound)[None])["probabilities"][0]
            torch.testing.assert_close(
                again(torch.from_numpy(sound)[None])["probabilities"][0], wanted
            )
        assert [found.scores[label] for label in LABELS] == pytest.approx(wanted.tolist(), abs=1e-4)

    small = tmp_path / "small.onnx"
    recordings = [voice(1.5, seed) for seed in range(4)]
    to_int8(folder / "model.onnx", small, network.config.frontend, recordings)
    session = onnxruntime.InferenceSession(small, providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        wanted = network(torch.from_numpy(recordings[0])[None])["probabilities"]
    (found_small,) = session.run(["probabilities"], {"waveform": recordings[0][None]})
    np.testing.assert_allclose(found_small, wanted.numpy(), atol=0.1)


def test_more_weights_than_a_file_holds_are_refused_up_front(tmp_path: Path) -> None:
    network = tiny_network()
    network.large = torch.nn.Parameter(torch.empty(2**29, device="meta"))
    path = tmp_path / "model.onnx"
    with pytest.raises(ModelError, match=r"has 2\.0 GB of weights, and an ONNX file holds 2: make"):
        export_onnx(network, path, {})
    assert not path.exists()
