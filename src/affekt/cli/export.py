"""``affekt export``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from affekt.cli._common import DataOption, Format, FormatOption, emit, log

TARGET_HELP = "Where it goes: onnx, litert, web, triton or tensorrt."
PRECISION_HELP = "fp16, int8 or int8-weights; float32 without."


def command(
    model: Annotated[
        Path, typer.Argument(help="Model directory with its weights, or a finished run.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder to write; or one file, e.g. model.onnx.")
    ],
    to: Annotated[str, typer.Option("--to", help=TARGET_HELP)] = "onnx",
    quantize: Annotated[
        str | None, typer.Option("--quantize", "-q", help=PRECISION_HELP, show_default=False)
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(
            "--calibration",
            help="Folder of recordings to calibrate int8 on; by default training clips.",
        ),
    ] = None,
    window: Annotated[
        float, typer.Option("--window", min=0.5, help="Seconds, where a target fixes the length.")
    ] = 3.0,
    name: Annotated[
        str | None,
        typer.Option("--name", help="Name of the model; by default as before.", show_default=False),
    ] = None,
    streaming: Annotated[
        bool,
        typer.Option(
            "--streaming/--no-streaming",
            help="Write encoder.onnx and head.onnx, too, where the model can stream (onnx, web).",
        ),
    ] = True,
    force: Annotated[
        bool, typer.Option("--force", help="Write it even if it answers too differently.")
    ] = False,
    data: DataOption = None,
    format: FormatOption = Format.table,
) -> None:
    """Export a model, and measure it beside the network before the files get their names.

    What is written takes float32 waveforms at the model's rate and gives calibrated probabilities
    and embeddings. The folder also gets config.json, the model card, and parity.json: how far the
    answers are from those of the network, UAR on unheard speakers of CREMA-D where they are at
    hand, size, latency and load time. An export beyond its limits is refused without --force.

    \b
    Examples:
      affekt export runs/ravdess --out ravdess.onnx
      affekt export runs/ravdess --to onnx --quantize int8 --out ravdess-int8
      affekt predict --model ravdess-int8 recording.wav
    """
    from affekt.errors import ConfigError
    from affekt.export.targets.registry import export_model

    if to == "onnx" and out.suffix == ".onnx" and quantize is None:
        emit([_one_file(model, out, name)], format)
        return
    if out.suffix in (".onnx", ".tflite", ".plan"):
        raise ConfigError(f"{out}: an export writes a folder (or float32 as one .onnx file)")
    report = export_model(
        model,
        to,
        out,
        precision=quantize or "fp32",
        calibration=calibration,
        data=data,
        window=window,
        name=name,
        streaming=streaming,
        force=force,
    )
    if used := report.get("calibration"):
        log(_calibrated(used))
    if (domain := report.get("domain")) and not domain["kept"]:
        log(
            "without the out-of-domain score: that of this export differs from the network's by "
            f"{domain['max_difference']:.2g}"
        )
    emit([_row(report)], format)
    log(f"wrote {out}: all figures are in {out / 'parity.json'}")


def _calibrated(used: Mapping[str, int]) -> str:
    """What the ranges were measured on, and what was done to it."""
    line = f"calibrated on {used['recordings']} recordings"
    if used["resampled"]:
        line += f"; {used['resampled']} had another rate than the model's and were resampled"
    if used["unusable"]:
        line += f"; {used['unusable']} could not be used (unreadable, silent or too short)"
    return line


def _one_file(model: Path, out: Path, name: str | None) -> Mapping[str, Any]:
    """Write the graph alone; config.json is in its metadata."""
    from affekt.export import check_parity, export_onnx
    from affekt.export.model_directory import read_network
    from affekt.export.targets.registry import weights_folder
    from affekt.files import atomic_path

    network, config = read_network(weights_folder(model))
    config["name"] = name or config["name"]
    with atomic_path(out) as partial:  # a file that fails the proof never gets the name
        export_onnx(network, partial, config)
        parity = check_parity(network, partial)
    return {
        "file": str(out),
        "bytes": out.stat().st_size,
        "max_difference": parity.max_difference,
        "label_agreement": parity.label_agreement,
        "lengths": len(parity.durations),
        "batch_sizes": len(parity.batch_sizes),
    }


def _row(report: Mapping[str, Any]) -> Mapping[str, Any]:
    """The report as one line; what was not measured is empty."""
    speech = report.get("speech") or {}
    rows = [*report.get("lengths", ()), *([speech] if speech else ())]
    return {
        "target": report["target"],
        "precision": report["precision"],
        "bytes": report["bytes"],
        "max_difference": max((row["max_difference"] for row in rows), default=None),
        "label_agreement": (speech or min(rows, key=_agreed, default={})).get("label_agreement"),
        "uar": speech.get("uar"),
        "uar_of_network": speech.get("uar_reference"),
        "latency_ms": report.get("latency_ms"),
        "load_ms": report.get("load_ms"),
        "not_run": report.get("not_run"),
    }


def _agreed(row: Mapping[str, Any]) -> float:
    return float(row["label_agreement"])
