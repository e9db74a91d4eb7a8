from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
import torch
from tiny_network import FRONTEND, voice
from torch import Tensor, nn

from affekt.errors import ConfigError
from affekt.models import ARCHITECTURES, NetworkConfig, build_network, describe, register
from affekt.models.layers.memory import Memory
from affekt.models.registry import Encoder, build_encoder


@pytest.fixture
def blind() -> Iterator[str]:
    """A new architecture that looks at one frame at a time, registered for one test."""

    @dataclass(frozen=True)
    class Options:
        width: int = 3

    @register("blind", Options)
    class Blind(Encoder):
        """Looks at single frames.

        And says more about it.
        """

        streamable = True

        def __init__(self, n_mels: int, options: Options) -> None:
            super().__init__()
            self.project = nn.Conv1d(n_mels, options.width, 1)
            self.output_channels, self.time_stride, self.receptive_field = options.width, 1, 1

        def forward(self, log_mel: Tensor, mask: Tensor | None = None) -> Tensor:
            x: Tensor = self.project(log_mel)
            return x

        def step(self, log_mel: Tensor, mask: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
            return self.forward(log_mel), mask

    yield "blind"
    ARCHITECTURES.remove("blind")


def test_the_built_in_architectures_are_there_from_the_start() -> None:
    assert "cnn" in ARCHITECTURES
    assert ARCHITECTURES["cnn"].summary.startswith("Strided 2-D convolutions")


def test_a_new_architecture_is_a_network(blind: str) -> None:
    config = NetworkConfig(
        ("happy", "sad"), architecture=blind, options={"width": 5}, frontend=FRONTEND
    )
    network = build_network(config).eval()
    with torch.inference_mode():
        probabilities, embedding = network(torch.from_numpy(voice(0.3))[None]).values()
    assert probabilities.shape == (1, 2)
    assert embedding.shape == (1, 10)
    facts = describe(network)
    assert (facts.architecture, facts.streamable) == ("blind", False)  # the level is of the whole
    local = replace(config, frontend=replace(FRONTEND, normalisation="local"))
    assert describe(build_network(local)).streamable
    assert facts.receptive_field == pytest.approx(0.025)  # one window
    assert facts.parameters == (64 * 5 + 5) + 2 * 10 + (10 * 2 + 2)
    assert ARCHITECTURES[blind].summary == "Looks at single frames."


def test_a_new_architecture_has_its_own_options(blind: str) -> None:
    with pytest.raises(ConfigError, match=r"unknown key model\.blind\.channels: .* width"):
        build_encoder(blind, 64, {"channels": 8})


def test_an_unknown_architecture_is_named_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"unknown architecture 'rnn': expected one of .*cnn"):
        build_encoder("rnn", 64, {})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 3}, r"unknown key model\.cnn\.depth: expected one of channels, dilations"),
        ({"channels": "8"}, r"model\.cnn\.channels must be int, got '8'"),
        ({"dilations": [1, 2.5]}, r"model\.cnn\.dilations\[1\] must be int, got 2\.5"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_encoder("cnn", 64, options)
