"""``--to web``: a folder for browsers, with the model, its engine, a module and a page."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from affekt.export.artefact import Artefact, ExportedGraph, ExportJob
from affekt.export.targets import onnx as onnx_target
from affekt.runtime.bundle import CARD_FILE, CONFIG_FILE, GRAPH_FILE, Bundle
from affekt.runtime.card import model_card
from affekt.web.browser import PACKAGE, VERSION
from affekt.web.site import write_site


def export(job: ExportJob, folder: Path) -> Artefact:
    """Write the site of a model.

    ONNX Runtime measures the graph here; that the browser answers alike is tested with the module
    (``tests/server/test_module.py``).
    """
    import onnxruntime

    with tempfile.TemporaryDirectory() as name:
        model = Path(name)
        onnx_target.export(job, model)
        config = json.dumps(dict(job.config), indent=2, ensure_ascii=False)
        (model / CONFIG_FILE).write_text(config + "\n", encoding="utf-8")
        card = model_card(job.config, (model / GRAPH_FILE).stat().st_size)
        (model / CARD_FILE).write_text(card, encoding="utf-8")
        place = write_site(model, folder)
    graph = (place / GRAPH_FILE).relative_to(folder).as_posix()

    def load(folder: Path, threads: int) -> ExportedGraph:
        from affekt.runtime.backends import OnnxBackend

        return OnnxBackend(Bundle(folder / graph, None), threads=threads, whole=True)

    engine = f"{PACKAGE} {VERSION}"
    measured = f"onnxruntime {onnxruntime.__version__}"
    return Artefact(graph, load, measured, metadata={"browser_engine": engine})
