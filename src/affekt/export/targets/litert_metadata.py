"""TensorFlow Lite's standard metadata: what MediaPipe's audio classifier, and affekt, read.

The metadata is a flatbuffer of its own inside the model (schema ``metadata_schema.fbs``, identifier
``M001``); the files it names lie in a zip archive behind the model's last byte.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from affekt.runtime.bundle import CONFIG_FILE

LABELS_FILE = "labels.txt"
OUTPUTS = {
    "probabilities": "calibrated",
    "embedding": "the pooled representation",
    "intensity": "how strongly the emotion is shown, from 0 to 1",
}
"""In the order of the network's; the last only of networks that say it."""
_NAME = "TFLITE_METADATA"
_AUDIO_PROPERTIES = 4  # in the union ContentProperties
_NORMALISATION = 1  # in the union ProcessUnitOptions
_AXIS_LABELS = 2  # in the enumeration AssociatedFileType
_DATE = (1980, 1, 1, 0, 0, 0)  # the same model gives the same bytes


def add_metadata(model: bytes, config: Mapping[str, Any]) -> bytes:
    """Return a TFLite model with metadata and, behind it, its labels and configuration.

    Parameters
    ----------
    model : bytes
        With the outputs of :meth:`affekt.models.Network.forward`.
    config : mapping
        The model's ``config.json``.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    root = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    for buffer in root.buffers:
        if buffer.offset > 1:  # the quantizer lays weights behind the flatbuffer
            data = model[buffer.offset : buffer.offset + buffer.size]
            buffer.data, buffer.offset, buffer.size = np.frombuffer(data, np.uint8), 0, 0
    names = _name_ports(root)
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(_metadata(config, names), np.uint8)
    root.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name, entry.buffer = _NAME.encode(), len(root.buffers) - 1
    root.metadata = [*(root.metadata or ()), entry]
    builder = flatbuffers.Builder(len(model) + 65536)
    builder.Finish(root.Pack(builder), b"TFL3")
    return bytes(builder.Output()) + _archive(config)


def _name_ports(root: Any) -> list[str]:
    """Call the ports what they are; the converter numbers them, in an order of its own.

    Returns the names of the outputs.
    """
    graph, (signature,) = root.subgraphs[0], root.signatureDefs
    indices = {bytes(port.name): port.tensorIndex for port in signature.outputs}
    order = [indices[b"output_%d" % place] for place in range(len(indices))]
    names = list(OUTPUTS)[: len(order)]
    graph.outputs = order
    for index, name in zip([*graph.inputs, *order], ["waveform", *names], strict=True):
        graph.tensors[index].name = name.encode()
    return names


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
    # From -1 to 1, and heard as they are: nothing is taken away or divided by.
    as_they_are = build.table(2, {0: ("table", build.floats(0.0)), 1: ("table", build.floats(1.0))})
    unit = build.table(2, {0: ("uint8", _NORMALISATION), 1: ("table", as_they_are)})
    range_ = build.table(2, {0: ("table", build.floats(1.0)), 1: ("table", build.floats(-1.0))})
    description = "float32 samples from -1 to 1, mono"
    slots = {3: content, 4: build.vector([unit]), 5: range_}
    waveform = build.tensor("waveform", description, slots)
    files = {"probabilities": {6: build.vector([labels])}}
    answers = [build.tensor(name, OUTPUTS[name], files.get(name, {})) for name in outputs]
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
            7: ("table", build.text("1.3.0")),  # the first parser that knows audio
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
