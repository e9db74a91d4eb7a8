"""Answers that an export stores, to be compared on any machine.

``parity.json`` holds the probabilities of two made-up voices. They are computed again where the
model is used: ``affekt doctor`` compares.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from affekt.errors import ModelError

Floats = npt.NDArray[np.float32]

PARITY_FILE = "parity.json"
KEY = "answers"

DECIMALS = 5
TOLERANCE = 1e-4
"""Largest difference from a stored probability in float32: sums in another order."""
INT8_TOLERANCE = 0.01
"""The same in int8, where such a difference moves an activation by a whole step here and there."""

_PITCHES_HZ = (110.0, 210.0)


@dataclass(frozen=True)
class Comparison:
    """What a model answers here, beside what it has stored.

    Attributes
    ----------
    difference : float
        The largest of any probability.
    tolerance : float
        How large it may be.
    """

    difference: float
    tolerance: float

    @property
    def alike(self) -> bool:
        """Whether the stored answers are reproduced."""
        return self.difference <= self.tolerance


class Graph(Protocol):
    """A loaded graph: waveform in, outputs by name."""

    def run(self, waveforms: Floats) -> dict[str, Floats]:
        """Map waveforms [batch, samples] to the outputs of the graph, by name."""
        ...


def answers(graph: Graph, sample_rate: int) -> list[list[float]]:
    """Return the probabilities ``[sounds, classes]`` that an export stores."""
    found = graph.run(_sounds(sample_rate))["probabilities"]
    return [[round(float(value), DECIMALS) for value in row] for row in found]


def compare(graph: Graph, sample_rate: int, folder: Path) -> Comparison | None:
    """Compare a model with what its folder has stored; None where nothing is stored.

    Raises
    ------
    ModelError
        If ``parity.json`` is damaged.
    """
    path = folder / PARITY_FILE
    if not path.is_file():
        return None
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if KEY not in report:
            return None
        stored = np.array(report[KEY], dtype=np.float64)
        precision = str(report["precision"])  # weights alone are widened before they are used
        in_int8 = precision.startswith("int8") and precision != "int8-weights"
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} is damaged ({error}): export the model again") from None
    found = np.array(answers(graph, sample_rate))
    if stored.shape != found.shape:
        raise ModelError(f"{path} is of another model than the graph beside it")
    return Comparison(
        difference=float(np.abs(found - stored).max()),
        tolerance=INT8_TOLERANCE if in_int8 else TOLERANCE,
    )


def _sounds(sample_rate: int) -> Floats:
    """A second of harmonics with a moving pitch and a swell ``[sounds, samples]``.

    Without chance in it, so that every machine makes the same samples.
    """
    time = np.arange(sample_rate) / sample_rate
    rows = []
    for pitch_hz in _PITCHES_HZ:
        phase = 2 * np.pi * pitch_hz * time - 0.05 * pitch_hz * np.cos(2 * np.pi * 2 * time)
        voice = sum(np.sin(k * phase) / k for k in range(1, 12))
        rows.append(0.1 * voice * np.sin(np.pi * time))
    return np.asarray(rows, dtype=np.float32)
