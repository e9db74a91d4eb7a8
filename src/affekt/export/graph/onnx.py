"""The network as an ONNX file: waveform in, probabilities and embedding out."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnxscript import opset18

import affekt.models.layers.recurrent  # noqa: F401  (defines the operator)
from affekt.errors import ModelError
from affekt.export.graph.constants import compute_constants
from affekt.files import atomic_path
from affekt.models import Network
from affekt.models.encoders.pretrained import LARGEST_BYTES
from affekt.models.frontend import FrontendConfig
from affekt.runtime.bundle import METADATA_KEY
from affekt.runtime.session import open_session

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


OPSET = 18
"""Version of the ONNX operators: old enough for runtimes of 2023."""

PARITY_DURATIONS = (0.1, 0.5, 1.0, 3.0, 10.0)  # seconds
PARITY_BATCH_SIZES = (1, 2, 5)
PARITY_TOLERANCE = 1e-4  # of a probability


@dataclass(frozen=True)
class Parity:
    """How far an exported file is from the network it came from.

    Attributes
    ----------
    max_difference, mean_difference : float
        Of probabilities, over all lengths and batch sizes.
    label_agreement : float
        Share of the inputs that get the same label, from 0 to 1.
    durations : tuple of float
        Lengths tried, in seconds.
    batch_sizes : tuple of int
    """

    max_difference: float
    mean_difference: float
    label_agreement: float
    durations: tuple[float, ...]
    batch_sizes: tuple[int, ...]


def export_onnx(network: Network, path: Path, metadata: Mapping[str, Any]) -> None:
    """Write a network as ONNX with dynamic batch and length.

    Parameters
    ----------
    network : Network
    path : Path
        Replaced when the new file is complete.
    metadata : Mapping
        The model's ``config.json``, stored inside the file as well.

    Raises
    ------
    ModelError
        If the weights are more than a file can hold, or the network cannot be exported.
    """
    _check_size(network)
    frontend = network.config.frontend
    batch, samples = torch.export.Dim("batch"), torch.export.Dim("samples", min=400)
    waveform = Port("waveform", torch.zeros(2, frontend.sample_rate), {0: batch, 1: samples})
    export_module(network, [waveform], network.outputs, path, metadata, frontend)


@dataclass(frozen=True)
class Port:
    """An input of a graph: its name, an example, and its axes of free size."""

    name: str
    example: torch.Tensor
    free: Mapping[int, Any]


def export_module(
    module: torch.nn.Module,
    inputs: Sequence[Port],
    outputs: Sequence[str],
    path: Path,
    metadata: Mapping[str, Any],
    frontend: FrontendConfig,
) -> None:
    """Write a module as one ONNX file.

    Parameters
    ----------
    module : torch.nn.Module
    inputs : sequence of Port
    outputs : sequence of str
        Names of what it returns.
    path : Path
        Replaced when the new file is complete.
    metadata : Mapping
        The model's ``config.json``, stored inside the file as well.
    frontend : FrontendConfig
        Its large constants are worked out when the file is loaded.

    Raises
    ------
    ModelError
        If the module cannot be exported.
    """
    with _quiet(), atomic_path(path) as partial:
        program = torch.onnx.export(
            module.eval(),
            tuple(port.example for port in inputs),
            dynamo=True,
            input_names=[port.name for port in inputs],
            output_names=list(outputs),
            dynamic_shapes=tuple(dict(port.free) for port in inputs),
            opset_version=OPSET,
            custom_translation_table=TRANSLATIONS,
            verbose=False,
        )
        if program is None:
            raise ModelError("the network could not be exported to ONNX")
        _keep_names(program.model.graph)
        model = program.model_proto
        # Names of source lines and modules only make the file larger.
        for node in model.graph.node:
            del node.metadata_props[:]
        compute_constants(model, frontend)
        onnx.helper.set_model_props(
            model, {METADATA_KEY: json.dumps(metadata, separators=(",", ":"))}
        )
        onnx.save(model, partial)


def _check_size(network: Network) -> None:
    """Refuse more weights than one ONNX file holds, before anything is computed."""
    size = sum(value.numel() * value.element_size() for value in network.state_dict().values())
    if size > LARGEST_BYTES:
        raise ModelError(
            f"the network has {size / 2**30:.1f} GB of weights, and an ONNX file holds 2: "
            "make it smaller"
        )


def _keep_names(graph: Any) -> None:
    """Rename what inside a graph is called like one of its outputs, e.g. ``embedding``."""
    outputs = {value.name: value for value in graph.outputs}
    for node in graph:
        for value in node.outputs:
            if value.name in outputs and value is not outputs[value.name]:
                value.name = f"inner.{value.name}"


def check_parity(
    network: Network,
    path: Path,
    *,
    durations: Sequence[float] = PARITY_DURATIONS,
    batch_sizes: Sequence[int] = PARITY_BATCH_SIZES,
    tolerance: float = PARITY_TOLERANCE,
    seed: int = 0,
) -> Parity:
    """Run a network and its exported file on the same waveforms, at all lengths and batch sizes.

    Raises
    ------
    ModelError
        If any probability differs by more than ``tolerance``.
    """
    session = open_session(path, threads=1)
    rng = np.random.default_rng(seed)
    sample_rate = network.config.frontend.sample_rate
    differences, agreements = [], []
    for duration in durations:
        for batch_size in batch_sizes:
            shape = (batch_size, round(duration * sample_rate))
            waveform = voice_like(shape, sample_rate, rng)
            with torch.inference_mode():
                expected = network.eval()(torch.from_numpy(waveform))["probabilities"].numpy()
            (found,) = session.run(["probabilities"], {"waveform": waveform})
            differences.append(np.abs(found - expected).ravel())
            agreements.append(found.argmax(axis=1) == expected.argmax(axis=1))
    difference = np.concatenate(differences)
    if not difference.max() <= tolerance:
        raise ModelError(
            f"the exported graph differs from its network by {difference.max():.2g} "
            f"where {tolerance:g} is allowed: it must not be used"
        )
    return Parity(
        max_difference=float(difference.max()),
        mean_difference=float(difference.mean()),
        label_agreement=float(np.concatenate(agreements).mean()),
        durations=tuple(durations),
        batch_sizes=tuple(batch_sizes),
    )


def voice_like(shape: tuple[int, int], sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Harmonics with a moving pitch and some noise ``[batch, samples]``: no two rows alike."""
    time = np.arange(shape[1]) / sample_rate
    pitch_hz = rng.uniform(90, 300, (shape[0], 1)) * (1 + 0.1 * np.sin(2 * np.pi * 3 * time))
    phase = 2 * np.pi * np.cumsum(pitch_hz, axis=1) / sample_rate
    voice = sum(np.sin(k * phase) / k for k in range(1, 12))
    noise = rng.normal(0, 0.02, shape)
    return np.asarray(0.1 * voice + noise, dtype=np.float32)


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the exporter's own messages, which concern torch, not the model."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
