"""Operators of ours in ONNX: what :mod:`torch.onnx` cannot write by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from onnxscript import opset18

import affekt.models.layers.recurrent  # noqa: F401  (defines the operator)

op: Any = opset18  # its types know tensors alone, not the exporter's values

# Where torch's gates go in ONNX: input, output, forget, cell; update, reset, new.
_GATES = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2)}


def _recurrent(x: Any, weights: Sequence[Any], cell: str) -> Any:
    """``affekt::recurrent`` as LSTM or GRU: ``[frames, batch, inputs]`` to both directions."""
    hidden = int(weights[1].shape[1])
    rows = [gate * hidden + row for gate in _GATES[cell] for row in range(hidden)]

    def both(part: int) -> Any:
        """One kind of weights of both directions ``[2, gates * hidden, ...]``."""
        ways = (op.Gather(weights[part + way], op.Constant(value_ints=rows)) for way in (0, 4))
        return op.Concat(*(op.Unsqueeze(w, op.Constant(value_ints=[0])) for w in ways), axis=0)

    inputs, state = both(0), both(1)
    biases = op.Concat(both(2), both(3), axis=1)
    settings: dict[str, Any] = {"hidden_size": hidden, "direction": "bidirectional"}
    if cell == "lstm":
        y = op.LSTM(x, inputs, state, biases, **settings)[0]
    else:
        y = op.GRU(x, inputs, state, biases, linear_before_reset=1, **settings)[0]
    y = op.Transpose(y, perm=[0, 2, 1, 3])  # [frames, batch, directions, hidden]
    return op.Reshape(y, op.Constant(value_ints=[0, 0, -1]))


TRANSLATIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    torch.ops.affekt.recurrent.default: _recurrent
}
"""By operator, what writes it."""
