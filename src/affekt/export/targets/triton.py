"""``--to triton``: a model repository for NVIDIA's Triton server, and a client."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from affekt.export.artefact import Artefact, ExportJob
from affekt.export.targets.onnx import load_on, write_graph
from affekt.export.targets.tensorrt import LARGEST_BATCH, TEMPLATES, write_build_scripts
from affekt.runtime.bundle import GRAPH_FILE

_DELAY = 2000  # microseconds that a request may wait for company


def export(job: ExportJob, folder: Path) -> Artefact:
    """Write ``models/``, which runs at once, ``tensorrt/``, whose engine is to be built, a client.

    Triton runs the graph with ONNX Runtime, which is what measures it here.
    """
    import onnxruntime

    name = repository_name(str(job.config["name"]))
    labels = "\n".join(job.network.config.labels) + "\n"
    for repository, backend in (("models", "onnxruntime"), ("tensorrt", "tensorrt")):
        place = folder / repository / name
        (place / "1").mkdir(parents=True)
        text = model_configuration(job, name, backend)
        (place / "config.pbtxt").write_text(text, encoding="utf-8")
        (place / "labels.txt").write_text(labels, encoding="utf-8")
    graph = f"models/{name}/1/{GRAPH_FILE}"
    write_graph(job, folder / graph)
    shutil.copy(folder / graph, folder / "tensorrt" / name / "1" / GRAPH_FILE)
    write_build_scripts(job, folder / "tensorrt" / name / "1")
    client = (TEMPLATES / "client.py.in").read_text(encoding="utf-8")
    for key, value in (
        ("NAME", name),
        ("RATE", job.config["sample_rate"]),
        ("CLASSES", len(job.network.config.labels)),
        ("OTHERS", job.network.config.heads),
    ):
        client = client.replace(f"@{key}@", str(value))
    (folder / "client.py").write_text(client, encoding="utf-8")
    return Artefact(
        graph,
        load_on("cpu", graph),
        f"onnxruntime {onnxruntime.__version__}",
        metadata={"server": "Triton itself was not run"},
    )


def repository_name(name: str) -> str:
    """A model's name as a folder of a repository."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.") or "affekt"


def model_configuration(job: ExportJob, name: str, backend: str) -> str:
    """``config.pbtxt``: ports, and batches of whatever has come while the model was busy.

    Triton batches only requests of one length, so no recording is ever padded. It wants an axis
    in every port: heads of one number per recording are given one.
    """
    others = "".join(
        f',\n  {{ name: "{head}" data_type: TYPE_FP32 dims: [ 1 ] reshape: {{ shape: [ ] }} }}'
        for head in job.network.config.heads
    )
    return f"""name: "{name}"
backend: "{backend}"
max_batch_size: {LARGEST_BATCH}
input [
  {{ name: "waveform" data_type: TYPE_FP32 dims: [ -1 ] }}
]
output [
  {{
    name: "probabilities" data_type: TYPE_FP32 dims: [ {len(job.network.config.labels)} ]
    label_filename: "labels.txt"
  }},
  {{ name: "embedding" data_type: TYPE_FP32 dims: [ {job.network.embedding_size} ] }}{others}
]
dynamic_batching {{ max_queue_delay_microseconds: {_DELAY} }}
"""
