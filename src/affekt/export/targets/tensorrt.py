"""``--to tensorrt``: the graph, and scripts that build an engine on the GPU that will run it."""

from __future__ import annotations

import time
from pathlib import Path

from affekt.export.artefact import Artefact, ExportJob
from affekt.export.targets.onnx import load_on, write_graph
from affekt.runtime.bundle import GRAPH_FILE

TEMPLATES = Path(__file__).parent / "templates"
LARGEST_BATCH = 32
SHORTEST, TYPICAL, LONGEST = 0.1, 3.0, 30.0  # seconds


def export(job: ExportJob, folder: Path) -> Artefact:
    """Write ``model.onnx``, ``build.py`` and ``build.sh``.

    The engine is measured where ONNX Runtime has TensorRT; elsewhere the report says "not run".
    """
    import onnxruntime

    write_graph(job, folder / GRAPH_FILE)
    write_build_scripts(job, folder)
    runtime = f"onnxruntime {onnxruntime.__version__} with TensorRT"
    if "TensorrtExecutionProvider" in onnxruntime.get_available_providers():
        # The processor only waits for the GPU: the clock on the wall is what counts.
        return Artefact(GRAPH_FILE, load_on("tensorrt"), runtime, clock=time.perf_counter)
    return Artefact(
        GRAPH_FILE,
        runtime=runtime,
        not_run="an engine is built on the GPU that runs it, and the onnxruntime here has only "
        + ", ".join(onnxruntime.get_available_providers()),
    )


def write_build_scripts(job: ExportJob, folder: Path) -> None:
    """Write the two ways of building an engine, with the same optimisation profile."""
    rate = job.config["sample_rate"]
    smallest, typical, largest = (
        (1, round(SHORTEST * rate)),
        (8, round(TYPICAL * rate)),
        (LARGEST_BATCH, round(LONGEST * rate)),
    )
    script = (TEMPLATES / "build.py.in").read_text(encoding="utf-8")
    for name, shape in (("SMALLEST", smallest), ("TYPICAL", typical), ("LARGEST", largest)):
        script = script.replace(f"@{name}@", str(shape))
    (folder / "build.py").write_text(script, encoding="utf-8")
    words = [
        "trtexec",
        "--onnx=model.onnx",
        "--saveEngine=model.plan",
        *(
            f"--{name}Shapes=waveform:{batch}x{samples}"
            for name, (batch, samples) in (("min", smallest), ("opt", typical), ("max", largest))
        ),
    ]
    lines = [
        "#!/bin/sh",
        "# Build a TensorRT engine on the GPU that will run it.",
        'cd "$(dirname "$0")" && exec ' + " \\\n    ".join(words) + ' "$@"',
    ]
    (folder / "build.sh").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "build.sh").chmod(0o755)
