from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from tiny_network import LABELS, RATE, TINY, tiny_network, voice

from affekt.errors import ConfigError
from affekt.models import NetworkConfig, build_network, describe


def batch(*waveforms: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack(waveforms))


@torch.inference_mode()
def test_waveform_to_probabilities_and_embedding() -> None:
    network = tiny_network()
    outputs = network(batch(voice(1.0, seed=1), voice(1.0, seed=2)))
    assert tuple(outputs) == network.outputs == ("probabilities", "embedding")
    probabilities, embedding = outputs.values()
    assert probabilities.shape == (2, len(LABELS))
    assert embedding.shape == (2, network.embedding_size)
    np.testing.assert_allclose(probabilities.sum(dim=1), 1, atol=1e-6)
    assert (probabilities[0] - probabilities[1]).abs().max() > 1e-3


@torch.inference_mode()
def test_the_parts_make_the_whole() -> None:
    network = tiny_network()
    waveform = batch(voice(0.7))
    logits = network.classify(network.frontend(waveform))
    expected = torch.softmax(logits / network.temperature, dim=1)
    torch.testing.assert_close(network(waveform)["probabilities"], expected)


@torch.inference_mode()
def test_a_higher_temperature_is_less_sure_of_the_same_answer() -> None:
    network, waveform = tiny_network(), batch(voice(1.0))
    sure = network(waveform)["probabilities"]
    network.temperature.fill_(4.0)
    unsure = network(waveform)["probabilities"]
    assert unsure.max() < sure.max()
    assert unsure.argmax() == sure.argmax()


@torch.inference_mode()
def test_a_clip_gets_the_same_answer_alone_and_in_a_padded_batch() -> None:
    network = tiny_network()
    clips = [voice(seconds, seed) for seed, seconds in enumerate((1.2, 0.5, 0.51, 0.1, 0.013))]
    features = [network.frontend(batch(clip))[0] for clip in clips]
    lengths = torch.tensor([item.shape[1] for item in features])
    padded = torch.full((len(clips), 64, int(lengths.max()) + 9), 50.0)
    for row, item in zip(padded, features, strict=True):
        row[:, : item.shape[1]] = item
    together = network.embed(padded, lengths)
    logits = network.classify(padded, lengths)
    for row, clip in enumerate(clips):
        expected = network.classify(network.frontend(batch(clip)))[0]
        torch.testing.assert_close(logits[row], expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(
            together[row], network(batch(clip))["embedding"][0], rtol=0, atol=2e-5
        )


@torch.inference_mode()
@pytest.mark.parametrize("gain_db", [-20, 20])
def test_loudness_does_not_change_the_answer(gain_db: float) -> None:
    network, samples = tiny_network(), voice(1.0)
    louder = samples * np.float32(10 ** (gain_db / 20))
    plain, loud = (network(batch(one))["probabilities"] for one in (samples, louder))
    difference = (plain - loud)[0].abs().max()
    assert difference < 2e-3


@torch.inference_mode()
@pytest.mark.parametrize("samples", [1, 400, 16000])
def test_silence_gives_finite_probabilities(samples: int) -> None:
    probabilities, embedding = tiny_network()(torch.zeros(2, samples)).values()
    assert torch.isfinite(probabilities).all()
    assert torch.isfinite(embedding).all()


def test_gradients_reach_every_parameter() -> None:
    network = tiny_network().train()
    log_mel = network.frontend(batch(*(voice(0.6, seed) for seed in range(6))))
    logits = network.classify(log_mel, torch.tensor([61, 61, 50, 40, 30, 12]))
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 3, 0, 1])).backward()
    idle = [
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().max() > 0
    ]
    assert idle == []
    assert all(torch.isfinite(parameter.grad).all() for parameter in network.parameters())


def test_what_it_says_of_itself_is_true() -> None:
    network = tiny_network(options={"stem": (4, 8), "channels": 8, "dilations": (1,)})
    facts = describe(network)
    assert facts.architecture == "cnn"
    assert facts.streamable is False
    assert facts.parameters == sum(p.numel() for p in network.parameters())
    assert facts.embedding_size == network.embedding_size == 16
    # Stem 7 frames, block 4 steps of 4 frames: 23 frames of 10 ms, and the rest of a window.
    assert facts.receptive_field == pytest.approx(22 * 0.010 + 0.025)


def test_the_receptive_field_in_seconds_is_true() -> None:
    """Between waveform and frames, apart from the loudness, which is that of the recording."""
    network = tiny_network(options={"stem": (4,), "channels": 8, "dilations": (1,)}).double()
    waveform = torch.randn(1, RATE // 2, dtype=torch.float64, requires_grad=True)
    log_mel = torch.log(network.frontend.mel_power(waveform) + 1e-3)
    frames = network.encoder(log_mel)
    frames[:, :, frames.shape[2] // 2].sum().backward()
    assert waveform.grad is not None
    seen = waveform.grad[0].nonzero().flatten()
    span = (seen[-1] - seen[0] + 1).item()
    declared = describe(network).receptive_field
    assert declared is not None
    assert declared * RATE - span in (0, 1)  # the periodic window begins with a zero


def test_weights_can_be_put_into_a_new_network() -> None:
    network = tiny_network()
    again = build_network(network.config, network.state_dict()).eval()
    waveform = batch(voice(0.5))
    with torch.inference_mode():
        assert (again(waveform)["probabilities"] == network(waveform)["probabilities"]).all()


def test_the_saved_state_holds_what_training_found_and_no_constants() -> None:
    state = tiny_network().state_dict()
    assert {"feature_mean", "feature_scale", "temperature"} <= set(state)
    assert not [name for name in state if name.startswith("frontend")]


def test_weights_of_another_size_are_refused() -> None:
    network = tiny_network()
    config = dataclasses.replace(network.config, options={**TINY, "channels": 9})
    with pytest.raises(ConfigError, match=r"^weights do not fit cnn: \S.*$"):
        build_network(config, network.state_dict())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": ("angry",)}, "two or more different labels"),
        ({"labels": ("angry", "sad", "angry")}, "two or more different labels"),
        ({"head_dropout": 1.0}, r"model\.head_dropout must be in \[0, 1\), got 1"),
        ({"head_dropout": -0.1}, "head_dropout"),
    ],
)
def test_an_impossible_network_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        NetworkConfig(**{"labels": LABELS, **changes})


def test_an_unknown_pooling_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.pooling must be one of .*attention, got 'max'"):
        tiny_network(pooling="max")


def test_the_same_seed_makes_the_same_network() -> None:
    first, again, other = (tiny_network(seed).state_dict() for seed in (1, 1, 2))
    assert all((first[name] == again[name]).all() for name in first)
    assert any((first[name] != other[name]).any() for name in first)
