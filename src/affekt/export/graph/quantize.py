"""Smaller numbers in an ONNX graph: float16 or int8 weights, and int8 calibrated on recordings.

The frontend stays float32 in both: a power spectrum spans more decades than either can hold.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from affekt.errors import ModelError
from affekt.export.graph.constants import compute_constants
from affekt.models.frontend import FrontendConfig

Floats = npt.NDArray[np.float32]

QUANTISED = ("Conv", "Gemm", "MatMul", "Relu", "Add")
"""Operators that int8 takes over inside the encoder. Norms and softmax are not among them."""

_WEIGHTS = ("encoder.", "head.")  # how the names of the network's weights begin
_NOT_LEARNED = (".cosine_basis", ".sine_basis", ".filters")  # of a log-mel inside the encoder
_SMALLEST = 64  # numbers; shorter constants are not worth a node of their own
_SMALLEST_MATRIX = 4096  # numbers; of smaller ones, scales and nodes would weigh too much
_LARGEST_INT8 = 127


def to_float16(source: Path, target: Path) -> None:
    """Store the weights as float16; every runtime makes them float32 while it loads the graph.

    Half the size, the speed and the operators of float32: nothing is computed in half precision,
    which few processors can do. Where one can, TensorRT chooses it when it builds its engine.

    Parameters
    ----------
    source, target : Path
        ONNX files.
    """
    model = onnx.load(source)
    casts = []
    for item in model.graph.initializer:
        large = np.prod(item.dims) >= _SMALLEST
        learned = item.name.startswith(_WEIGHTS) and not item.name.endswith(_NOT_LEARNED)
        if item.data_type != TensorProto.FLOAT or not learned or not large:
            continue
        name = item.name
        half = numpy_helper.to_array(item).astype(np.float16)
        item.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
        casts.append(helper.make_node("Cast", [item.name], [name], name, to=TensorProto.FLOAT))
    for node in reversed(casts):
        model.graph.node.insert(0, node)
    onnx.save(model, target)


def to_int8_weights(source: Path, target: Path) -> None:
    """Store the weights as int8, one scale a row; every runtime makes them float32 while it loads.

    A quarter of the size, the speed and the operators of float32. Activations stay as they are,
    so encoders whose activations have outliers, as those of Whisper, keep their answers, and all
    processors give the same ones.

    Parameters
    ----------
    source, target : Path
        ONNX files.
    """
    model = onnx.load(source)
    # By their use: the exporter turns matrices round, and then they have names of its own.
    weights = {name for node in model.graph.node for name in _weights_of(node)}
    nodes = []
    for item in list(model.graph.initializer):
        matrix = len(item.dims) > 1 and np.prod(item.dims) >= _SMALLEST_MATRIX
        constant = item.name.startswith("frontend.") or item.name.endswith(_NOT_LEARNED)
        used = item.name in weights and item.data_type == TensorProto.FLOAT
        if not used or constant or not matrix:
            continue
        name, values = item.name, numpy_helper.to_array(item)
        axis = int(np.argmax(values.shape))  # the longest has the fewest numbers to each scale
        others = tuple(other for other in range(values.ndim) if other != axis)
        scale = np.abs(values).max(axis=others, keepdims=True) / _LARGEST_INT8
        scale = np.maximum(scale, np.finfo(np.float32).tiny).astype(np.float32)
        small = np.round(values / scale).astype(np.int8)
        item.CopyFrom(numpy_helper.from_array(small, f"{name}.int8"))
        model.graph.initializer.append(numpy_helper.from_array(scale, f"{name}.scale"))
        wide = f"{name}.wide"
        nodes.append(helper.make_node("Cast", [f"{name}.int8"], [wide], wide, to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Mul", [wide, f"{name}.scale"], [name], name))
    for node in reversed(nodes):
        model.graph.node.insert(0, node)
    onnx.save(model, target)


def _weights_of(node: onnx.NodeProto) -> list[str]:
    """Names of what a node may use as weights."""
    if node.op_type in ("MatMul", "Gemm", "Conv"):
        return [node.input[1]]
    return [node.input[0]] if node.op_type == "Gather" else []


def to_int8(
    source: Path, target: Path, frontend: FrontendConfig, waveforms: Sequence[Floats]
) -> None:
    """Quantise the encoder statically, weights per channel; everything else stays float32.

    Weights get 7 of the 8 bits. On x86 without VNNI, ONNX Runtime adds two products of an
    activation and a weight in 16 bits, which hold 2 * 255 * 64 and not 2 * 255 * 128: with 8 bits
    the sums saturate there, and the answers differ from those of other processors.

    Parameters
    ----------
    source, target : Path
        ONNX files.
    frontend : FrontendConfig
        Of the network.
    waveforms : sequence of np.ndarray [shape=(samples,)]
        Recordings that the ranges of the activations are measured on.

    Raises
    ------
    ModelError
        If there is nothing to measure on, or the graph has no layer that can be quantised.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    if not waveforms:
        raise ModelError("int8 needs recordings to measure the range of the activations on")
    model = onnx.load(source)
    stored = {item.name for item in model.graph.initializer}
    nodes = [
        node.name
        for node in _encoder_nodes(model)
        # Not the products of attention: what it computes from itself has no range to be measured.
        if node.op_type in QUANTISED
        and (node.op_type != "MatMul" or not stored.isdisjoint(node.input))
    ]
    if not nodes:
        raise ModelError("the graph has no layer that int8 could be used for: export it as float32")
    # The tool leaves files of its own behind, and reads the graph several times.
    with tempfile.TemporaryDirectory() as folder, _quiet_tool():
        result = Path(folder) / "int8.onnx"
        quantize_static(
            source,
            result,
            _Reader(waveforms),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            reduce_range=True,
            nodes_to_quantize=nodes,
        )
        quantised = onnx.load(result)
    _tidy(quantised, model, frontend)
    onnx.save(quantised, target)


def _encoder_nodes(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The nodes from the first that uses weights of the encoder to the last one."""
    weights = {
        item.name
        for item in model.graph.initializer
        if item.name.startswith("encoder.") and not item.name.endswith(_NOT_LEARNED)
    }
    uses = [bool(weights.intersection(node.input)) for node in model.graph.node]
    if not any(uses):
        return []
    first, last = uses.index(True), len(uses) - uses[::-1].index(True)
    return list(model.graph.node)[first:last]


def _tidy(model: onnx.ModelProto, source: onnx.ModelProto, frontend: FrontendConfig) -> None:
    """Undo what the tool adds: stored constants, inferred shapes, its own metadata."""
    del model.graph.value_info[:]
    del model.metadata_props[:]
    model.metadata_props.extend(source.metadata_props)
    compute_constants(model, frontend)
    _shorten_names(model)


def _shorten_names(model: onnx.ModelProto) -> None:
    """Number everything inside: names would be a fifth of a small network in int8."""
    graph = model.graph
    ports = {port.name for port in (*graph.input, *graph.output)}
    short: dict[str, str] = {"": "", **{name: name for name in ports}}
    for item in graph.initializer:
        item.name = short.setdefault(item.name, f"{len(short):x}")
    for node in graph.node:
        node.name = ""
        for names in (node.input, node.output):
            names[:] = [short.setdefault(name, f"{len(short):x}") for name in names]


class _Reader:
    """Hands the recordings to the calibration, one by one."""

    def __init__(self, waveforms: Sequence[Floats]) -> None:
        self._remaining = iter(waveforms)

    def get_next(self) -> dict[str, Any] | None:
        waveform = next(self._remaining, None)
        return None if waveform is None else {"waveform": waveform[None]}


@contextmanager
def _quiet_tool() -> Iterator[None]:
    """Suppress advice to optimise the graph first: its norms are folded already."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(before)
