"""Models answer alike on processors whose kernels differ: here, and on an emulated older one."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import _answer
import numpy as np
import pytest
from avx2_kernels import write_product

import affekt
from affekt.runtime.bundle import ASSETS, SHIPPED
from affekt.runtime.devices import KNOWN, instruction_sets
from affekt.runtime.stored_answers import INT8_TOLERANCE, TOLERANCE

EMULATOR = "qemu-x86_64"
HASWELL = (EMULATOR, "-cpu", "Haswell")
"""AVX2 without AVX-512 and VNNI, as half of the laptops in use have it."""


@pytest.fixture(scope="module")
def haswell() -> Sequence[str]:
    """What runs a program on an older processor; skips where the emulator is missing."""
    if shutil.which(EMULATOR) is None or platform.machine() != "x86_64":
        pytest.skip(f"needs {EMULATOR} on x86_64: apt-get install qemu-user")
    return HASWELL


def answers(inputs: Path, *graphs: Path, on: Sequence[str] = (), plain: bool = False) -> Any:
    """Instruction sets of a processor, and by graph what it answers there."""
    options = ["--plain"] if plain else []
    done = subprocess.run(
        [*on, sys.executable, _answer.__file__, *options, inputs, *graphs],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout)
    return told["instructions"], [np.array(told["answers"][str(graph)]) for graph in graphs]


@pytest.mark.slow
def test_only_eight_bits_saturate_and_only_without_the_option(
    haswell: Sequence[str], tmp_path: Path
) -> None:
    """The emulator has the older kernels; the options of our sessions make up for them."""
    inputs = tmp_path / "inputs.npz"
    np.savez(inputs, np.ones(64, dtype=np.float32))
    graphs = [write_product(tmp_path / f"{n}.onnx", n) for n in (127, 64)]
    instructions, (eight, seven) = answers(inputs, *graphs, on=haswell, plain=True)
    assert instructions == ["AVX2"]
    assert eight.max() < 40  # 64 would be right
    np.testing.assert_allclose(seven, 64, atol=0.3)
    _, (eight, seven) = answers(inputs, *graphs, on=haswell)
    np.testing.assert_allclose([eight, seven], 64, atol=0.3)


@pytest.mark.slow
def test_shipped_models_answer_alike_without_vnni(
    haswell: Sequence[str], recordings: Sequence[Path], tmp_path: Path
) -> None:
    inputs = tmp_path / "inputs.npz"
    np.savez(inputs, *(affekt.load_audio(file)[:48000] for file in recordings))
    graphs = [ASSETS / name / "model.onnx" for name in SHIPPED]
    _, here = answers(inputs, *graphs)
    # As anybody may open them, without the options of our sessions.
    _, there = answers(inputs, *graphs, on=haswell, plain=True)
    for graph, found, expected in zip(graphs, there, here, strict=True):
        tolerance = TOLERANCE if graph.parent.name == "live" else INT8_TOLERANCE
        np.testing.assert_allclose(found, expected, atol=tolerance, err_msg=graph.parent.name)


@pytest.mark.slow
def test_the_doctor_finds_the_stored_answers_without_vnni(haswell: Sequence[str]) -> None:
    command = [*haswell, sys.executable, "-m", "affekt", "doctor", "--format", "json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = {row["what"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert found["processor"]["detail"] == "x86_64 with AVX2"
    for name in SHIPPED:
        assert found[f"answers {name}"]["state"] == "ok", found[f"answers {name}"]


def test_the_instruction_sets_of_this_processor() -> None:
    found = instruction_sets()
    assert set(found) <= set(KNOWN.values())
    if platform.machine() == "x86_64" and "avx2" in Path("/proc/cpuinfo").read_text():
        assert "AVX2" in found
