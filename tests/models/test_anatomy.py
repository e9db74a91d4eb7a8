"""What a network is made of: counted here once more, by arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from tiny_network import FRONTEND, LABELS, TINY_OPTIONS, tiny_network
from torch import Tensor, nn

from affekt.models import ARCHITECTURES, dissect, multiply_adds
from affekt.models.anatomy import SECONDS, Part, repeated
from affekt.models.frontend import FrontendConfig
from affekt.models.registry import Encoder, register

SECOND = SECONDS[0]  # seconds that work is counted on
FRAMES = round(SECOND * FRONTEND.frames_per_second) + 1
HALF, QUARTER = (FRAMES + 1) // 2, (FRAMES + 3) // 4
ROWS = FRONTEND.n_mels


def stem(channels: int) -> tuple[list[int], list[int]]:
    """Parameters and multiply-adds of the tiny stem (4, 8), and of what follows it."""
    parameters = [9 * 4 + 2 * 4, 9 * 4 * 8 + 2 * 8, ROWS // 4 * 8 * channels + 2 * channels]
    work = [
        9 * 4 * ROWS // 2 * HALF,
        9 * 4 * 8 * ROWS // 4 * QUARTER,
        ROWS // 4 * 8 * channels * QUARTER,
    ]
    return parameters, work


def cnn() -> tuple[list[int], list[int]]:
    parameters, work = stem(8)
    for _ in (1, 2):  # dilations
        parameters.append(2 * (3 * 8 * 8 + 2 * 8))
        work.append(2 * 3 * 8 * 8 * QUARTER)
    return parameters, work


def crnn(gates: int = 4) -> tuple[list[int], list[int]]:
    parameters, work = stem(8)
    for inputs in (8, 12):
        matrices = gates * 6 * (inputs + 6)
        parameters.append(2 * (matrices + 2 * gates * 6))
        work.append(2 * matrices * QUARTER)
    return parameters, work


def crnn_attention() -> tuple[list[int], list[int]]:
    parameters, work = crnn()
    parameters.append(2 * 12 + 12 * 36 + 36 + 12 * 12 + 12)
    work.append((12 * 36 + 12 * 12) * QUARTER + 2 * 12 * QUARTER * QUARTER)
    return parameters, work


def transformer() -> tuple[list[int], list[int]]:
    parameters, work = stem(8)
    feed_forward = 2 * 8 + 8 * 16 + 16 + 16 * 8 + 8
    attention = 2 * 8 + 8 * 24 + 24 + 8 * 8 + 8
    convolution = 2 * 8 + 8 * 16 + 16 + 5 * 8 + 2 * 8 + 8 * 8 + 8
    for _ in range(2):
        parameters.append(2 * feed_forward + attention + convolution + 2 * 8)
        linear = 4 * 8 * 16 + 8 * 24 + 8 * 8 + 8 * 16 + 5 * 8 + 8 * 8
        work.append(linear * QUARTER + 2 * 8 * QUARTER * QUARTER)
    return parameters, work


def tcn() -> tuple[list[int], list[int]]:
    parameters, work = stem(8)
    for level in range(3):
        # Padded on one side, each of the two convolutions gives as many frames as it got.
        parameters += [2 * (2 * 8 * 8 + 2 * 8)] * 2
        work += [2 * 2 * 8 * 8 * QUARTER] * 2
        assert 2**level < QUARTER
    return [*parameters, 3], [*work, 0]


def light() -> tuple[list[int], list[int]]:
    def pooled(frames: int) -> int:
        return (frames + 1) // 2

    parameters, work = [0], [6 * ROWS * FRAMES]  # six cepstra
    for size in (9, 11, 9):
        parameters.append(size * 2 + 2 * 2)
        work.append(size * 2 * 6 * FRAMES)
    frames, rows, inputs = pooled(FRAMES), 3, 6
    for outputs, height in ((4, 2), (4, 2)):
        parameters.append(9 * inputs * outputs + 2 * outputs)
        work.append(9 * inputs * outputs * rows * frames)
        frames, rows, inputs = pooled(frames), -(-rows // height), outputs
    parameters.append(4 * 8 + 2 * 8)
    work.append(4 * 8 * rows * frames)
    return [*parameters, 0], [*work, 0]


COUNTS = {
    "cnn": (cnn(), 8),
    "crnn": (crnn(), 12),
    "crnn-attention": (crnn_attention(), 12),
    "transformer": (transformer(), 8),
    "tcn": (tcn(), 8),
    "light": (light(), 8),
}


def test_every_architecture_is_counted() -> None:
    assert COUNTS.keys() | {"ssl", "statistics"} == TINY_OPTIONS.keys()


def test_an_encoder_of_transformers_is_one_part() -> None:
    network = tiny_network(architecture="ssl", options=TINY_OPTIONS["ssl"])
    encoder, *after = dissect(network)
    assert encoder.parameters == sum(p.numel() for p in network.encoder.parameters())
    assert encoder.title.endswith(" encoder")
    assert encoder.multiply_adds > 0
    assert [part.inputs for part in after] == [(0,), (1,)]


@pytest.mark.parametrize("name", list(COUNTS))
def test_parts_weigh_and_compute_what_arithmetic_says(name: str) -> None:
    (parameters, work), channels = COUNTS[name]
    network = tiny_network(architecture=name, options=TINY_OPTIONS[name])
    parts = dissect(network)
    head = 2 * 2 * channels + (2 * channels + 1) * len(LABELS)
    assert [part.parameters for part in parts] == [*parameters, 0, head]
    assert sum(part.parameters for part in parts) == sum(p.numel() for p in network.parameters())
    expected = [*work, 0, 2 * channels * len(LABELS)]
    assert [round(SECOND * part.multiply_adds) for part in parts] == expected
    assert multiply_adds(network) == pytest.approx(sum(expected) / SECOND)


def test_a_gru_has_three_gates() -> None:
    network = tiny_network(architecture="crnn", options={**TINY_OPTIONS["crnn"], "cell": "gru"})
    found = [round(SECOND * part.multiply_adds) for part in dissect(network)]
    assert found[:5] == crnn(gates=3)[1]


def test_each_part_says_what_it_gives() -> None:
    parts = dissect(tiny_network())
    rate = FRONTEND.frames_per_second
    given = [(part.channels, part.rows, part.frames_per_second) for part in parts]
    assert given == [
        (4, ROWS // 2, rate / 2),
        (8, ROWS // 4, rate / 4),
        *[(8, 1, rate / 4)] * 3,
        (16, 1, None),
        (len(LABELS), 1, None),
    ]
    blocks = tiny_network(architecture="transformer", options=TINY_OPTIONS["transformer"])
    assert dissect(blocks)[3].channels == 8  # not confused by where time stands


def test_parts_know_whom_they_hear() -> None:
    chain = [part.inputs for part in dissect(tiny_network())]
    assert chain == [(), (0,), (1,), (2,), (3,), (4,), (5,)]
    light = dissect(tiny_network(architecture="light", options=TINY_OPTIONS["light"]))
    assert [part.inputs for part in light[:5]] == [(), (0,), (0,), (0,), (1, 2, 3)]
    tcn = dissect(tiny_network(architecture="tcn", options=TINY_OPTIONS["tcn"]))
    ways = {part.title.split(",")[0]: [] for part in tcn[3:9]}
    for place, part in enumerate(tcn[3:9], start=3):
        ways[part.title.split(",")[0]].append((place, *part.inputs))
    assert ways == {
        "gate from the past": [(3, 2), (5, 3), (7, 5)],
        "gate from the future": [(4, 2), (6, 4), (8, 6)],
    }
    assert tcn[9].inputs == (7, 8)


def test_heads_and_pooling_are_parts_too() -> None:
    network = tiny_network(pooling="attention", intensity=True)
    *_, pooling, emotions, intensity = parts = dissect(network)
    assert pooling.title == "weighted mean and deviation over time"
    assert emotions.inputs == intensity.inputs == (len(parts) - 3,)
    assert sum(part.parameters for part in parts) == sum(p.numel() for p in network.parameters())


def test_a_chain_of_equal_parts_is_one() -> None:
    parts = dissect(tiny_network(architecture="transformer", options=TINY_OPTIONS["transformer"]))
    groups = repeated(parts)
    assert [count for _, count in groups] == [1, 1, 1, 2, 1, 1]
    assert [part.inputs for part, _ in groups] == [(), (0,), (1,), (2,), (3,), (4,)]
    side_by_side = [Part("a", (), 1, 1.0, 1, 1, 1.0, ()), Part("a", (), 1, 1.0, 1, 1, 1.0, ())]
    assert len(repeated(side_by_side)) == 2


@pytest.fixture
def unheard_of() -> Any:
    """An architecture that says nothing about itself, as a newcomer's first one will."""

    @dataclass(frozen=True)
    class Options:
        width: int = 5

    @register("unheard-of", Options)
    class UnheardOf(Encoder):
        """One layer, and a gain of its own."""

        time_stride, receptive_field = 1, 1

        def __init__(self, rows: int, options: Options) -> None:
            super().__init__()
            self.output_channels = options.width
            self.inner = nn.ModuleDict({"layer": nn.Conv1d(rows, options.width, 1)})
            self.gain = nn.Parameter(torch.ones(options.width, 1))

        def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
            y: Tensor = self.gain * self.inner["layer"](features)
            return y

    yield
    del ARCHITECTURES["unheard-of"]


def test_an_architecture_without_captions_is_taken_apart(unheard_of: None) -> None:
    network = tiny_network(architecture="unheard-of", options={}, frontend=FrontendConfig())
    parts = dissect(network)
    assert [part.title for part in parts[:2]] == ["Conv1d", "UnheardOf"]
    assert [part.parameters for part in parts[:2]] == [64 * 5 + 5, 5]
    assert sum(part.parameters for part in parts) == sum(p.numel() for p in network.parameters())
