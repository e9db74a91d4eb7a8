"""Find a model and read its configuration: the model directory, on disk or on a hub.

A model directory holds ``config.json``, ``model.onnx`` and ``README.md`` (the model card), and
``model.safetensors`` for further training. ``model.onnx`` alone is a model too: it carries the
same configuration in its metadata.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from affekt.config import did_you_mean
from affekt.errors import ModelError
from affekt.runtime.config import ModelConfig, parse_config
from affekt.runtime.hub import fetch_model, parse_hub_id

ASSETS = Path(__file__).parent.parent / "assets"
"""Folder of the models inside the package."""

SHIPPED = ("base", "live", "small", "nano")
"""Their names: one for new voices, one that streams, and two smaller ones."""

DEFAULT = "base"
"""The one that is used where none is named, or `DEFAULT_NAME` is."""

DEFAULT_NAME = "default"

DEFAULT_MODEL = ASSETS / DEFAULT

GRAPH_FILE = "model.onnx"
ENCODER_FILE = "encoder.onnx"
HEAD_FILE = "head.onnx"
LITERT_FILE = "model.tflite"
WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
CARD_FILE = "README.md"
METADATA_KEY = "affekt"
"""Where ``model.onnx`` keeps the text of ``config.json``."""


@dataclass(frozen=True)
class Bundle:
    """A model at hand.

    Attributes
    ----------
    graph : Path
        The ONNX or LiteRT file.
    config : ModelConfig or None
        Read from ``config.json``; None for a bare ONNX file, whose metadata tells it.
    """

    graph: Path
    config: ModelConfig | None

    @property
    def directory(self) -> Path:
        """The folder of the model."""
        return self.graph.parent


def open_bundle(id_or_path: str | os.PathLike[str] | None = None) -> Bundle:
    """Find a model and read its configuration.

    Parameters
    ----------
    id_or_path : str or path-like, optional
        A model directory, an ONNX or LiteRT file exported by affekt, a name of `SHIPPED`, or a hub
        id ``org/name`` or ``org/name@revision``; the default model when None or ``"default"``.
        A folder wins.

    Raises
    ------
    ModelError
        If there is no such model, or its directory is incomplete or damaged.
    """
    if id_or_path is None:
        return _shipped(DEFAULT)
    path = Path(id_or_path).expanduser()
    if path.is_dir():
        return read_directory(path)
    name = DEFAULT if str(id_or_path) == DEFAULT_NAME else str(id_or_path)
    if name in SHIPPED:
        return _shipped(name)
    if path.is_file():
        if path.suffix not in (".onnx", ".tflite"):
            raise ModelError(f"{path} is neither a model directory nor an .onnx or .tflite file")
        return Bundle(graph=path, config=None)
    hub_id = parse_hub_id(str(id_or_path)) if isinstance(id_or_path, str) else None
    if hub_id is None:
        near = did_you_mean(str(path), SHIPPED)
        raise ModelError(
            f"no model at {path}: expected a model directory or a hub id (org/name){near}"
        )
    return read_directory(fetch_model(hub_id))


def _shipped(name: str) -> Bundle:
    """Open a model of the package, which may have been installed without it."""
    if not (ASSETS / name / CONFIG_FILE).is_file():
        raise ModelError(
            f"the model {name} is not part of this installation: name a model directory "
            "or a hub id, or reinstall affekt"
        )
    return read_directory(ASSETS / name)


def read_directory(directory: Path) -> Bundle:
    """Read the configuration of a model directory, and check that its graph is there.

    Raises
    ------
    ModelError
        If a file is missing or unreadable, or the configuration is damaged.
    """
    config_file, graph = directory / CONFIG_FILE, directory / GRAPH_FILE
    if not graph.is_file() and (directory / LITERT_FILE).is_file():
        graph = directory / LITERT_FILE
    for path in (config_file, graph):
        if not path.is_file():
            raise ModelError(
                f"{directory} is not a model directory: it has no {path.name} "
                f"(a training run becomes one by `affekt export`)"
            )
    try:
        text = config_file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ModelError(f"{config_file} is not text: fetch the model again") from None
    except OSError as error:
        raise ModelError(f"cannot read {config_file}: {error.strerror}") from None
    return Bundle(graph=graph, config=parse_config(text, str(config_file)))
