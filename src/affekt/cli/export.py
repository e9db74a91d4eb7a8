"""``affekt export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from affekt.cli._common import Format, FormatOption, emit, log


def command(
    model: Annotated[
        Path, typer.Argument(help="Model directory with its weights, or a finished run.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write, e.g. model.onnx.")],
    format: FormatOption = Format.table,
) -> None:
    """Export a model to ONNX and prove that the file answers as the network does.

    The file takes float32 waveforms [batch, samples] at the model's rate, of any length and
    number, and gives calibrated probabilities and embeddings. It carries the labels and the rest
    of config.json in its metadata, so that it can be used alone.

    \b
    Examples:
      affekt export runs/ravdess --out ravdess.onnx
      affekt predict --model ravdess.onnx recording.wav
    """
    from affekt.errors import ConfigError
    from affekt.export import check_parity, export_onnx
    from affekt.export.model_directory import WEIGHTS_FILE, read_network
    from affekt.files import atomic_path

    if out.suffix != ".onnx":
        raise ConfigError(f"{out}: an export to ONNX ends in .onnx")
    if not (model / WEIGHTS_FILE).is_file() and (model / "model" / WEIGHTS_FILE).is_file():
        model = model / "model"
    network, config = read_network(model)
    with atomic_path(out) as partial:  # a file that fails the proof never gets the name
        export_onnx(network, partial, config)
        parity = check_parity(network, partial)
    row = {
        "file": str(out),
        "bytes": out.stat().st_size,
        "max_difference": parity.max_difference,
        "label_agreement": parity.label_agreement,
        "lengths": len(parity.durations),
        "batch_sizes": len(parity.batch_sizes),
    }
    emit([row], format)
    log("differences are between probabilities of the file and of the network")
