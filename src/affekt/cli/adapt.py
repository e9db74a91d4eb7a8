"""``affekt adapt``: a model for one's own labels or voices, from a few labelled recordings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from affekt.cli._common import Format, FormatOption, ModelOption, ThreadsOption, emit, log, progress

if TYPE_CHECKING:
    from affekt.evaluation.metrics import Metrics


def command(
    examples: Annotated[
        Path,
        typer.Option(
            "--examples", "-e", help="Folder with one sub-folder per label, or a CSV manifest."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the new model.")],
    model: ModelOption = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the new model; default: the folder's.")
    ] = None,
    threads: ThreadsOption = None,
    format: FormatOption = Format.table,
) -> None:
    """Adapt a model to a few labelled recordings: new labels, or voices unlike the known ones.

    Sub-folders may have any name, in any language; a folder within them names the speaker
    (tired/anna/1.wav). The new model answers with the labels of the examples. It is a model
    directory like any other. The figures leave out one speaker after the other. An example that
    cannot be used gets a line with its error, the others count, and the exit status is 1.

    \b
    Examples:
      affekt adapt --examples my-recordings --model base --out my-model
      affekt predict new.wav --model my-model
    """
    from affekt.data import open_data
    from affekt.runtime import load_model

    clips = open_data(examples.expanduser().absolute())
    recogniser = load_model(model, threads=threads)
    with progress("examples", len(clips)) as advance:
        found = recogniser.adapt(clips, out, name=name, advance=advance)
    for error in found.errors.values():
        log(f"error: {error}")
    for note in found.notes:
        log(f"warning: {note}")
    rows = [_row(found.base_model, found.before), _row(out.name, found.metrics)]
    emit([row for row in rows if row], format)
    counts = ", ".join(f"{label} {count}" for label, count in found.examples.items())
    log(f"{out}: a model for {counts}; try it with affekt predict --model {out}")
    if found.errors:
        raise typer.Exit(1)


def _row(name: str, metrics: Metrics | None) -> dict[str, Any]:
    """One line of the result; empty where nothing was measured."""
    if metrics is None:
        return {}
    low, high = metrics.ci95.get("uar", (None, None))
    return {
        "model": name,
        "examples": metrics.n,
        "uar": round(metrics.uar, 4),
        "uar_low": low and round(low, 4),
        "uar_high": high and round(high, 4),
        "accuracy": round(metrics.wa, 4),
        "ece": round(metrics.ece, 4),
    }
