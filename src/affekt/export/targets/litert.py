"""``--to litert``: ``model.tflite`` for LiteRT (TensorFlow Lite), with a window of fixed length.

The converter pulls more than a gigabyte of packages and pins some of them, so it has an environment
of its own; what it writes runs with ``ai-edge-litert`` alone.
"""

from __future__ import annotations

import copy
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from affekt.errors import AffektError, ModelError
from affekt.export.targets.litert_metadata import add_metadata
from affekt.export.targets.registry import Artefact, Job, Run
from affekt.models import Network
from affekt.models.frontend import LogMel
from affekt.runtime.bundle import LITERT_FILE, Bundle
from affekt.runtime.streaming.windows import fill_windows

Floats = npt.NDArray[np.float32]

_ENCODER = ".*_encoder.*"  # how the converter names what comes from the encoder
_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


class MissingConverterError(AffektError):
    """The packages that convert to LiteRT are not installed here."""

    def __init__(self, package: str) -> None:
        super().__init__(
            f"--to litert needs {package}, whose packages want an environment of their own: "
            "python -m venv .venv-litert && .venv-litert/bin/pip install 'affekt[train,litert]', "
            "then .venv-litert/bin/affekt export ... (in a checkout: make litert)"
        )


def export(job: Job, folder: Path) -> Artefact:
    """Write ``model.tflite``.

    Raises
    ------
    MissingConverterError
        If the converter is not installed.
    ModelError
        If the architecture cannot be converted.
    """
    window = round(job.window * job.config["sample_rate"])
    model = convert(job.network, window)
    if job.precision != "fp32":
        model = smaller(model, job.precision, job.calibration)
    config = {**job.config, "precision": job.precision, "window": window}
    (folder / LITERT_FILE).write_bytes(add_metadata(model, config))
    (folder / "labels.txt").write_text("\n".join(job.network.config.labels) + "\n", "utf-8")
    runtime = f"ai-edge-litert {version('ai-edge-litert')}"
    return Artefact(LITERT_FILE, load, runtime, window=window)


def convert(network: Network, window: int) -> bytes:
    """Return a network as a TFLite model in float32 that takes so many samples.

    Raises
    ------
    MissingConverterError
        If the converter is not installed.
    ModelError
        If the architecture cannot be converted.
    """
    architecture, refusal = network.config.architecture, network.encoder.litert_refusal
    if refusal:
        raise ModelError(
            f"{architecture!r} cannot be converted to LiteRT: {refusal}. Take --to onnx, which "
            "also runs on phones, or another architecture"
        )
    converter = _needed("litert_torch")
    with _quiet(), tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / LITERT_FILE
        try:
            edge = converter.convert(_convertible(network), (torch.zeros(1, window),))
        except Exception as error:  # noqa: BLE001  (its many layers raise errors of many kinds)
            reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
            raise ModelError(
                f"the architecture {architecture!r} cannot be converted to LiteRT "
                f"({reason}): take --to onnx, which also runs on phones"
            ) from None
        edge.export(str(path))
        return path.read_bytes()


def load(folder: Path, threads: int) -> Run:
    """Load the file as ``affekt predict --backend litert`` does."""
    from affekt.runtime.litert import LiteRtBackend

    return LiteRtBackend(Bundle(folder / LITERT_FILE, None), threads=threads)


class _WithNames(nn.Module):
    """The network under an attribute, so that the converter's names tell its parts apart."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, waveform: Tensor) -> tuple[Tensor, ...]:
        """As :meth:`Network.forward`."""
        answers: tuple[Tensor, ...] = self.network(waveform)
        return answers


def _convertible(network: Network) -> nn.Module:
    """A copy in the form that converts well: framed spectrum, and plain memory layout.

    The converter reads weights in the order in which they lie in memory: channels-last ones would
    be taken for others, without a word.
    """
    changed = copy.deepcopy(network).eval()
    if isinstance(changed.frontend, LogMel):
        changed.frontend.use_whole_basis()
    changed.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return _WithNames(changed).eval()


def smaller(model: bytes, precision: str, recordings: Sequence[Floats] = ()) -> bytes:
    """Return a float32 model with smaller numbers; docs/export.md says what each scheme leaves.

    Parameters
    ----------
    model : bytes
    precision : str
        ``"fp16"``, ``"int8"`` (weights alone), ``"int8-dynamic"`` or ``"int8-static"``.
    recordings : sequence of np.ndarray [shape=(samples,)]
        For ``"int8-static"``: what the ranges of the activations are measured on.

    Raises
    ------
    ModelError
        If the scheme does not know one of the network's operators.
    """
    module = _needed("ai_edge_quantizer")
    types = module.qtyping
    quantizer = module.Quantizer(model)
    operators = {name: types.TFLOperationName[name] for name in (*_WEIGHTED, "ADD")}
    ranges = None
    for name in _WEIGHTED:
        if precision == "fp16":
            half = types.TensorQuantizationConfig(num_bits=16, dtype=types.TensorDataType.FLOAT)
            config = types.OpQuantizationConfig(
                weight_tensor_config=half,
                compute_precision=types.ComputePrecision.FLOAT,
                explicit_dequantize=True,
            )
            quantizer.update_quantization_recipe(".*", operators[name], config, "float_casting")
        else:
            quantizer.add_weight_only_config(".*", operators[name], num_bits=8)
    if precision == "int8-dynamic":
        quantizer.add_dynamic_config(_ENCODER, operators["CONV_2D"], num_bits=8)
    if precision == "int8-static":
        for name in ("CONV_2D", "DEPTHWISE_CONV_2D", "ADD"):
            quantizer.add_static_config(
                _ENCODER, operators[name], activation_num_bits=8, weight_num_bits=8
            )
        with _quiet():
            ranges = quantizer.calibrate(_inputs(model, recordings))
    try:
        with _quiet():
            done = quantizer.quantize(ranges, enable_progress_report=False)
    except ValueError as error:  # an operator that the quantizer does not know
        reason = (str(error).splitlines() or ["no reason given"])[0][:160]
        raise ModelError(
            f"this network cannot be quantised as {precision} ({reason}): take int8"
        ) from None
    return bytes(done.quantized_model)


def _inputs(model: bytes, recordings: Sequence[Floats]) -> dict[str, list[dict[str, Floats]]]:
    """The first window of each recording, under the names that the model gives its input."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=model)
    window = int(interpreter.get_input_details()[0]["shape"][1])
    ((name, ports),) = interpreter.get_signature_list().items()
    (port,) = ports["inputs"]
    return {name: [{port: fill_windows(one[None], window)[0, :1]} for one in recordings]}


def _needed(package: str) -> Any:
    try:
        with _quiet():
            return import_module(package)
    except ImportError:
        raise MissingConverterError(package) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back the converter's own chatter."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(),
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
