"""Measure every export beside its network, and beside what else a small device could run.

One process, one thread, in the environment of the converter (`make litert`): formats, precisions
and sizes with bytes, UAR and agreement on the same unheard speakers; then the time for 3 s of
sound, all contestants in turn, round by round.

    .venv-litert/bin/python benchmarks/edge.py --data ../shared/data
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from _common import ROOT, Report, Result, processor

os.environ.setdefault("OMP_NUM_THREADS", "1")
REPORT = Report("edge", "docs/export.md")
SIZES = {
    "default": ROOT / "src/affekt/assets/default",
    **{name: ROOT / "models" / name for name in ("small", "nano")},
}
PRECISIONS = {
    "onnx": ("fp32", "fp16", "int8"),
    "litert": ("fp32", "fp16", "int8", "int8-dynamic", "int8-static"),
}
NOT_RUN = ("tensorrt", "triton")  # no GPU at hand
ROUNDS = 11
SHOWN = ("torch", "onnxruntime", "ai-edge-litert", "numpy")
CURVE = ROOT / "docs" / "export-curve.svg"

Runner = Callable[[], Any]


def measure(data: Path | None, sizes: list[str]) -> Result:
    """Export everything, compare it, and let all contestants run in turn."""
    import numpy as np
    import torch

    from affekt.export.onnx import voice_like

    torch.set_num_threads(1)
    waveform = voice_like((1, 48000), 16000, np.random.default_rng(0))
    rows: list[dict[str, Any]] = []
    runners: dict[str, Runner] = {}
    with tempfile.TemporaryDirectory() as name:
        for size in sizes:
            _ours(size, data, Path(name), waveform, rows, runners)
        peers = _peers(Path(name), waveform, runners)
        times = _in_turn(runners)
    for row in rows:
        row["latency_ms"] = times[f"{row['size']} {row['format']} {row['precision']}"]
    for peer in peers:
        peer["latency_ms"] = times[peer["name"]]
    return {
        "rows": rows,
        "peers": peers,
        "rounds": ROUNDS,
        "machine": processor(),
        "versions": {name: version(name) for name in SHOWN},
    }


def _ours(
    size: str, data: Path | None, folder: Path, waveform: Any, rows: list[Any], runners: Any
) -> None:
    """All formats of one size: one export and one conversion, made smaller in every way."""
    from affekt.export import litert, onnx_target, parity, quantize
    from affekt.export.litert_metadata import add_metadata
    from affekt.export.model_directory import read_network
    from affekt.export.onnx import export_onnx
    from affekt.export.recordings import calibration_recordings, unheard_speech
    from affekt.export.targets import Artefact, Job

    network, config = read_network(SIZES[size])
    speech = unheard_speech(config, data)
    if speech is None:
        raise SystemExit("error: CREMA-D is needed: affekt data get cremad, and --data")
    recordings = calibration_recordings(config, None, data)
    plain = folder / f"{size}.onnx"
    export_onnx(network, plain, config)
    window = 48000
    tflite = litert.convert(network, window)
    for kind, precisions in PRECISIONS.items():
        for precision in precisions:
            place = folder / f"{size}-{kind}-{precision}"
            place.mkdir()
            if kind == "onnx":
                graph = place / "model.onnx"
                if precision == "fp32":
                    graph.write_bytes(plain.read_bytes())
                elif precision == "fp16":
                    quantize.to_float16(plain, graph)
                else:
                    quantize.to_int8(plain, graph, network.config.frontend, recordings)
                artefact = Artefact("model.onnx", onnx_target.load_on("cpu"), kind)
            else:
                small = precision != "fp32"
                model = litert.smaller(tflite, precision, recordings) if small else tflite
                (place / "model.tflite").write_bytes(add_metadata(model, config))
                artefact = Artefact("model.tflite", litert.load, kind, window=window)
            job = Job(network, config, precision)
            report = parity.measure(job, artefact, place, speech)
            rows.append(_row(size, kind, precision, report, parity.beyond_limits(report)))
            assert artefact.load is not None
            loaded = artefact.load(place, 1)
            runners[f"{size} {kind} {precision}"] = partial(loaded.run, waveform)
            print(rows[-1], flush=True)


def _row(
    size: str, kind: str, precision: str, report: dict[str, Any], broken: list[str]
) -> dict[str, Any]:
    speech = report["speech"]
    return {
        "size": size,
        "format": kind,
        "precision": precision,
        "bytes": report["graph_bytes"],
        "uar": speech["uar"],
        "uar_torch": speech.get("uar_whole", speech["uar_reference"]),
        "label_agreement": speech["label_agreement"],
        "max_difference": max(row["max_difference"] for row in (speech, *report["lengths"])),
        "load_ms": report["load_ms"],
        "clips": speech["clips"],
        "refused": broken,
    }


def _peers(folder: Path, waveform: Any, runners: dict[str, Runner]) -> list[dict[str, Any]]:
    """Others, with random weights: they are timed, not asked."""
    import onnxruntime
    import torch
    from _edge_peers import LightSernet, Wav2Vec2Base
    from ai_edge_litert.interpreter import Interpreter

    from affekt.export import litert

    peers = []
    for name, network in (
        ("LIGHT-SERNET", LightSernet().eval()),
        ("wav2vec2-base", Wav2Vec2Base().eval()),
    ):
        parameters = sum(weight.numel() for weight in network.parameters())
        path = folder / f"{name}.onnx"
        program = torch.onnx.export(network, (torch.zeros(1, 48000),), dynamo=True, verbose=False)
        assert program is not None
        program.save(path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        port = session.get_inputs()[0].name
        runners[f"{name}, ONNX Runtime"] = partial(session.run, None, {port: waveform})
        peers.append({"name": f"{name}, ONNX Runtime", "parameters": parameters})
    name = "LIGHT-SERNET, LiteRT"
    import litert_torch

    with litert._quiet():
        edge = litert_torch.convert(LightSernet().eval(), (torch.zeros(1, 48000),))
    edge.export(str(folder / "peer.tflite"))
    interpreter = Interpreter(str(folder / "peer.tflite"), num_threads=1)
    interpreter.allocate_tensors()
    index = interpreter.get_input_details()[0]["index"]

    def run() -> None:
        interpreter.set_tensor(index, waveform)
        interpreter.invoke()

    runners[name] = run
    peers.append({"name": name, "parameters": peers[0]["parameters"]})
    if tutorial := _tutorial(waveform[0]):
        runners["librosa features and a small CNN"] = tutorial
        peers.append({"name": "librosa features and a small CNN", "parameters": None})
    return peers


def _tutorial(samples: Any) -> Runner | None:
    """The usual tutorial: 180 averaged features of librosa, then a small 1-D CNN in torch."""
    try:
        import librosa
    except ImportError:
        return None
    import numpy as np
    import torch
    from torch import nn

    network = nn.Sequential(
        *(nn.Conv1d(1, 128, 5, padding=2), nn.ReLU(), nn.MaxPool1d(8)),
        *(nn.Conv1d(128, 128, 5, padding=2), nn.ReLU(), nn.Flatten(), nn.Linear(128 * 22, 6)),
    ).eval()

    def run() -> None:
        spectrum = np.abs(librosa.stft(samples))
        features = [
            librosa.feature.mfcc(y=samples, sr=16000, n_mfcc=40),
            librosa.feature.chroma_stft(S=spectrum, sr=16000),
            librosa.feature.melspectrogram(y=samples, sr=16000),
        ]
        vector = np.concatenate([feature.mean(axis=1) for feature in features])
        with torch.inference_mode():
            network(torch.from_numpy(vector.astype(np.float32))[None, None])

    return run


def _in_turn(runners: dict[str, Runner]) -> dict[str, float]:
    """Median time of each in ms, over rounds in which every one has its turn."""
    times: dict[str, list[float]] = {name: [] for name in runners}
    for run in runners.values():
        run()
    for _ in range(ROUNDS):
        for name, run in runners.items():
            started = time.perf_counter()
            run()
            times[name].append(1000 * (time.perf_counter() - started))
    return {name: round(statistics.median(values), 3) for name, values in times.items()}


# --- table and picture ---


def table(result: Result) -> str:
    """Return the result as Markdown: exports, then peers, then the conditions."""
    lines = [
        "| size | format | precision | bytes | UAR | in torch | same label | largest difference "
        "| ms for 3 s | load, ms |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in result["rows"]:
        mark = " (refused without --force)" if row["refused"] else ""
        lines.append(
            f"| {row['size']} | {row['format']} | {row['precision']}{mark} | {row['bytes']:,} "
            f"| {row['uar']:.1%} | {row['uar_torch']:.1%} | {row['label_agreement']:.1%} "
            f"| {row['max_difference']:.1e} | {row['latency_ms']:.2f} | {row['load_ms']:.0f} |"
        )
    lines += [f"| | {name} | | not run: no GPU | | | | | | |" for name in NOT_RUN]
    fastest = {
        size: min(row["latency_ms"] for row in result["rows"] if row["size"] == size)
        for size in dict.fromkeys(row["size"] for row in result["rows"])
    }
    names = ", ".join(fastest)
    lines += [
        "",
        f"| beside them, 3 s on one thread | parameters | ms | {names}: times as fast |",
        "|---|---:|---:|---:|",
    ]
    for peer in result["peers"]:
        times = ", ".join(f"{peer['latency_ms'] / own:.0f}" for own in fastest.values())
        parameters = f"{peer['parameters']:,}" if peer["parameters"] else ""
        lines.append(f"| {peer['name']} | {parameters} | {peer['latency_ms']:.1f} | {times} |")
    shown = ", ".join(f"{name} {value}" for name, value in result["versions"].items())
    lines += [
        "",
        f"![UAR against bytes and against milliseconds]({CURVE.name})",
        "",
        f"UAR, labels and differences on {result['rows'][0]['clips']} clips of the test speakers "
        "of `cremad-tfds`, the same for all; LiteRT hears windows of 3 s, and is compared with the "
        f"network on the same windows. Times are medians of {result['rounds']} rounds in turn, of "
        "each size's fastest format beside the others, which have random weights. "
        f"{result['machine']}; {shown}.",
    ]
    return "\n".join(lines)


def draw(result: Result) -> None:
    """Draw UAR against bytes and against latency."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "affekt"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, constrained_layout=True)
    for axis, key, title in ((axes[0], "bytes", "bytes"), (axes[1], "latency_ms", "ms for 3 s")):
        for kind, marker in (("onnx", "o"), ("litert", "s")):
            for size, color in zip(SIZES, ("#4c566a", "#5e81ac", "#bf616a"), strict=True):
                own = [r for r in result["rows"] if (r["size"], r["format"]) == (size, kind)]
                values = ([r[key] for r in own], [100 * r["uar"] for r in own])
                axis.plot(*values, marker, color=color, alpha=0.8, label=f"{size}, {kind}")
        axis.set_xscale("log")
        axis.set_xlabel(title)
        axis.grid(alpha=0.3, which="both")
    axes[0].set_ylabel("UAR, %")
    axes[1].legend(fontsize=8)
    figure.savefig(CURVE, metadata={"Date": None})


def main() -> None:
    """Measure, or write the table of a stored measurement again."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder with cremad/; default: $AFFEKT_DATA")
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=list(SIZES))
    REPORT.add_options(parser)
    options = parser.parse_args()
    if options.table_only:
        REPORT.show(table(REPORT.load()))
        return
    from affekt.errors import AffektError

    try:
        result = measure(options.data, options.sizes)
    except AffektError as error:
        raise SystemExit(f"error: {error}") from None
    draw(result)
    REPORT.finish(result, options.out, table)


if __name__ == "__main__":
    main()
