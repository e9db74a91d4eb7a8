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

    def count(self, stop: int) -> str:
        """0, 1, 2 ... as int64 ``[stop]``."""
        limits = (np.array(value, dtype=np.int64) for value in (0, stop, 1))
        return self.node("Range", *(self.constant(limit) for limit in limits))


def _cosines(part: _Part, config: FrontendConfig, shape: tuple[int, ...]) -> None:
    _waves(part, config, shape, "Cos")


def _sines(part: _Part, config: FrontendConfig, shape: tuple[int, ...]) -> None:
    _waves(part, config, shape, "Sin")


def _waves(
    part: _Part,
    config: FrontendConfig,
    shape: tuple[int, ...],
    wave: str,
) -> None:
    """``[bins, window / 2]``: bin and time say which of the ``n_fft`` angles it is."""
    bins, times = shape
    n_fft = config.n_fft
    # In double precision: angles up to 2 pi have too few digits in float32.
    step = part.constant(np.array(2 * np.pi / n_fft))
    circle = part.node("Cast", part.count(n_fft), to=onnx.TensorProto.DOUBLE)
    waves = part.node(wave, part.node("Mul", circle, step))
    table = part.node("Cast", waves, to=onnx.TensorProto.FLOAT)  # [n_fft]
    taper = hann(config.window)[times:].astype(np.float32)
    taper[0] /= 2  # the middle of the frame is on both sides
    column = part.node("Reshape", part.count(bins), part.constant(np.array([-1, 1])))
    place = part.node("Mul", column, part.count(times))  # [bins, window / 2]
    place = part.node("Mod", place, part.constant(np.array(n_fft)))
    part.node("Mul", part.node("Gather", table, place), part.constant(taper), last=True)


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
