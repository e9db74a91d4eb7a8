"""Size and work of a network: counted here once more, by arithmetic."""

from __future__ import annotations

import json
import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_network import FRONTEND, LABELS, TINY_OPTIONS, tiny_network

from affekt.models import network_facts
from affekt.models.survey import COUNTED_SECONDS, multiply_adds

ROOT = Path(__file__).resolve().parents[2]

FRAMES = round(COUNTED_SECONDS * FRONTEND.frames_per_second) + 1
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


@pytest.mark.parametrize("name", list(COUNTS))
def test_size_and_work_are_what_arithmetic_says(name: str) -> None:
    (parameters, work), channels = COUNTS[name]
    network = tiny_network(architecture=name, options=TINY_OPTIONS[name])
    head = 2 * 2 * channels + (2 * channels + 1) * len(LABELS)
    facts = network_facts(network)
    assert facts.parameters == sum(parameters) + head
    expected = sum(work) + 2 * channels * len(LABELS)
    assert multiply_adds(network) == pytest.approx(expected / COUNTED_SECONDS)
    assert facts.multiply_adds_per_second == round(expected / COUNTED_SECONDS)


def test_a_gru_has_three_gates() -> None:
    lstm, gru = (
        multiply_adds(
            tiny_network(architecture="crnn", options={**TINY_OPTIONS["crnn"], "cell": cell})
        )
        for cell in ("lstm", "gru")
    )
    difference = sum(crnn(gates=4)[1]) - sum(crnn(gates=3)[1])
    assert COUNTED_SECONDS * (lstm - gru) == pytest.approx(difference)


def test_the_intensity_is_counted_too() -> None:
    with_it = multiply_adds(tiny_network(heads=("intensity",)))
    assert COUNTED_SECONDS * (with_it - multiply_adds(tiny_network())) == pytest.approx(2 * 8)


@pytest.fixture(scope="module")
def benchmark() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "benchmarks" / "architectures.py"))


@pytest.mark.parametrize("name", sorted(TINY_OPTIONS))
def test_layers_hold_every_parameter(benchmark: dict[str, Any], name: str) -> None:
    network = tiny_network(architecture=name, options=TINY_OPTIONS[name])
    layers = benchmark["layers"](network)
    found = sum(layer["times"] * layer["parameters"] for layer in layers)
    assert found == sum(p.numel() for p in network.parameters())
    (pooling,) = (one for one in layers if one["layer"] == type(network.pooling).__name__)
    assert pooling["output"] == [network.pooling.output_size]


@pytest.mark.parametrize("name", sorted(TINY_OPTIONS))
def test_the_page_shows_the_architecture_as_it_is(benchmark: dict[str, Any], name: str) -> None:
    result = benchmark["REPORT"].load()
    hint = "run: python benchmarks/architectures.py"
    stored = json.loads(json.dumps(benchmark["architecture"](name)))
    assert stored == result["architectures"][name], hint
    report = replace(benchmark["LAYERS"], part=name)
    assert report.shown() == benchmark["section"](name, result), "run `make tables`"
