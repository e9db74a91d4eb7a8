"""Step by step, a network gives the frames that it gives on the whole recording."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_network import FRONTEND, RATE, tiny_network, voice

from affekt.errors import ConfigError
from affekt.models import Network
from affekt.models.layers.memory import Memory
from affekt.models.streaming import PooledHead, StreamingNetwork

LOCAL = replace(FRONTEND, normalisation="local")
FRONTENDS = {
    "local": LOCAL,
    "local, no look-ahead": replace(LOCAL, level_future=0.0),
    "local, odd number of frames ahead": replace(LOCAL, level_future=0.33),
    "half a window a hop": replace(LOCAL, window=400, n_fft=400, hop_length=200),
    "many hops a window": replace(LOCAL, window=512, hop_length=100),
}


def whole(network: Network, samples: np.ndarray) -> np.ndarray:
    """Frames [frames, channels] of a whole recording."""
    with torch.inference_mode():
        spectrum = network.frontend(torch.from_numpy(samples)[None])
        features = (spectrum - network.feature_mean) / network.feature_scale
        return network.encoder(features)[0].T.numpy()


def streamed(network: Network, samples: np.ndarray, sizes: list[int]) -> np.ndarray:
    """The same in chunks of so many steps, over and over."""
    step = StreamingNetwork(network)
    steps = len(samples) // step.step + 1 + step.delay
    padded = np.zeros((1, steps, step.step), dtype=np.float32)
    padded.reshape(-1)[: len(samples)] = samples
    middles = np.arange(steps * step.stride) * network.config.frontend.hop_length
    valid = (middles <= len(samples)).astype(np.float32).reshape(1, steps, -1)
    state, start, found = torch.zeros(1, step.state_size), 0, []
    while start < steps:
        end = start + sizes[len(found) % len(sizes)]
        with torch.inference_mode():
            frames, mask, state = step(
                torch.from_numpy(padded[:, start:end]), torch.from_numpy(valid[:, start:end]), state
            )
        found.append(frames[mask > 0].numpy())
        start = end
    return np.concatenate(found)


@pytest.mark.parametrize("name", FRONTENDS)
def test_every_frontend_that_can_stream(name: str) -> None:
    network = tiny_network(frontend=FRONTENDS[name])
    for seconds in (0.03, 0.1, 0.5, 2.0, 4.321):
        samples = voice(seconds)
        expected = whole(network, samples)
        np.testing.assert_allclose(streamed(network, samples, [1, 5, 2]), expected, atol=1e-4)


@given(
    length=st.integers(RATE // 20, 2 * RATE),
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=5),
)
@settings(max_examples=15, deadline=None)
def test_any_length_in_any_chunks(length: int, sizes: list[int]) -> None:
    network = tiny_network(frontend=LOCAL)
    samples = voice(2.0)[:length]
    np.testing.assert_allclose(
        streamed(network, samples, sizes), whole(network, samples), atol=1e-4
    )


def test_fixed_statistics_stream_too() -> None:
    network = tiny_network()
    fixed = tiny_network(frontend=replace(FRONTEND, normalisation="global"))
    assert not network.streamable
    assert fixed.streamable
    samples = voice(1.0)
    np.testing.assert_allclose(streamed(fixed, samples, [3]), whole(fixed, samples), atol=1e-4)


def test_streams_in_one_batch_do_not_hear_each_other() -> None:
    network = tiny_network(frontend=LOCAL)
    step = StreamingNetwork(network)
    samples = torch.from_numpy(np.stack([voice(1.6, seed) for seed in range(2)]))
    chunk = samples.reshape(2, -1, step.step)
    valid = torch.ones(2, chunk.shape[1], step.stride)
    with torch.inference_mode():
        both = step(chunk, valid, torch.zeros(2, step.state_size))
        alone = step(chunk[1:], valid[1:], torch.zeros(1, step.state_size))
    for two, one in zip(both, alone, strict=True):
        np.testing.assert_allclose(two[1:], one, atol=1e-4)


@pytest.mark.parametrize("heads", [(), ("intensity",)])
def test_the_head_is_the_networks(heads: tuple[str, ...]) -> None:
    network = tiny_network(frontend=LOCAL, heads=heads)
    with torch.inference_mode():
        expected = network(torch.from_numpy(voice(1.0))[None])
        head = PooledHead(network)
        found = head(expected["embedding"])
    assert tuple(found) == head.outputs == ("probabilities", *heads)
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name], atol=1e-6)


def test_a_network_that_cannot_stream_says_why() -> None:
    with pytest.raises(ConfigError, match="this network cannot stream: it needs the frontend"):
        StreamingNetwork(tiny_network())


def test_memory_puts_what_was_before_in_front() -> None:
    first = Memory(torch.zeros(1, 5))
    assert first.join(torch.tensor([[1.0, 2.0, 3.0]]), 2).tolist() == [[0, 0, 1, 2, 3]]
    assert first.delay(torch.tensor([[1.0, 2.0, 3.0, 4.0]]), 3).tolist() == [[0, 0, 0, 1]]
    second = Memory(first.next_state())
    assert second.join(torch.tensor([[4.0]]), 2).tolist() == [[2, 3, 4]]
    assert second.delay(torch.tensor([[5.0]]), 3).tolist() == [[2]]
    assert second.next_state().tolist() == [[3, 4, 3, 4, 5]]
