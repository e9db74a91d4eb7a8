"""What a target of ``affekt export`` is given, and what it has written."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from affekt.models import Network

Floats = npt.NDArray[np.float32]

PRECISIONS = ("fp32", "fp16", "int8", "int8-weights", "int8-dynamic", "int8-static")


class ExportedGraph(Protocol):
    """A loaded graph."""

    def run(self, waveforms: Floats) -> dict[str, Floats]:
        """Map waveforms [batch, samples] to the outputs of the graph, by name."""
        ...


@dataclass(frozen=True)
class ExportJob:
    """One model to write for one target.

    Attributes
    ----------
    network : Network
        In evaluation mode.
    config : mapping
        Its ``config.json``.
    precision : str
        One of ``PRECISIONS``.
    calibration : sequence of np.ndarray [shape=(samples,)]
        Recordings at the model's rate; empty unless the precision needs them.
    window : float
        Seconds of the window, for targets that fix it.
    """

    network: Network
    config: Mapping[str, Any]
    precision: str = "fp32"
    calibration: Sequence[Floats] = ()
    window: float = 3.0


@dataclass(frozen=True)
class Artefact:
    """What a target has written.

    Attributes
    ----------
    graph : str
        Name of the file that holds the network.
    load : callable or None
        Loads the graph from a folder, on so many threads. None where it cannot run here; then
        ``not_run`` says why.
    runtime : str
        Name and version of what ran it.
    window : int or None
        Samples that the graph takes, None if any.
    clock : callable
        Seconds that it is timed with: of the processor, so that other programs do not count.
    """

    graph: str
    load: Callable[[Path, int], ExportedGraph] | None = None
    runtime: str = ""
    window: int | None = None
    not_run: str = ""
    clock: Callable[[], float] = time.process_time
    metadata: Mapping[str, Any] = field(default_factory=dict)
