"""Measure every export beside its network, and beside what else a small device could run.

One process, one thread, in the environment of the converter (`make litert`): formats, precisions
and sizes with bytes, UAR and agreement on the same unheard speakers; then the time for 3 s of
sound, all systems in turn, round by round. Times are of the processor, so that what else runs
on the machine has little part in them; on an idle one they are what a clock shows.

What an export answers is kept in runs/edge/ until weights, code or versions change, so a run that
was stopped goes on where it was; times never are.

    .venv-litert/bin/python benchmarks/edge.py --data ../shared/data
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from _common import ROOT, Report, Result, processor
from report.page import write_text

os.environ.setdefault("OMP_NUM_THREADS", "1")
REPORT = Report("edge", "benchmarks/measurements.md")
SIZES = {
    "live": ROOT / "src/affekt/assets/live",
    **{name: ROOT / "models" / name for name in ("small", "nano", "light")},
}
TRAINED = [name for name, folder in SIZES.items() if (folder / "model.safetensors").is_file()]
PRECISIONS = {
    "onnx": ("fp32", "fp16", "int8"),
    "litert": ("fp32", "fp16", "int8", "int8-dynamic", "int8-static"),
}
NOT_RUN = ("tensorrt", "triton")  # no GPU at hand
WINDOW = 48000  # samples of 3 s
ROUNDS, LOADS = 21, 5
SHOWN = ("torch", "onnxruntime", "ai-edge-litert", "ai-edge-quantizer", "numpy")
CURVE = ROOT / "benchmarks" / "images" / "export-curve.svg"
COLOURS = {"live": "#4c566a", "small": "#5e81ac", "nano": "#bf616a", "light": "#8fae62"}
LARGE, PEER = "wav2vec2-base, ONNX Runtime", "light"
UNTRAINED = "LIGHT-SERNET, not trained"

Runner = Callable[[], Any]


def measure(data: Path | None, sizes: list[str], cache: Path) -> Result:
    """Export everything, compare it, and let all systems run in turn."""
    import numpy as np
    import torch
    from _edge_peers import PEERS

    from affekt.errors import ModelError
    from affekt.export.graph.onnx import voice_like

    torch.set_num_threads(1)
    waveform = voice_like((1, WINDOW), 16000, np.random.default_rng(0))
    rows: list[dict[str, Any]] = []
    runners: dict[str, Runner] = {}
    loaders: dict[str, Runner] = {}
    for size in sizes:
        exports = Exports(size, data, cache)
        for kind, precisions in PRECISIONS.items():
            for precision in precisions:
                name = f"{size} {kind} {precision}"
                try:
                    rows.append({"name": name, **exports.row(kind, precision)})
                except ModelError as error:  # what an architecture cannot do has no row
                    print(f"{name}: {error}", flush=True)
                    continue
                loaders[name] = partial(exports.load, kind, precision)
                runners[name] = partial(loaders[name]().run, waveform)
                print(rows[-1], flush=True)
    peers: list[dict[str, Any]] = []
    for name, make in PEERS.items():
        if PEER in sizes and name.startswith(UNTRAINED):
            continue
        runners[name], parameters = make(waveform)
        peers.append({"name": name, "parameters": parameters})
    times, loads = _in_turn(runners, ROUNDS), _in_turn(loaders, LOADS)
    for row in rows:
        row["latency_ms"], row["load_ms"] = times[row["name"]], loads[row["name"]]
    for peer in peers:
        peer["latency_ms"] = times[peer["name"]]
    return {
        "rows": rows,
        "peers": peers,
        "rounds": ROUNDS,
        "machine": processor(),
        "versions": {name: version(name) for name in SHOWN},
    }


class Exports:
    """All formats of one size, each made and compared once."""

    def __init__(self, size: str, data: Path | None, cache: Path) -> None:
        from affekt.export.model_directory import read_network

        self.size, self.data = size, data
        self.network, self.config = read_network(SIZES[size])
        weights = (SIZES[size] / "model.safetensors").read_bytes()
        self.folder = cache / f"{size}-{hashlib.sha256(weights).hexdigest()[:8]}-{_made_by()}"
        self.folder.mkdir(parents=True, exist_ok=True)

    def row(self, kind: str, precision: str) -> dict[str, Any]:
        """What the export of one precision has kept."""
        from affekt.export.check import parity

        place = self.folder / f"{kind}-{precision}"
        kept = place / "row.json"
        if kept.is_file():
            row: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
            return row
        place.mkdir(exist_ok=True)
        (self._onnx if kind == "onnx" else self._litert)(place, precision)
        job, artefact = self._job(kind, precision)
        report = parity.measure(job, artefact, place, self._speech, self._references[kind])
        speech = report["speech"]
        row = {
            "size": self.size,
            "format": kind,
            "precision": precision,
            "parameters": self.config["parameters"],
            "bytes": report["graph_bytes"],
            "uar": speech["uar"],
            "uar_torch": speech.get("uar_whole", speech["uar_reference"]),
            "label_agreement": speech["label_agreement"],
            "max_difference": max(row["max_difference"] for row in (speech, *report["lengths"])),
            "clips": speech["clips"],
            "refused": parity.beyond_limits(report),
        }
        write_text(kept, json.dumps(row))
        return row

    def load(self, kind: str, precision: str) -> Any:
        """The export, ready to run."""
        _, artefact = self._job(kind, precision)
        assert artefact.load is not None
        return artefact.load(self.folder / f"{kind}-{precision}", 1)

    def _job(self, kind: str, precision: str) -> tuple[Any, Any]:
        from affekt.export.artefact import Artefact, ExportJob
        from affekt.export.targets import litert
        from affekt.export.targets import onnx as onnx_target

        job = ExportJob(self.network, self.config, precision)
        if kind == "onnx":
            return job, Artefact("model.onnx", onnx_target.load, kind)
        return job, Artefact("model.tflite", litert.load, kind, window=WINDOW)

    def _onnx(self, place: Path, precision: str) -> None:
        from affekt.export.artefact import ExportJob
        from affekt.export.targets.onnx import smaller

        recordings = self._recordings if precision == "int8" else ()
        job = ExportJob(self.network, self.config, precision, recordings)
        (place / "model.onnx").write_bytes(self._plain)
        smaller(place / "model.onnx", place / "model.onnx", job)

    def _litert(self, place: Path, precision: str) -> None:
        from affekt.export.targets import litert
        from affekt.export.targets.litert import add_metadata

        model = self._tflite
        if precision != "fp32":
            recordings = self._recordings if precision == "int8-static" else ()
            model = litert.smaller(model, precision, recordings)
        config = {**self.config, "precision": precision, "window": WINDOW}
        (place / "model.tflite").write_bytes(add_metadata(model, config, self.network.outputs))

    @cached_property
    def _plain(self) -> bytes:
        from affekt.export import export_onnx

        with tempfile.TemporaryDirectory() as name:
            export_onnx(self.network, Path(name) / "model.onnx", self.config)
            return (Path(name) / "model.onnx").read_bytes()

    @cached_property
    def _references(self) -> Any:
        """By format, the network, which answers for every clip once."""
        from affekt.export.check.parity import Reference

        windows = {"onnx": None, "litert": WINDOW}
        return {kind: Reference(self.network, window) for kind, window in windows.items()}

    @cached_property
    def _tflite(self) -> bytes:
        from affekt.export.targets import litert

        return litert.convert(self.network, WINDOW)

    @cached_property
    def _recordings(self) -> Any:
        from affekt.export.check.recordings import calibration_recordings

        return calibration_recordings(self.config, None, self.data).waveforms

    @cached_property
    def _speech(self) -> Any:
        from affekt.export.check.recordings import unheard_speech

        speech = unheard_speech(self.config, self.data)
        if speech is None:
            raise SystemExit("error: CREMA-D is needed: affekt data get cremad, and --data")
        return speech


def _made_by() -> str:
    """What exports follow from besides the weights: code and versions, as a short hash."""
    digest = hashlib.sha256(json.dumps({name: version(name) for name in SHOWN}).encode())
    for folder in ("export", "models"):
        for path in sorted((ROOT / "src" / "affekt" / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


def _in_turn(runners: Mapping[str, Runner], rounds: int) -> dict[str, float]:
    """Median processor time of each in ms, over rounds in which every one has its turn."""
    times: dict[str, list[float]] = {name: [] for name in runners}
    for run in runners.values():
        run()
    for _ in range(rounds):
        for name, run in runners.items():
            started = time.process_time()
            run()
            times[name].append(1000 * (time.process_time() - started))
    return {name: round(statistics.median(values), 3) for name, values in times.items()}


# --- tables and picture ---


def table(result: Result) -> str:
    """Return the result as Markdown: exports, peers, targets, then the conditions."""
    shown = ", ".join(f"{name} {value}" for name, value in result["versions"].items())
    conditions = (
        f"UAR, labels and differences on {result['rows'][0]['clips']} clips of the test speakers "
        "of `cremad-tfds`, the same for all; LiteRT hears windows of 3 s, and is compared with the "
        f"network on the same windows. Times are of the processor, on one thread: medians of "
        f"{result['rounds']} rounds in which every one has its turn. LIGHT-SERNET is rebuilt from "
        f"its paper, wav2vec2-base has random weights. {result['machine']}; {shown}."
    )
    picture = f"![UAR against bytes and against milliseconds](images/{CURVE.name})"
    parts = (_exports(result), _peers(result), _targets(result), [picture], [conditions])
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def _exports(result: Result) -> list[str]:
    lines = [
        "| size | format | precision | bytes | of float32 | UAR | in torch | same label "
        "| largest difference | ms for 3 s | load, ms |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in result["rows"]:
        mark = " (refused without --force)" if row["refused"] else ""
        share = row["bytes"] / _find(result, row["size"], row["format"], "fp32")["bytes"]
        lines.append(
            f"| {row['size']} | {row['format']} | {row['precision']}{mark} | {row['bytes']:,} "
            f"| {share:.0%} | {row['uar']:.1%} | {row['uar_torch']:.1%} "
            f"| {row['label_agreement']:.1%} | {row['max_difference']:.1e} "
            f"| {row['latency_ms']:.2f} | {row['load_ms']:.0f} |"
        )
    return lines + [f"| | {name} | | not run: no GPU | | | | | | | |" for name in NOT_RUN]


def _find(result: Result, size: str, kind: str, precision: str) -> dict[str, Any]:
    wanted = (size, kind, precision)
    rows = result["rows"]
    found: dict[str, Any] = next(
        row for row in rows if (row["size"], row["format"], row["precision"]) == wanted
    )
    return found


def _sizes(result: Result) -> list[str]:
    return list(dict.fromkeys(row["size"] for row in result["rows"]))


def _fastest(result: Result, size: str) -> dict[str, Any]:
    """The fastest export of a size that is not refused."""
    rows = [row for row in result["rows"] if row["size"] == size and not row["refused"]]
    found: dict[str, Any] = min(rows, key=lambda row: row["latency_ms"])
    return found


def _peers(result: Result) -> list[str]:
    sizes = _sizes(result)
    lines = [
        "| 3 s on one thread | parameters | ms | "
        + " | ".join(f"{size}: times as fast" for size in sizes)
        + " |",
        "|---|---:|---:|" + "---:|" * len(sizes),
    ]
    for peer in result["peers"]:
        times = " | ".join(
            f"{peer['latency_ms'] / _fastest(result, size)['latency_ms']:.0f}" for size in sizes
        )
        parameters = f"{peer['parameters']:,}" if peer["parameters"] else ""
        lines.append(f"| {peer['name']} | {parameters} | {peer['latency_ms']:.1f} | {times} |")
    own = " | ".join(
        f"{best['latency_ms']:.2f} ms ({best['format']}, {best['precision']})"
        for best in (_fastest(result, size) for size in sizes)
    )
    return [*lines, f"| fastest of affekt's | | | {own} |"]


def _targets(result: Result) -> list[str]:
    """How many targets are met, and each that is not."""
    judged = _judged(result)
    missed = [f"{name}: {measured}" for name, measured, met in judged if not met]
    told = f"{len(judged) - len(missed)} of {len(judged)} targets for bytes, UAR and time are met"
    return [f"{told}; not met: {'; '.join(missed)}." if missed else f"{told}."]


def _judged(result: Result) -> list[tuple[str, str, bool]]:
    rows, sizes = result["rows"], _sizes(result)
    plain = [row for row in rows if row["precision"] == "fp32"]
    difference = max(row["max_difference"] for row in plain)
    agreement = min(row["label_agreement"] for row in plain)
    judged = [
        (
            "float32: same labels, differences up to 1e-4, every runtime and size",
            f"{agreement:.1%}, {difference:.1e}",
            agreement == 1 and difference <= 1e-4,
        )
    ]
    for kind in PRECISIONS:
        for size in sizes:
            own, small = (_find(result, size, kind, name) for name in ("fp32", "int8"))
            lost, share = 100 * (own["uar"] - small["uar"]), small["bytes"] / own["bytes"]
            judged.append(
                (
                    f"{size} int8 in {kind}: 1 point of UAR lost, 35 % of the bytes, at most",
                    f"{lost:+.1f} points, {share:.0%}",
                    lost <= 1 and share <= 0.35,
                )
            )
    if {"small", "nano"} <= set(sizes):
        judged += _judged_sizes(result)
    return judged


def _judged_sizes(result: Result) -> list[tuple[str, str, bool]]:
    small, nano = (_find(result, size, "onnx", "int8") for size in ("small", "nano"))
    behind = 100 * (small["uar"] - nano["uar"])
    judged = [
        ("nano at most 4 points below small, int8", f"{behind:.1f} points", behind <= 4),
        ("small int8 at most 1 MB", f"{small['bytes']:,} bytes", small["bytes"] <= 1_000_000),
        ("nano int8 at most 120 kB", f"{nano['bytes']:,} bytes", nano["bytes"] <= 120_000),
    ]
    large = next(peer for peer in result["peers"] if peer["name"] == LARGE)
    for size, factor in (("small", 50), ("nano", 150)):
        own = _fastest(result, size)
        times = large["latency_ms"] / own["latency_ms"]
        name = f"{size} {factor} times as fast as wav2vec2-base"
        judged.append((name, f"{times:.0f} times", times >= factor))
        untrained = [p["latency_ms"] for p in result["peers"] if p["name"].startswith(UNTRAINED)]
        if untrained:
            times = min(untrained) / own["latency_ms"]
            name = f"{size} faster than LIGHT-SERNET, whose UAR is not measured"
            judged.append((name, f"{times:.1f} times as fast", times > 1))
        if PEER in _sizes(result):
            peer = _fastest(result, PEER)
            times = peer["latency_ms"] / own["latency_ms"]
            name = f"{size} faster than LIGHT-SERNET (`light`) at equal or better UAR"
            measured = f"{times:.1f} times as fast, UAR {own['uar']:.1%} and {peer['uar']:.1%}"
            judged.append((name, measured, times > 1 and own["uar"] >= peer["uar"]))
    return judged


def draw(result: Result) -> None:
    """Draw UAR against bytes and against latency."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "affekt"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, constrained_layout=True)
    for axis, key, title in ((axes[0], "bytes", "bytes"), (axes[1], "latency_ms", "ms for 3 s")):
        for kind, marker in (("onnx", "o"), ("litert", "s")):
            for size in _sizes(result):
                own = [r for r in result["rows"] if (r["size"], r["format"]) == (size, kind)]
                values = ([r[key] for r in own], [100 * r["uar"] for r in own])
                label = f"{size}, {kind}"
                axis.plot(*values, marker, color=COLOURS[size], alpha=0.8, label=label)
        axis.set_xscale("log")
        if key == "latency_ms":  # plain numbers: powers of ten run into one another
            axis.set_xticks([1, 2, 5, 10], ["1", "2", "5", "10"])
            axis.minorticks_off()
        axis.set_xlabel(title)
        axis.grid(alpha=0.3, which="both")
    axes[0].set_ylabel("UAR, %")
    axes[1].legend(fontsize=8)
    figure.savefig(CURVE, metadata={"Date": None})


def main() -> None:
    """Measure, or write the table of a stored measurement again."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder with cremad/; default: $AFFEKT_DATA")
    parser.add_argument("--sizes", nargs="+", default=TRAINED, choices=TRAINED)
    parser.add_argument("--cache", type=Path, default=ROOT / "runs" / "edge")
    REPORT.add_options(parser)
    options = parser.parse_args()
    if options.table_only:
        REPORT.show(table(REPORT.load()))
        return
    from affekt.errors import AffektError

    try:
        result = measure(options.data, options.sizes, options.cache)
    except AffektError as error:
        raise SystemExit(f"error: {error}") from None
    if options.out.resolve() == REPORT.file:
        draw(result)
    REPORT.finish(result, options.out, table)


if __name__ == "__main__":
    main()
