"""Read a request of KServe's inference protocol, in a decoder process: JSON can be a bomb, too.

A few bytes of JSON become many of Python's objects, and parsing them holds Python's lock. Here
both cost a process that has limits. https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affekt.errors import AudioError

MAX_BATCH = 64  # waveforms in one request
MAX_SAMPLE = 4.0  # as affekt.audio refuses beyond it
MAX_BRACKETS = 4 * MAX_BATCH
"""Lists and objects in the JSON; a request as the protocol has it needs one for each waveform."""


def read_request(
    body: bytes | bytearray, json_size: int, max_samples: int
) -> tuple[str | None, NDArray[np.float32]]:
    """Return a request's id, and its waveforms as float32 [batch, samples].

    Parameters
    ----------
    body : bytes
        JSON, and behind it the tensor's bytes where the extension for binary tensors is used.
    json_size : int
        Bytes of JSON.
    max_samples : int
        Longest waveform.

    Raises
    ------
    AudioError
        If it is not as the protocol has it.
    """
    if body[:json_size].count(b"[") + body[:json_size].count(b"{") > MAX_BRACKETS:
        raise AudioError(f"the body has more than {MAX_BRACKETS} lists and objects")
    try:
        request = json.loads(body[:json_size])
    except (ValueError, RecursionError):
        raise AudioError("the body is not JSON") from None
    if not isinstance(request, dict):
        raise _no_request("expected an object")
    name, inputs = request.get("id"), request.get("inputs")
    if name is not None and not isinstance(name, str):
        raise _no_request("id: expected a string")
    if name is not None and any("\ud800" <= letter <= "\udfff" for letter in name):
        raise _no_request("id: half of a surrogate pair")
    if not isinstance(inputs, list):
        raise _no_request("inputs: expected a list")
    if len(inputs) != 1 or not isinstance(inputs[0], dict) or inputs[0].get("name") != "waveform":
        raise AudioError("expected one input, named 'waveform'")
    return name, _waveforms(inputs[0], memoryview(body)[json_size:], max_samples)


def _waveforms(tensor: dict[str, Any], raw: memoryview, max_samples: int) -> NDArray[np.float32]:
    if tensor.get("datatype") != "FP32":
        raise AudioError("'waveform' must be of datatype FP32")
    shape = tensor.get("shape")
    if (
        not isinstance(shape, list)
        or [type(size) for size in shape] != [int, int]
        or not (1 <= shape[0] <= MAX_BATCH and shape[1] >= 1)
    ):
        raise AudioError(f"'waveform' must have the shape [1 to {MAX_BATCH}, samples]")
    if shape[1] > max_samples:
        raise AudioError(f"'waveform' has more than {max_samples} samples; give shorter ones")
    values = _values(tensor, raw)
    if values.size != math.prod(shape):
        raise AudioError(f"'waveform' holds {values.size} values, its shape says otherwise")
    # NaN fails every comparison.
    if not (values.min() >= -MAX_SAMPLE and values.max() <= MAX_SAMPLE):
        raise AudioError("'waveform' must hold floats within [-1, 1]")
    return values.reshape(shape)


def _values(tensor: dict[str, Any], raw: memoryview) -> NDArray[np.float32]:
    parameters = tensor.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is not None:
        if type(size) is not int or size != len(raw) or len(raw) % 4 or "data" in tensor:
            raise AudioError(
                f"'waveform': {len(raw)} bytes follow the JSON, which says {str(size)[:20]}"
            )
        return np.frombuffer(raw, dtype="<f4").astype(np.float32)
    if len(raw):
        raise AudioError(f"{len(raw)} bytes follow the JSON, which tells of none")
    try:
        with np.errstate(over="ignore"):  # what becomes infinite is refused
            return np.array(tensor.get("data"), dtype=np.float32).ravel()
    except (ValueError, TypeError, OverflowError):
        raise AudioError("the data of 'waveform' are not numbers") from None


def _no_request(what: str) -> AudioError:
    return AudioError(f"the body is not an inference request: {what}")
