"""Constants of the frontend that a graph works out when it is loaded, so that no file stores them.

The Fourier basis and the mel filters of the default frontend weigh 0.7 MB: more than a whole small
network. Both follow from a few hundred numbers. Runtimes fold what depends on constants alone while
they load a graph, so it runs as fast as with the stored arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from affekt.audio.mel import mel_edges
from affekt.models.frontend import FrontendConfig
from affekt.models.frontend.log_mel import hann

COSINES, SINES = "frontend.cosine_basis", "frontend.sine_basis"
FILTERS = "frontend.filters"


def compute_constants(model: onnx.ModelProto, config: FrontendConfig) -> None:
    """Put short computations in the place of the frontend's large constants, in place.

    Parameters
    ----------
    model : onnx.ModelProto
        With initialisers of the names above, or without: what is not there is passed over.
    config : FrontendConfig
        That they follow from.
    """
    makers = {COSINES: _cosines, SINES: _sines, FILTERS: _filters}
    stored = {item.name: item for item in model.graph.initializer if item.name in makers}
    for name, item in stored.items():
        model.graph.initializer.remove(item)
        part = _Part(name)
        makers[name](part, config, tuple(item.dims))
        model.graph.initializer.extend(part.constants)
        for node in reversed(part.nodes):
            model.graph.node.insert(0, node)


class _Part:
    """Nodes and small constants that make one large constant."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: np.ndarray) -> str:
        name = f"{self.name}.{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def node(self, operator: str, *inputs: str, last: bool = False, **attributes: Any) -> str:
        output = self.name if last else f"{self.name}:{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], output, **attributes))
        return output

    def integer(self, value: int | list[int]) -> str:
        return self.constant(np.array(value, dtype=np.int64))

    def count(self, stop: int, step: int = 1) -> str:
        """Multiples of ``step`` from 0, as int64 ``[stop / step]``."""
        return self.node("Range", *(self.integer(limit) for limit in (0, stop, step)))


def _cosines(part: _Part, config: FrontendConfig, shape: tuple[int, ...]) -> None:
    _waves(part, config, shape, quarters=0)


def _sines(part: _Part, config: FrontendConfig, shape: tuple[int, ...]) -> None:
    _waves(part, config, shape, quarters=3)


def _waves(part: _Part, config: FrontendConfig, shape: tuple[int, ...], quarters: int) -> None:
    """``[bins, window / 2]``: sines of ``2 pi bin time / n_fft``, shifted by quarter turns.

    Angles up to the many turns of the last bin have too few digits in float32, and few runtimes
    have a cosine in float64. Integers are exact: an angle is counted in steps of which a turn has
    ``4 n_fft``, and is folded to the quarter turn on either side of 0 that has the same sine.
    """
    bins, times = shape
    turn = 4 * config.n_fft  # steps
    taper = hann(config.window)[times:].astype(np.float32)
    taper[0] /= 2  # the middle of the frame is on both sides
    column = part.node("Reshape", part.count(4 * bins, 4), part.integer([-1, 1]))
    angle = part.node("Mul", column, part.count(times))  # [bins, window / 2]
    if quarters:
        angle = part.node("Add", angle, part.integer(quarters * config.n_fft))
    angle = part.node("Mod", angle, part.integer(turn))
    # A triangle with the period and the signs of the sine: from -turn / 4 to turn / 4.
    angle = part.node("Abs", part.node("Sub", angle, part.integer(turn // 2)))
    angle = part.node("Sub", angle, part.integer(turn // 4))
    step = part.constant(np.array(2 * np.pi / turn, dtype=np.float32))
    angle = part.node("Mul", part.node("Cast", angle, to=onnx.TensorProto.FLOAT), step)
    part.node("Mul", part.node("Sin", angle), part.constant(taper), last=True)


def _filters(part: _Part, config: FrontendConfig, shape: tuple[int, ...]) -> None:
    """``[mels, bins, 1]``: triangles from their corners."""
    edges = mel_edges(config.n_mels, config.f_min, config.f_max)
    lower, centre, upper = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    area = 2.0 / (upper - lower)
    bin_hz = np.array(config.sample_rate / config.n_fft, dtype=np.float32)
    hz = part.node(
        "Mul",
        part.node("Cast", part.count(config.n_fft // 2 + 1), to=onnx.TensorProto.FLOAT),
        part.constant(bin_hz),
    )
    lower_hz, upper_hz, rise, fall = (
        part.constant(value.astype(np.float32))
        for value in (lower, upper, area / (centre - lower), area / (upper - centre))
    )
    rising = part.node("Mul", part.node("Sub", hz, lower_hz), rise)
    falling = part.node("Mul", part.node("Sub", upper_hz, hz), fall)
    triangles = part.node("Relu", part.node("Min", rising, falling))
    part.node("Reshape", triangles, part.constant(np.array(shape)), last=True)
