"""``--to onnx``: a model directory for ONNX Runtime, in float32, float16 or int8."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from affekt.export.artefact import Artefact, ExportedGraph, ExportJob
from affekt.export.graph.onnx import export_onnx
from affekt.export.graph.quantize import to_float16, to_int8, to_int8_weights
from affekt.export.graph.streaming import export_streaming
from affekt.models import checkpoint
from affekt.runtime.bundle import GRAPH_FILE, WEIGHTS_FILE, Bundle


def export(job: ExportJob, folder: Path) -> Artefact:
    """Write ``model.onnx``."""
    import onnxruntime

    write_graph(job, folder / GRAPH_FILE)
    metadata = {}
    if job.config["streamable"]:
        # int8, too: float16 is nearer to the network, and needs no calibration of its own.
        half = job.precision != "fp32"
        difference = export_streaming(job.network, folder, job.config, half=half)
        metadata["streaming"] = {"max_difference": difference}
    if job.precision == "fp32":
        checkpoint.save(folder / WEIGHTS_FILE, dict(job.network.state_dict()), dict(job.config))
    return Artefact(GRAPH_FILE, load, f"onnxruntime {onnxruntime.__version__}", metadata=metadata)


def write_graph(job: ExportJob, path: Path) -> None:
    """Write the network as ONNX in the job's precision."""
    config = {**job.config, "precision": job.precision}
    export_onnx(job.network, path, config)
    smaller(path, path, job)


def smaller(source: Path, target: Path, job: ExportJob) -> None:
    """Write a float32 graph in the job's precision."""
    if job.precision == "fp16":
        to_float16(source, target)
    elif job.precision == "int8-weights":
        to_int8_weights(source, target)
    elif job.precision == "int8":
        to_int8(source, target, job.network.config.frontend, job.calibration)


def load(folder: Path, threads: int) -> ExportedGraph:
    """Load the graph as ``affekt predict`` does, but without parts."""
    return load_on("cpu")(folder, threads)


def load_on(device: str, graph: str = GRAPH_FILE) -> Callable[[Path, int], ExportedGraph]:
    """What loads a graph of a folder on a device."""

    def load(folder: Path, threads: int) -> ExportedGraph:
        from affekt.runtime.backends import OnnxBackend

        bundle = Bundle(folder / graph, None)
        return OnnxBackend(bundle, threads=threads, device=device, whole=True)

    return load
