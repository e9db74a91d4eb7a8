"""What holds for every architecture of the registry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from portable_graph import assert_portable
from tiny_network import CONVOLUTIONAL, RATE, TINY_OPTIONS, tiny_network, voice

from affekt.errors import ConfigError, ModelError
from affekt.export.graph.onnx import check_parity, export_onnx
from affekt.export.graph.quantize import to_float16, to_int8, to_int8_weights
from affekt.export.targets.litert import convert
from affekt.models import ARCHITECTURES
from affekt.models.registry import Encoder, build_encoder
from affekt.training.network.losses import soft_cross_entropy

ROWS = 12
MORE_OPTIONS: dict[str, list[dict[str, Any]]] = {
    "cnn": [{"stem": (4, 8), "channels": 8, "dilations": (1, 2), "squeeze": 4}],
    "crnn": [{"stem": (4,), "channels": 8, "hidden": 6, "cell": "gru", "layers": 1}],
}
# The rows of what takes waveforms are samples, and the stride of its convolutions.
OF_ROWS: dict[str, dict[str, Any]] = {
    "ssl": {
        "encoder": {
            **{"model_type": "wav2vec2", **CONVOLUTIONAL},
            **{"conv_kernel": [6, 5], "conv_stride": [3, 4]},
        }
    }
}
SMALL: dict[str, list[dict[str, Any]]] = {
    name: [options, *MORE_OPTIONS.get(name, ())] for name, options in TINY_OPTIONS.items()
}
"""By architecture, options of networks small enough for tests."""
CASES = [
    pytest.param(name, options, id=f"{name}-{number}")
    for name, cases in SMALL.items()
    for number, options in enumerate(cases)
]
# What pools by itself gives no frames, and nothing in it is trained: tests in test_statistics.py.
FRAMES = [case for case in CASES if not ARCHITECTURES[str(case.values[0])].make.pools]
TRAINED = sorted({str(case.values[0]) for case in FRAMES})


def test_every_architecture_is_tested() -> None:
    ours = {n for n, a in ARCHITECTURES.items() if a.make.__module__.startswith("affekt.")}
    assert set(SMALL) == ours  # others are those of other tests, and of the pages


def encoder(name: str, options: dict[str, Any]) -> Encoder:
    torch.manual_seed(0)
    made = build_encoder(name, ROWS, {**options, **OF_ROWS.get(name, {})}).double().eval()
    for key, value in made.named_buffers():
        if key.endswith("running_mean"):
            value.normal_(0, 0.1)
    return made


@torch.inference_mode()
@pytest.mark.parametrize(("name", "options"), FRAMES)
def test_padding_changes_no_frame(name: str, options: dict[str, Any]) -> None:
    made = encoder(name, options)
    lengths = [41, 40, 39, 12, 3, 1]
    clips = [torch.randn(ROWS, length, dtype=torch.float64) for length in lengths]
    padded = torch.full((len(clips), ROWS, 50), 1e3, dtype=torch.float64)
    mask = torch.zeros(len(clips), 1, 50, dtype=torch.float64)
    for row, clip in enumerate(clips):
        padded[row, :, : clip.shape[1]] = clip
        mask[row, :, : clip.shape[1]] = 1
    together = made(padded, mask)
    assert together.shape == (len(clips), made.output_channels, -(-50 // made.time_stride))
    for row, clip in enumerate(clips):
        alone = made(clip[None])[0]
        assert alone.shape == (made.output_channels, -(-clip.shape[1] // made.time_stride))
        torch.testing.assert_close(together[row, :, : alone.shape[1]], alone, rtol=0, atol=1e-10)


@torch.inference_mode()
@pytest.mark.parametrize(("name", "options"), FRAMES)
def test_the_receptive_field_is_what_it_says(name: str, options: dict[str, Any]) -> None:
    made = encoder(name, options)
    frames = 160
    log_mel = torch.randn(1, ROWS, frames, dtype=torch.float64)
    disturbed = log_mel.repeat(frames, 1, 1)
    disturbed[range(frames), :, range(frames)] += torch.randn(frames, ROWS, dtype=torch.float64)
    changed = (made(disturbed) - made(log_mel)).abs().amax(dim=1) > 1e-14
    middle = changed.shape[1] // 2
    seen = changed[:, middle].nonzero().flatten().tolist()
    assert seen[-1] - seen[0] + 1 == (made.receptive_field or frames)


@pytest.mark.parametrize(
    ("name", "options"), CASES[1:]
)  # the first: tests/export/graph/test_onnx.py
def test_the_exported_graph_answers_alike_at_every_length_and_batch_size(
    name: str, options: dict[str, Any], tmp_path: Path
) -> None:
    network = tiny_network(
        architecture=name, options=options, pooling="attention", heads=("intensity",)
    )
    path = tmp_path / "model.onnx"
    export_onnx(network, path, {})
    durations = (0.1, 0.333, 1.0, 2.5, 7.0)
    parity = check_parity(network, path, durations=durations, batch_sizes=(1, 3))
    assert parity.max_difference < 2e-5
    shorter, longer = (voice(seconds)[None] for seconds in (0.5, 2.0))
    plain = answers(path, longer)
    assert np.abs(plain[0] - answers(path, shorter)[0]).max() > 1e-4  # not deaf to what it hears
    with torch.inference_mode():
        expected = network(torch.from_numpy(longer))
    for port, other in zip(
        plain, expected.values(), strict=True
    ):  # embedding and intensity as well
        np.testing.assert_allclose(port, other.numpy(), atol=1e-4)
    half, small = tmp_path / "half.onnx", tmp_path / "small.onnx"
    to_float16(path, half)
    if network.encoder.pools:  # of the Whisper family, whose activations int8 spoils
        to_int8_weights(path, small)
    else:
        to_int8(path, small, network.config.frontend, [voice(1.5, seed) for seed in range(6)])
    for graph in (path, half, small):
        assert_portable(graph)
    for smaller, tolerance in ((half, 0.005), (small, 0.1)):
        for waveform in (shorter, np.concatenate([longer, -longer])):
            found, wanted = answers(smaller, waveform), answers(path, waveform)
            np.testing.assert_allclose(found[0], wanted[0], atol=tolerance)
            np.testing.assert_allclose(found[2], wanted[2], atol=tolerance)


def answers(path: Path, waveforms: np.ndarray) -> Any:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["probabilities", "embedding", "intensity"], {"waveform": waveforms})


@pytest.mark.parametrize("name", TRAINED)
def test_a_few_steps_lower_the_loss(name: str) -> None:
    """On voices of unequal length, of two kinds that differ in pitch and loudness over time."""
    network = tiny_network(architecture=name, options=SMALL[name][0]).train()
    clips = [voice(1.0, seed) for seed in range(8)]
    spectrum = network.frontend(torch.from_numpy(np.stack(clips)))
    lengths = torch.tensor([spectrum.shape[2] - 7 * (row % 3) for row in range(8)])
    targets = torch.eye(4)[torch.arange(8) % 4]
    allowed = torch.ones(8, 4, dtype=torch.bool)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    losses = []
    for _ in range(30):
        loss = soft_cross_entropy(network.classify(spectrum, lengths), targets, allowed)
        optimizer.zero_grad()
        loss.backward()
        if not losses:
            learning = [(k, p) for k, p in network.named_parameters() if p.requires_grad]
            idle = [k for k, p in learning if p.grad is None]
            assert idle == []
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:3])


@pytest.mark.parametrize("name", [n for n, a in ARCHITECTURES.items() if a.make.litert_refusal])
def test_what_litert_cannot_hold_is_refused_with_a_reason(name: str) -> None:
    network = tiny_network(architecture=name, options=SMALL[name][0])
    with pytest.raises(ModelError, match=rf"'{name}' cannot be converted to LiteRT: .*--to onnx"):
        convert(network, RATE)


WRONG = {
    "crnn": [
        ({"stem": ()}, "crnn: stem, channels, hidden and layers must be positive"),
        ({"hidden": 0}, "crnn: stem, channels, hidden and layers must be positive"),
        ({"cell": "rnn"}, "crnn: cell must be one of lstm, gru, got 'rnn'"),
        ({"dropout": 1.0}, r"crnn: dropout must be in \[0, 1\)"),
    ],
    "crnn-attention": [({"hidden": 5, "heads": 4}, "heads must divide 2 \\* hidden = 10, got 4")],
    "transformer": [
        ({"blocks": 0}, "transformer: stem, channels, blocks, heads and expansion from 1 up"),
        ({"channels": 10, "heads": 4}, "transformer: heads must divide channels = 10, got 4"),
        ({"kernel": 4}, "transformer: kernel must be odd, got 4"),
        ({"dropout": -0.1}, r"transformer: dropout must be in \[0, 1\)"),
    ],
    "tcn": [
        ({"levels": 0}, "tcn: stem, channels and levels must be positive"),
        ({"kernel": 1}, "tcn: kernel must be 2 or more frames, got 1"),
        ({"dropout": 1.0}, r"tcn: dropout must be in \[0, 1\)"),
    ],
}


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [(name, *case) for name, cases in WRONG.items() for case in cases],
)
def test_impossible_options_are_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_encoder(name, ROWS, options)
