"""Whether the shipped models answer alike on every processor and every runtime, and how quickly.

Clips of unheard speakers go through the shipped files with ONNX Runtime here, with its lowest
version, with its kernels for AVX2 (``avx2_kernels.py``), on an emulated processor that has no
others (qemu-user), in WebAssembly (onnxruntime-web in Node.js), and through LiteRT files of the
same models. Each answer is compared with that of the network in torch or, where its weights are not
at hand, with that of the same graph without optimisation. Places are measured one by one; what
lacks its program is told and left out.

    VERSIONS=lowest .ci/matrix 3.10
    make test-avx2
    make litert
    for model in live small nano; do .venv-litert/bin/affekt export ... --to litert; done
    python benchmarks/processors.py --data ../shared/data \\
      --lowest .venv-matrix/3.10-lowest/bin/python \\
      --avx2 .venv-avx2/bin/python --litert .venv-litert/bin/python --tflite build/litert
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _common import ROOT, Report, Result, processor

from affekt.runtime.bundle import ASSETS, SHIPPED

REPORT = Report("processors", "benchmarks/measurements.md")
WORKER = Path(__file__).with_name("_answer.py")
WEB_WORKER = Path(__file__).with_name("_answer.mjs")
EMULATED = ("qemu-x86_64", "-cpu", "Haswell")
EMULATED_ROUNDS = 5
MODELS = {name: ASSETS / name for name in SHIPPED}
PLACES = {
    "here": "ONNX Runtime",
    "plain": "the same without affekt's options",
    "lowest": "ONNX Runtime, lowest version",
    "avx2-kernels": "ONNX Runtime, its kernels for AVX2",
    "avx2-kernels-plain": "the same without affekt's options",
    "avx2": "ONNX Runtime, emulated",
    "avx2-plain": "the same without affekt's options",
    "avx2-lowest": "ONNX Runtime, lowest version, emulated",
    "web": "WebAssembly",
    "litert": "LiteRT",
    "litert-avx2": "LiteRT, emulated",
}


def weights() -> dict[str, Path]:
    """Folders of the networks in torch, by model; some ship as a graph alone."""
    folders = {name: (folder, ROOT / "models" / name) for name, folder in MODELS.items()}
    return {
        name: folder
        for name, places in folders.items()
        for folder in places
        if (folder / "model.safetensors").is_file()
    }


def unoptimised(graph: Path) -> Callable[[np.ndarray], Any]:
    """What maps waveforms to the probabilities of a graph, run node by node as it is written."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(graph), options)
    return lambda waveforms: session.run(["probabilities"], {"waveform": waveforms})[0]


class Clips:
    """Clips of unheard speakers, as files that every worker reads, and the network's answers."""

    def __init__(self, folder: Path, data: Path | None, count: int) -> None:
        from affekt.export.check.parity import Reference
        from affekt.export.check.recordings import unheard_speech
        from affekt.export.model_directory import read_network

        networks = {name: read_network(folder) for name, folder in weights().items()}
        _, config = next(iter(networks.values()))
        speech = unheard_speech(config, data, count)
        if speech is None:
            raise SystemExit("error: CREMA-D is needed: affekt data get cremad, and --data")
        # The first is the one that is timed: 3 s.
        timed = speech.stretches(3.0, 1, 16000)[0]
        sounds = [timed, *speech.waveforms]
        self.count = len(speech.waveforms)
        self.npz, self.f32 = folder / "sounds.npz", folder / "sounds.f32"
        np.savez(self.npz, *sounds)
        self.f32.write_bytes(np.concatenate(sounds).astype("<f4").tobytes())
        self.lengths = folder / "lengths.json"
        self.lengths.write_text(json.dumps([len(sound) for sound in sounds]))
        self._references: dict[tuple[str, int | None], Callable[[Any], Any]] = {
            (name, window): Reference(network, window)
            for name, (network, _) in networks.items()
            for window in (None, 48000)
        }
        for name in MODELS.keys() - networks.keys():
            self._references[name, None] = unoptimised(MODELS[name] / "model.onnx")
        self._sounds = sounds

    def expected(self, model: str, window: int | None) -> np.ndarray:
        """What the network answers ``[clips, classes]``, by windows of LiteRT where given."""
        reference = self._references[model, window]
        return np.concatenate([reference(sound[None]) for sound in self._sounds[1:]])


def graphs_of(place: str, options: argparse.Namespace) -> dict[str, Path]:
    """The files that a place runs, by model; a model may have none."""
    if not place.startswith("litert"):
        return {model: MODELS[model] / "model.onnx" for model in options.models}
    graphs = {model: options.tflite / model / "model.tflite" for model in options.models}
    return {model: graph for model, graph in graphs.items() if graph.is_file()}


def emulated(place: str) -> bool:
    """Whether a place is a processor of the emulator."""
    return "avx2" in place and "kernels" not in place


def ask(place: str, graphs: dict[str, Path], clips: Clips, options: argparse.Namespace) -> Any:
    """Have a worker answer all clips; None where its program is missing."""
    from affekt.web.browser import VERSION, fetch_browser_runtime

    emulator = EMULATED if emulated(place) else ()
    rounds = min(options.rounds, EMULATED_ROUNDS) if emulator else options.rounds
    if place == "web":
        engine = fetch_browser_runtime()
        words = ["node", WEB_WORKER, engine, clips.f32, clips.lengths, rounds]
    else:
        python = {"lowest": options.lowest, "litert": options.litert, "kernels": options.avx2}
        runs = next((path for word, path in python.items() if word in place), sys.executable)
        plain = ["--plain"] if place.endswith("plain") else []
        words = [*emulator, runs or "", WORKER, *plain, "--rounds", rounds, clips.npz]
    needed = [*emulator[:1], str(words[len(emulator)])]
    if not all(map(shutil.which, needed)) or not graphs:
        print(f"{place}: left out, a program or a file is missing", file=sys.stderr)
        return None
    command = [str(word) for word in (*words, *graphs.values())]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    told = json.loads(done.stdout)
    return {"runtime": f"onnxruntime-web {VERSION}", **told} if place == "web" else told


def measure_place(place: str, clips: Clips, options: argparse.Namespace) -> list[Result]:
    """One row for each model."""
    graphs = graphs_of(place, options)
    told = ask(place, graphs, clips, options)
    if told is None:
        return []
    rows = []
    for model, graph in graphs.items():
        found = np.array(told["answers"][str(graph)])[1:]
        expected = clips.expected(model, 48000 if place.startswith("litert") else None)
        difference = np.abs(found - expected)
        rows.append(
            {
                "place": place,
                "model": model,
                "runtime": told["runtime"],
                "instructions": ["AVX2"] if "kernels" in place else told["instructions"],
                "clips": len(found),
                "max_difference": float(f"{difference.max():.3g}"),
                "label_agreement": float((found.argmax(1) == expected.argmax(1)).mean().round(4)),
                # Time in an emulator tells one way of computing from another, and no more.
                "emulated_ms" if emulated(place) else "ms": told["ms"].get(str(graph)),
                "probabilities": found.round(6).tolist(),
            }
        )
    return rows


def measure(options: argparse.Namespace) -> Result:
    """Measure the chosen places; rows of others stay as they are stored."""
    from affekt.evaluation.provenance import commit, software_versions

    places = options.only
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        clips = Clips(Path(folder), options.data, options.clips)
        here = {row["model"]: row for row in measure_place("here", clips, options)}
        for place in places:
            for row in measure_place(place, clips, options) if place != "here" else here.values():
                found, first = np.array(row["probabilities"]), here[row["model"]]["probabilities"]
                row["from_here"] = float(f"{np.abs(found - np.array(first)).max():.3g}")
                row["same_as_here"] = float((found.argmax(1) == np.argmax(first, 1)).mean())
                rows.append(row)
    stored = REPORT.load()["rows"] if REPORT.file.is_file() else []
    rows += [
        row
        for row in stored
        if row["model"] in MODELS
        and not (row["place"] in places and row["model"] in options.models)
    ]
    rows = [{key: row[key] for key in row if key != "probabilities"} for row in rows]
    rows.sort(key=lambda row: (list(MODELS).index(row["model"]), list(PLACES).index(row["place"])))
    return {
        "rows": rows,
        "rounds": options.rounds,
        "machine": processor(),
        "commit": commit(),
        "versions": software_versions(),
    }


def table(result: Result) -> str:
    """Return the result as Markdown."""
    lines = [
        "| model | runs with | instructions | clips | same label | largest difference | "
        "from the first row | ms for 3 s |",
        "|---|---|---|---:|---:|---:|---:|---:|",
    ]
    for row in result["rows"]:
        own = row["place"].startswith("litert")
        lines.append(
            f"| {row['model']} | {PLACES[row['place']]}, {row['runtime'].split()[-1]} | "
            f"{', '.join(row['instructions'])} | {row['clips']} | {row['label_agreement']:.2%} | "
            f"{row['max_difference']:.1e} | {'' if own else format(row['from_here'], '.1e')} | "
            f"{format(row['ms'], '.2f') if row.get('ms') else ''} |"
        )
    return "\n".join(
        [
            *lines,
            "",
            "Probabilities of clips of the test speakers of `cremad-tfds`, beside those of the "
            "network in torch (LiteRT: on the same windows of 3 s) and beside the same file in the "
            f"first row. {_exceptions()}"
            "Emulated: by qemu-user as a Haswell, whose times are no processor's. Times are "
            f"of the processor, on one thread: medians of {result['rounds']} rounds. "
            f"{_cost(result)}"
            f"{result['machine']}.",
        ]
    )


def _cost(result: Result) -> str:
    """In words: the time that affekt's options take, where the kernels depend on them."""
    times = {(row["model"], row["place"]): row.get("ms") for row in result["rows"]}
    ratios = {
        model: times[model, "avx2-kernels"] / times[model, "avx2-kernels-plain"]
        for model in MODELS
        if times.get((model, "avx2-kernels")) and times.get((model, "avx2-kernels-plain"))
    }
    if not ratios:
        return ""
    told = ", ".join(f"{ratio:.2f} (`{model}`)" for model, ratio in ratios.items())
    return f"With the kernels for AVX2, affekt's options multiply the time by {told}. "


def _exceptions() -> str:
    """In words: the models that ship as a graph alone, and those that LiteRT cannot run."""
    from affekt.models import ARCHITECTURES

    told = [
        f"`{name}`: beside the same graph without optimisation, because its weights do not ship. "
        for name in MODELS
        if name not in weights()
    ]
    for name, folder in MODELS.items():
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        refusal = ARCHITECTURES[config["architecture"]["name"]].make.litert_refusal
        if refusal:
            told.append(f"`{name}` cannot be converted to LiteRT: {refusal}. ")
    return "".join(told)


def main() -> None:
    """Measure, or show what is stored."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="where the corpora lie")
    parser.add_argument("--clips", type=int, default=400)
    parser.add_argument(
        "--rounds", type=int, default=31, help="that are timed; 0 for answers alone"
    )
    parser.add_argument(
        "--only", nargs="+", choices=PLACES, default=list(PLACES), help="places to measure anew"
    )
    parser.add_argument(
        "--models", nargs="+", choices=MODELS, default=list(MODELS), help="models to measure anew"
    )
    parser.add_argument("--lowest", type=Path, help="Python with the lowest versions")
    parser.add_argument("--avx2", type=Path, help="Python with the kernels for AVX2 alone")
    parser.add_argument("--litert", type=Path, help="Python with ai-edge-litert")
    parser.add_argument(
        "--tflite", type=Path, default=ROOT / "build", help="folder of LiteRT models, by name"
    )
    REPORT.add_options(parser)
    options = parser.parse_args()
    if options.table_only:
        REPORT.show(table(REPORT.load()))
    else:
        REPORT.finish(measure(options), options.out, table)


if __name__ == "__main__":
    main()
