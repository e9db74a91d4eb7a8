"""``--to litert``: ``model.tflite`` for LiteRT (TensorFlow Lite), with a window of fixed length.

The converter pulls more than a gigabyte of packages and pins some of them, so it has an environment
of its own; what it writes runs with ``ai-edge-litert`` alone.
"""

from __future__ import annotations

import copy
import io
import json
import logging
import tempfile
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
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
from affekt.export.artefact import Artefact, ExportedGraph, ExportJob
from affekt.models import Network
from affekt.models.frontend import LogMel
from affekt.results import OUTPUTS
from affekt.runtime.bundle import CONFIG_FILE, LITERT_FILE, Bundle
from affekt.runtime.litert import fill_windows

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


def export(job: ExportJob, folder: Path) -> Artefact:
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
    (folder / LITERT_FILE).write_bytes(add_metadata(model, config, job.network.outputs))
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


def load(folder: Path, threads: int) -> ExportedGraph:
    """Load the file as ``affekt predict --backend litert`` does."""
    from affekt.runtime.litert import LiteRtBackend

    return LiteRtBackend(Bundle(folder / LITERT_FILE, None), threads=threads)


class _WithNames(nn.Module):
    """The network under an attribute, so that the converter's names tell its parts apart."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, waveform: Tensor) -> tuple[Tensor, ...]:
        """The values of :meth:`Network.forward`, which the converter numbers."""
        return tuple(self.network(waveform).values())


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
    """Suppress the converter's own messages."""
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


# --- metadata ---


LABELS_FILE = "labels.txt"
_DESCRIPTIONS = {
    "probabilities": "calibrated",
    "embedding": "the pooled representation",
    **{name: info.text for name, info in OUTPUTS.items()},
}
"""By output of a network."""
_NAME = "TFLITE_METADATA"
_AUDIO_PROPERTIES = 4  # in the union ContentProperties
_NORMALISATION = 1  # in the union ProcessUnitOptions
_AXIS_LABELS = 2  # in the enumeration AssociatedFileType
_DATE = (1980, 1, 1, 0, 0, 0)  # the same model gives the same bytes


def add_metadata(model: bytes, config: Mapping[str, Any], outputs: Sequence[str]) -> bytes:
    """Return a TFLite model with metadata and, behind it, its labels and configuration.

    Parameters
    ----------
    model : bytes
        With the outputs of :meth:`affekt.models.Network.forward`.
    config : mapping
        The model's ``config.json``.
    outputs : sequence of str
        Names of the outputs, in the order of the network's.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    root = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    for buffer in root.buffers:
        if buffer.offset > 1:  # the quantizer lays weights behind the flatbuffer
            data = model[buffer.offset : buffer.offset + buffer.size]
            buffer.data, buffer.offset, buffer.size = np.frombuffer(data, np.uint8), 0, 0
    _name_ports(root, outputs)
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(_metadata(config, outputs), np.uint8)
    root.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name, entry.buffer = _NAME.encode(), len(root.buffers) - 1
    root.metadata = [*(root.metadata or ()), entry]
    builder = flatbuffers.Builder(len(model) + 65536)
    builder.Finish(root.Pack(builder), b"TFL3")
    return bytes(builder.Output()) + _archive(config)


def _name_ports(root: Any, outputs: Sequence[str]) -> None:
    """Call the ports what they are; the converter numbers them, in an order of its own."""
    graph, (signature,) = root.subgraphs[0], root.signatureDefs
    indices = {bytes(port.name): port.tensorIndex for port in signature.outputs}
    order = [indices[b"output_%d" % place] for place in range(len(outputs))]
    graph.outputs = order
    for index, name in zip([*graph.inputs, *order], ["waveform", *outputs], strict=True):
        graph.tensors[index].name = name.encode()


def _archive(config: Mapping[str, Any]) -> bytes:
    files = {
        LABELS_FILE: "\n".join(config["id2label"].values()) + "\n",
        CONFIG_FILE: json.dumps(config, ensure_ascii=False),
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, text in files.items():
            # Stored, not packed: MediaPipe reads them where they lie.
            archive.writestr(zipfile.ZipInfo(name, _DATE), text, zipfile.ZIP_STORED)
    return stream.getvalue()


def _metadata(config: Mapping[str, Any], outputs: Sequence[str]) -> bytes:
    """The flatbuffer ``ModelMetadata``; numbers are the places of fields in its schema."""
    import flatbuffers

    build = _Tables(flatbuffers.Builder(1024))
    audio = build.table(2, {0: ("uint32", config["sample_rate"]), 1: ("uint32", 1)})
    content = build.table(3, {0: ("uint8", _AUDIO_PROPERTIES), 1: ("table", audio)})
    labels = build.table(5, {0: ("table", build.text(LABELS_FILE)), 2: ("int8", _AXIS_LABELS)})
    # From -1 to 1, used as they are: no offset, no scale.
    as_they_are = build.table(2, {0: ("table", build.floats(0.0)), 1: ("table", build.floats(1.0))})
    unit = build.table(2, {0: ("uint8", _NORMALISATION), 1: ("table", as_they_are)})
    range_ = build.table(2, {0: ("table", build.floats(1.0)), 1: ("table", build.floats(-1.0))})
    description = "float32 samples from -1 to 1, mono"
    slots = {3: content, 4: build.vector([unit]), 5: range_}
    waveform = build.tensor("waveform", description, slots)
    files = {"probabilities": {6: build.vector([labels])}}
    answers = [build.tensor(name, _DESCRIPTIONS[name], files.get(name, {})) for name in outputs]
    graph = build.table(
        9,
        {
            2: ("table", build.vector([waveform])),
            3: ("table", build.vector(answers)),
        },
    )
    model = build.table(
        8,
        {
            0: ("table", build.text(config["name"])),
            1: ("table", build.text("Speech emotion, by affekt")),
            3: ("table", build.vector([graph])),
            5: ("table", build.text(config.get("licence") or "not stated")),
            7: ("table", build.text("1.3.0")),  # the first parser with audio
        },
    )
    build.builder.Finish(model, b"M001")
    return bytes(build.builder.Output())


class _Tables:
    """Short hand for flatbuffers without generated classes."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder

    def text(self, value: str) -> int:
        return int(self.builder.CreateString(value))

    def vector(self, offsets: Sequence[int]) -> int:
        self.builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.builder.PrependUOffsetTRelative(offset)
        return int(self.builder.EndVector())

    def table(self, size: int, slots: Mapping[int, tuple[str, int]]) -> int:
        self.builder.StartObject(size)
        put = {
            "table": self.builder.PrependUOffsetTRelativeSlot,
            "uint32": self.builder.PrependUint32Slot,
            "uint8": self.builder.PrependUint8Slot,
            "int8": self.builder.PrependInt8Slot,
        }
        for slot, (kind, value) in slots.items():
            put[kind](slot, value, 0)
        return int(self.builder.EndObject())

    def floats(self, *values: float) -> int:
        self.builder.StartVector(4, len(values), 4)
        for value in reversed(values):
            self.builder.PrependFloat32(value)
        return int(self.builder.EndVector())

    def tensor(self, name: str, description: str, tables: Mapping[int, int]) -> int:
        named = {0: self.text(name), 1: self.text(description), **tables}
        return self.table(7, {slot: ("table", offset) for slot, offset in named.items()})
