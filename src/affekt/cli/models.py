"""``affekt models``: metadata of the installed models."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import get_terminal_size
from typing import Annotated, Any

import typer

from affekt.cli._common import Format, FormatOption, OutOption, emit, log, write_text
from affekt.errors import ModelError
from affekt.runtime.bundle import (
    ASSETS,
    DEFAULT_MODEL,
    SHIPPED,
    Bundle,
    open_bundle,
    read_directory,
)
from affekt.runtime.config import ModelConfig
from affekt.runtime.hub import cached_models
from affekt.runtime.metadata import describe_model

LINE_WIDTH = 100  # characters, at most


@dataclass(frozen=True)
class _Entry:
    """A model by the name that loads it."""

    model: str
    graph: Path
    config: ModelConfig

    @property
    def path(self) -> Path:
        """Its folder."""
        return self.graph.parent

    @property
    def size(self) -> int:
        """Bytes of the graph."""
        return self.graph.stat().st_size


def command(
    models: Annotated[
        list[str] | None,
        typer.Argument(help="Model directories or hub ids; default: those at hand."),
    ] = None,
    architectures: Annotated[
        bool,
        typer.Option(
            "--architectures",
            help="Show the networks that a recipe can choose, with their default options.",
        ),
    ] = False,
    style: FormatOption = Format.table,
    out: OutOption = None,
) -> None:
    """Show the facts of the default model and of the models at hand.

    What a model was trained on and under which licence, how it scored under which protocol, and
    what it is for and not for. Models fetched from a hub are listed below those of the package.
    """
    if architectures:
        if models:
            raise typer.BadParameter("--architectures takes no models: it shows what can be built")
        emit(_architectures(style), style, out)
        return
    entries = [_entry(model) for model in models] if models else list(_at_hand())
    if style is not Format.table:
        emit([_row(entry, style) for entry in entries], style, out)
    elif entries:
        write_text("\n".join(_card(entry) for entry in entries), out)
    if not models and not any(entry.path == DEFAULT_MODEL for entry in entries):
        log("the default model is not part of this installation")


def _architectures(style: Format) -> Iterator[dict[str, Any]]:
    """One row for each architecture; it is built and counted, which takes the extra ``train``."""
    from affekt.models import survey

    for facts in survey():
        work = facts.multiply_adds_per_second
        row: dict[str, Any] = {"architecture": facts.name, "parameters": facts.parameters}
        if style is Format.table:
            row["M multiply-adds/s"] = round(work / 1e6, 1)
            row["streams"] = "yes" if facts.streamable else "no"
        else:
            row["multiply_adds_per_second"] = work
            row["streamable"] = facts.streamable
            row["receptive_field"] = facts.receptive_field
            row["frames_per_second"] = facts.frames_per_second
            row["litert"] = facts.litert
            row["paper"] = facts.paper.url if facts.paper else None
        row["summary"] = facts.summary.replace("``", "")
        yield row


def _at_hand() -> Iterator[_Entry]:
    for shipped in SHIPPED:
        if (ASSETS / shipped / "config.json").is_file():
            yield _described(shipped, open_bundle(shipped))
    for directory in cached_models():
        org, _, name = directory.parent.name.partition("--")
        revision = "" if directory.name == "main" else f"@{directory.name}"
        try:
            yield _described(f"{org}/{name}{revision}", read_directory(directory))
        except ModelError as error:
            log(f"warning: {error}")


def _entry(model: str) -> _Entry:
    return _described(model, open_bundle(model))


def _described(model: str, bundle: Bundle) -> _Entry:
    config = bundle.config
    if config is None:
        # A bare ONNX file tells its facts only to the engine that opens it.
        from affekt.runtime.backends import OnnxBackend

        config = OnnxBackend(bundle).config
    return _Entry(model, bundle.graph, config)


def _row(entry: _Entry, style: Format) -> dict[str, Any]:
    config = entry.config
    row: dict[str, Any] = {
        "model": entry.model,
        "path": os.fspath(entry.path),
        "bytes": entry.size,
        "name": config.name,
        "labels": list(config.labels),
        "parameters": config.parameters,
        "licence": config.licence,
        "minimum_duration": config.minimum_duration,
        "streamable": config.streamable,
    }
    if style is Format.json:
        row["training_data"] = [dict(corpus) for corpus in config.training_data]
        row["metrics"] = [dict(metric) for metric in config.metrics]
    return row


def _card(entry: _Entry) -> str:
    facts = [*describe_model(entry.config), ("size", _size(entry.size)), ("lies in", entry.path)]
    title = f"{entry.model}, the default" if entry.path == DEFAULT_MODEL else entry.model
    return f"{title}\n{_aligned([(name, str(value)) for name, value in facts])}"


def _aligned(facts: Sequence[tuple[str, str]]) -> str:
    """Set names in a column, each once, and wrap the sentences beside them."""
    indent = max(len(name) for name, _ in facts) + 4
    width = min(LINE_WIDTH, get_terminal_size((LINE_WIDTH, 24)).columns)
    lines: list[str] = []
    last = ""
    for name, value in facts:
        head = "" if name == last else name
        wrapped = textwrap.wrap(value, max(20, width - indent), break_long_words=False) or [""]
        lines.append(f"  {head:<{indent - 2}}{wrapped[0]}")
        lines += [" " * indent + line for line in wrapped[1:]]
        last = name
    return "".join(f"{line}\n" for line in lines)


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"
