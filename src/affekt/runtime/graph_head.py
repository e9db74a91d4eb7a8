"""Give an ONNX graph another last layer, in its bytes.

The graphs of affekt name the tensor ``embedding``, and ``probabilities`` follows from it. Here the
operators that only ``probabilities`` needs are cut off, and those of a `Head` put in their place.
Protocol buffers are a list of numbered fields, so that this takes no further package. The numbers
of the fields are those of ``onnx.proto``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from affekt.errors import ModelError
from affekt.runtime.head import SMALLEST_DISTANCE, Head
from affekt.runtime.session import Floats

_GRAPH, _METADATA = 7, 14  # of a model
_NODE, _INITIALIZER, _INPUT, _OUTPUT, _VALUE = 1, 5, 11, 12, 13  # of a graph
_NODE_INPUT, _NODE_OUTPUT, _NODE_ATTRIBUTE = 1, 2, 5
_ATTRIBUTE_GRAPHS = (6, 11)
_TENSOR_NAME, _VALUE_NAME = 8, 1
_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5
_FLOAT, _INT_ATTRIBUTE = 1, 2
_PREFIX = "affekt.head."


class _Field(NamedTuple):
    number: int
    kind: int
    value: bytes
    """Without the length, where the kind is `_BYTES`."""


def with_head(model: bytes, head: Head, metadata: Mapping[str, str]) -> bytes:
    """Return a graph whose ``probabilities`` are those of a head for its ``embedding``.

    Parameters
    ----------
    model : bytes
        An ONNX file with the output ``probabilities``, and ``embedding`` somewhere before it.
    head : Head
    metadata : mapping of str to str
        What its metadata say from now on; other keys stay.

    Raises
    ------
    ModelError
        If the bytes are no such graph.
    """
    try:
        fields = list(_fields(model))
        graph = b"".join(one.value for one in fields if one.number == _GRAPH)
        made = _graph_with_head(list(_fields(graph)), head)
    except (IndexError, UnicodeDecodeError, ValueError):
        raise ModelError(
            "the graph is no ONNX file of affekt: fetch the model again, or export it again"
        ) from None
    others = [one for one in fields if one.number != _GRAPH]
    return set_metadata(_written([*others, _Field(_GRAPH, _BYTES, _written(made))]), metadata)


def _graph_with_head(graph: list[_Field], head: Head) -> list[_Field]:
    """Return the fields of a graph with other operators before ``probabilities``."""
    nodes = [_Node(one) for one in graph if one.number == _NODE]
    kept = _without(nodes, "probabilities", _names(graph, _OUTPUT, _VALUE_NAME))
    known = {name for node in kept for name in node.outputs}
    known.update(_names(graph, _INPUT, _VALUE_NAME))
    if len(kept) == len(nodes) or "embedding" not in known:
        raise ValueError("no probabilities, or no embedding")
    gone = {name for node in nodes if node not in kept for name in node.outputs}
    used = {name for node in kept for name in node.inputs}
    loose = {name for node in nodes if node not in kept for name in node.inputs} - used
    if any(node.has_graphs for node in kept):
        loose = set()  # a graph within a node may use them
    fields = []
    for one in graph:
        if one.number == _OUTPUT and _first_text(one.value, _VALUE_NAME) == "probabilities":
            one = _Field(_OUTPUT, _BYTES, _probabilities_port(len(head.bias)))
        elif (
            one.number == _NODE
            or (one.number == _VALUE and _first_text(one.value, _VALUE_NAME) in gone)
            or (one.number == _INITIALIZER and _first_text(one.value, _TENSOR_NAME) in loose)
        ):
            continue
        fields.append(one)
    operators, tensors = _head_operators(head)
    fields += [_Field(_INITIALIZER, _BYTES, _tensor(*named)) for named in tensors.items()]
    return [*fields, *(node.field for node in kept), *operators]


class _Node:
    """An operator of a graph."""

    def __init__(self, field: _Field) -> None:
        self.field = field
        parts = list(_fields(field.value))
        self.inputs = [one.value.decode() for one in parts if one.number == _NODE_INPUT]
        self.outputs = [one.value.decode() for one in parts if one.number == _NODE_OUTPUT]
        attributes = [one.value for one in parts if one.number == _NODE_ATTRIBUTE]
        self.has_graphs = any(
            part.number in _ATTRIBUTE_GRAPHS for value in attributes for part in _fields(value)
        )


def _without(nodes: Sequence[_Node], output: str, outputs: Iterable[str]) -> list[_Node]:
    """Return the operators that are needed where one output is not."""
    wanted = set(outputs) - {output} | {"embedding"}
    kept = list(nodes)
    pending = {output}
    while pending:
        gone = [
            node
            for node in kept
            if pending.intersection(node.outputs)
            and not wanted.intersection(node.outputs)
            and not any(set(node.outputs).intersection(other.inputs) for other in kept)
        ]
        kept = [node for node in kept if node not in gone]
        pending = {name for node in gone for name in node.inputs}
    return kept


def _head_operators(head: Head) -> tuple[list[_Field], dict[str, Floats]]:
    """Return operators from ``embedding`` to ``probabilities``, and the tensors they need."""
    tensors = {f"{_PREFIX}weights": head.weights.T, f"{_PREFIX}bias": head.bias}
    steps: list[tuple[str, list[str], str]] = [
        ("MatMul", ["embedding", f"{_PREFIX}weights"], "products"),
        ("Add", [f"{_PREFIX}products", f"{_PREFIX}bias"], "logits"),
    ]
    last = f"{_PREFIX}logits"
    if head.exponent:
        width = len(head.mean)
        tensors |= {
            f"{_PREFIX}share": np.full((width, 1), 1 / width),  # the mean, in every opset
            f"{_PREFIX}smallest": np.array([SMALLEST_DISTANCE]),
            f"{_PREFIX}exponent": np.array([head.exponent]),
        }
        steps += [
            ("Mul", ["embedding", "embedding"], "squares"),
            ("MatMul", [f"{_PREFIX}squares", f"{_PREFIX}share"], "distance"),
            ("Max", [f"{_PREFIX}distance", f"{_PREFIX}smallest"], "limited"),
            ("Pow", [f"{_PREFIX}limited", f"{_PREFIX}exponent"], "power"),
            ("Div", [last, f"{_PREFIX}power"], "divided"),
        ]
        last = f"{_PREFIX}divided"
    operators = [_operator(kind, inputs, _PREFIX + name) for kind, inputs, name in steps]
    return [*operators, _operator("Softmax", [last], "probabilities", axis=1)], tensors


# --- protocol buffers ---


def _fields(data: bytes) -> Iterator[_Field]:
    """Yield the fields of a message.

    Raises
    ------
    IndexError, ValueError
        If it is none.
    """
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            end = _varint(data, place)[1]
        elif kind == _BYTES:
            size, place = _varint(data, place)
            end = place + size
        elif kind in (_FIXED_64, _FIXED_32):
            end = place + (8 if kind == _FIXED_64 else 4)
        else:
            raise ValueError(f"an unknown kind of field: {kind}")
        if end > len(data):
            raise ValueError("a field ends beyond the message")
        yield _Field(number, kind, data[place:end])
        place = end


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """Return a number, and where it ends."""
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, place


def _number(value: int) -> bytes:
    """Return a number as it is written: seven bits a byte, the lowest first."""
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])


def _written(fields: Iterable[_Field]) -> bytes:
    parts = []
    for number, kind, value in fields:
        parts.append(_number(number << 3 | kind))
        if kind == _BYTES:
            parts.append(_number(len(value)))
        parts.append(value)
    return b"".join(parts)


def _text(number: int, text: str) -> _Field:
    return _Field(number, _BYTES, text.encode())


def _integer(number: int, value: int) -> _Field:
    return _Field(number, _VARINT, _number(value))


def _first_text(message: bytes, number: int) -> str:
    found = (one.value.decode() for one in _fields(message) if one.number == number)
    return next(found, "")


def _names(graph: Iterable[_Field], number: int, of_name: int) -> set[str]:
    return {_first_text(one.value, of_name) for one in graph if one.number == number}


def _entry(name: str, text: str) -> _Field:
    """Return one entry of the metadata."""
    return _Field(_METADATA, _BYTES, _written([_text(1, name), _text(2, text)]))


def _tensor(name: str, values: Floats) -> bytes:
    """Return constants of a graph."""
    raw = np.ascontiguousarray(values, dtype="<f4").tobytes()
    sizes = [_integer(1, size) for size in np.shape(values)]
    return _written(
        [*sizes, _integer(2, _FLOAT), _text(_TENSOR_NAME, name), _Field(9, _BYTES, raw)]
    )


def _operator(kind: str, inputs: Sequence[str], output: str, axis: int | None = None) -> _Field:
    fields = [*(_text(_NODE_INPUT, name) for name in inputs), _text(_NODE_OUTPUT, output)]
    fields += [_text(3, f"{_PREFIX}{kind}.{output}"), _text(4, kind)]
    if axis is not None:
        value = _written([_text(1, "axis"), _integer(3, axis), _integer(20, _INT_ATTRIBUTE)])
        fields.append(_Field(_NODE_ATTRIBUTE, _BYTES, value))
    return _Field(_NODE, _BYTES, _written(fields))


def _probabilities_port(classes: int) -> bytes:
    """Return the output ``probabilities`` with its type and shape."""
    batch, width = _written([_text(2, "batch")]), _written([_integer(1, classes)])
    shape = _written([_Field(1, _BYTES, batch), _Field(1, _BYTES, width)])
    tensor = _written([_integer(1, _FLOAT), _Field(2, _BYTES, shape)])
    kind = _written([_Field(1, _BYTES, tensor)])
    return _written([_text(_VALUE_NAME, "probabilities"), _Field(2, _BYTES, kind)])


def set_metadata(model: bytes, metadata: Mapping[str, str]) -> bytes:
    """Return an ONNX file whose metadata say something else; other keys stay.

    Raises
    ------
    ModelError
        If the bytes are no ONNX file.
    """
    try:
        kept = [
            one
            for one in _fields(model)
            if not (one.number == _METADATA and _first_text(one.value, 1) in metadata)
        ]
    except (IndexError, UnicodeDecodeError, ValueError):
        raise ModelError("the graph is no ONNX file: fetch the model again") from None
    return _written([*kept, *(_entry(name, text) for name, text in metadata.items())])
