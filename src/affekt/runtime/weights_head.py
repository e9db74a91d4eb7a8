"""Give the weights of a network another last layer, in the bytes of ``model.safetensors``.

So an adapted model can be exported as any other. A safetensors file is the length of its header,
the header in JSON, and the numbers.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from affekt.runtime.head import Head
from affekt.runtime.session import Floats

_FACTS = "affekt"
_NORM, _LAYER = "head.0.", "head.2."
_EPSILON = 1e-5  # of the normalisation before the layer


def weights_with_head(content: bytes, head: Head, config: str) -> bytes | None:
    """Return the weights of a network whose last layer is a head.

    Parameters
    ----------
    content : bytes
        ``model.safetensors``.
    head : Head
        Calibrated: the temperature becomes 1.
    config : str
        ``config.json`` of the new model.

    Returns
    -------
    bytes or None
        None where the network ends in something else than a normalisation and a linear layer.
    """
    try:
        length = int.from_bytes(content[:8], "little")
        header: dict[str, Any] = json.loads(content[8 : 8 + length])
        data = content[8 + length :]
        norm = {
            name: _values(header[_NORM + name], data)
            for name in ("weight", "bias", "running_mean", "running_var")
        }
        del header[_LAYER + "weight"], header[_LAYER + "bias"], header["temperature"]
    except (KeyError, TypeError, ValueError):
        return None
    gain = norm["weight"] / np.sqrt(norm["running_var"] + _EPSILON)
    if any(name.startswith("head.3") for name in header) or np.abs(gain).min(initial=1) < 1e-9:
        return None
    weights = head.weights / gain
    bias = head.bias + head.weights @ norm["running_mean"] - weights @ norm["bias"]
    header.pop("__metadata__", None)
    made: dict[str, Any] = {"__metadata__": {_FACTS: config}}
    parts, place = [], 0
    new = {
        _LAYER + "weight": weights,
        _LAYER + "bias": bias,
        "temperature": np.ones((), dtype=np.float32),
    }
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        parts.append(data[first:last])
        made[name] = {**entry, "data_offsets": [place, place + last - first]}
        place += last - first
    for name, values in new.items():
        raw = np.ascontiguousarray(values, dtype="<f4").tobytes()
        parts.append(raw)
        offsets = [place, place + len(raw)]
        made[name] = {"dtype": "F32", "shape": list(np.shape(values)), "data_offsets": offsets}
        place += len(raw)
    text = json.dumps(made).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def _values(entry: dict[str, Any], data: bytes) -> Floats:
    """Return the numbers of a tensor.

    Raises
    ------
    ValueError
        If they are no float32.
    """
    if entry["dtype"] != "F32":
        raise ValueError(entry["dtype"])
    first, last = entry["data_offsets"]
    return np.asarray(np.frombuffer(data[first:last], "<f4").reshape(entry["shape"]))
