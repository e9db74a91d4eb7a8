"""Where a model can go: one module per target, and the way that all of them share.

A target's module defines

- ``export(job, folder) -> Artefact``: writes its files into a new folder, and says how to run them;

and is imported only when it is used, because each needs packages of its own.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from affekt.errors import ConfigError, ModelError
from affekt.export.artefact import PRECISIONS, ExportJob
from affekt.export.check import parity
from affekt.export.check.domain import check_domain, measured_domain, with_domain
from affekt.export.check.recordings import Calibration, calibration_recordings, unheard_speech
from affekt.export.model_directory import read_network
from affekt.files import json_text
from affekt.runtime.bundle import (
    ASSETS,
    CARD_FILE,
    CONFIG_FILE,
    ENCODER_FILE,
    GRAPH_FILE,
    HEAD_FILE,
    WEIGHTS_FILE,
)
from affekt.runtime.card import model_card
from affekt.runtime.domain import KEY
from affekt.runtime.stored_answers import PARITY_FILE

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Target:
    """A place that a model can go."""

    module: str
    summary: str
    precisions: tuple[str, ...] = ("fp32", "fp16", "int8")
    calibrated: tuple[str, ...] = ("int8",)
    streams: bool = False


TARGETS: Mapping[str, _Target] = MappingProxyType(
    {
        "onnx": _Target(
            "affekt.export.targets.onnx",
            "a model directory for ONNX Runtime",
            ("fp32", "fp16", "int8", "int8-weights"),
            streams=True,
        ),
        "tensorrt": _Target(
            "affekt.export.targets.tensorrt",
            "the graph, and scripts that build an engine",
            ("fp32", "int8"),
        ),
        "triton": _Target(
            "affekt.export.targets.triton", "a model repository for Triton, and a client"
        ),
        "litert": _Target(
            "affekt.export.targets.litert",
            "model.tflite for phones and small boards",
            precisions=PRECISIONS,
            calibrated=("int8-static",),
        ),
        "web": _Target(
            "affekt.export.targets.web", "a folder for browsers: page, module, engine", streams=True
        ),
    }
)


def weights_folder(path: Path) -> Path:
    """The model directory with weights that a path means: itself, or that of a finished run.

    Raises
    ------
    ModelError
        If there is no such folder, or it has no weights.
    """
    for folder in (path, path / "model"):
        if (folder / WEIGHTS_FILE).is_file():
            return folder
    if not path.exists():
        raise ModelError(f"no model at {path}: expected a model directory or a finished run")
    shipped = path.resolve().parent == ASSETS.resolve()
    raise ModelError(
        f"{path} has no {WEIGHTS_FILE}: only a model directory with its weights, or a finished "
        "run, can be exported"
        + ("; of the shipped models, live has them in a clone of the project" if shipped else "")
    )


def export_model(
    source: Path,
    target: str,
    out: Path,
    *,
    precision: str = "fp32",
    calibration: Path | None = None,
    data: Path | None = None,
    window: float = 3.0,
    name: str | None = None,
    streaming: bool = True,
    force: bool = False,
) -> dict[str, Any]:
    """Write a model for a target, and measure what has become of it.

    Parameters
    ----------
    source : Path
        Model directory with its weights, or a finished run.
    target : str
        One of ``TARGETS``.
    out : Path
        Folder, made if missing. Nothing in it is touched before the new files are measured.
    precision : str
        ``"fp32"``, ``"fp16"`` or ``"int8"``; LiteRT has ``"int8-dynamic"`` and ``"int8-static"``
        as well.
    calibration : Path, optional
        Folder of recordings for int8; by default clips that the model has learned from.
    data : Path, optional
        Where the corpora lie.
    window : float
        Seconds of the window, for targets that fix it.
    name : str, optional
        What the model is called from now on.
    streaming : bool
        Write the files that stream, where target and network have them. Without, the model takes
        streams by windows, as one that cannot stream.
    force : bool
        Write what lies beyond the limits as well.

    Returns
    -------
    dict
        The contents of ``parity.json``.

    Raises
    ------
    ConfigError
        If the target is unknown or does not support the options.
    ModelError
        If the export answers too differently.
    """
    module = _module(target, precision)
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is a file: --to {target} writes a folder")
    weights = weights_folder(source)
    network, config = read_network(weights)
    config = _told(config, name, streaming and TARGETS[target].streams)
    domain = measured_domain(weights)
    calibrated = precision in TARGETS[target].calibrated
    recordings = calibration_recordings(config, calibration, data) if calibrated else Calibration()
    job = ExportJob(network, config, precision, recordings.waveforms, window)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
        folder = Path(scratch)
        artefact = module.export(job, folder)
        report: dict[str, Any] = {"model": config["name"], "target": target, "precision": precision}
        if calibrated:
            report["calibration"] = recordings.metadata()
        speech = unheard_speech(config, data)
        report |= parity.measure(job, artefact, folder, speech)
        broken = parity.beyond_limits(report)
        if broken and not force:
            raise ModelError(
                f"{target} {precision} is not what the network is: {'; '.join(broken)}. "
                "Nothing was written; --force writes it all the same"
            )
        if domain is not None:
            report[KEY] = check_domain(domain, job, artefact, folder, speech)
        _finish(folder, with_domain(config, domain, report.get(KEY)), report)
        _move(folder, out)
    return report


def _told(config: Mapping[str, Any], name: str | None, streams: bool) -> dict[str, Any]:
    """The configuration of an export: its name, and whether it streams."""
    config = {**config, "name": name or config["name"]}
    if not streams:
        config = {**config, "streamable": False}
        config.pop("streaming", None)
    return config


def _module(target: str, precision: str) -> Any:
    if target not in TARGETS:
        raise ConfigError(f"unknown target {target!r}: expected one of {', '.join(TARGETS)}")
    if precision not in PRECISIONS:
        raise ConfigError(f"unknown precision {precision!r}: one of {', '.join(PRECISIONS)}")
    if precision not in TARGETS[target].precisions:
        raise ConfigError(
            f"--to {target} comes in {', '.join(TARGETS[target].precisions)}, not in {precision}"
        )
    return import_module(TARGETS[target].module)


def _finish(folder: Path, config: Mapping[str, Any], report: Mapping[str, Any]) -> None:
    """Add what every target has: the configuration, the report, and the model card."""
    for path in folder.rglob(CONFIG_FILE):  # that of a model inside a site
        path.write_text(json_text(config), encoding="utf-8")
    texts = {
        CONFIG_FILE: json_text(config),
        PARITY_FILE: json_text(report),
        CARD_FILE: model_card(config, report["graph_bytes"], report["graph"])
        + parity.card_section(report),
    }
    for name, text in texts.items():
        if not (folder / name).exists():
            (folder / name).write_text(text, encoding="utf-8")


def _move(folder: Path, out: Path) -> None:
    """Put new files in the place of old ones, each whole; other files there stay.

    But not what streams: beside a new graph it would be of another one.
    """
    if (folder / GRAPH_FILE).is_file():
        for name in (ENCODER_FILE, HEAD_FILE):
            if not (folder / name).is_file():
                (out / name).unlink(missing_ok=True)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            place = out / path.relative_to(folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(path, place)
