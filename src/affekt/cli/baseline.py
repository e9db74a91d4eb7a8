"""``affekt baseline``: what a model knows of a voice or a room, from recordings without labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from affekt.cli._batch import paced
from affekt.cli._common import (
    Format,
    FormatOption,
    ModelOption,
    OutOption,
    ThreadsOption,
    emit,
    log,
)
from affekt.cli._inputs import FollowOption, expand
from affekt.errors import DataError

if TYPE_CHECKING:
    from affekt.adapt import Baseline

app = typer.Typer(
    no_args_is_help=True,
    help="What a model knows of a voice or a room, from recordings without labels.",
)

SavedOption = Annotated[Path, typer.Option("--out", "-o", help="The JSON file to write.")]


@app.command()
def build(
    files: Annotated[list[str], typer.Argument(help="Recordings of one person, or of one room.")],
    out: SavedOption,
    model: ModelOption = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Take the recordings in folders, too.")
    ] = False,
    follow: FollowOption = True,
    update: Annotated[
        Path | None,
        typer.Option("--update", help="Add to this baseline; it is left as it is."),
    ] = None,
    threads: ThreadsOption = None,
) -> None:
    """Build a baseline from recordings; no labels are needed.

    Eight recordings of a few seconds, of whatever mood, already help; more help more. The file
    holds the mean of embeddings and their number, no sound. A recording that cannot be used gets a
    line with its error, the others count, and the exit status is 1.

    Examples: affekt baseline build my-voice/*.wav --out me.json;
    affekt predict new.wav --baseline me.json
    """
    from affekt.adapt import Baseline
    from affekt.runtime import load_model
    from affekt.runtime.adapted import baseline_of, describe_baseline
    from affekt.runtime.batch import predict_files

    sources = expand(files, recursive=recursive, follow=follow)
    recogniser = load_model(model, threads=threads)
    known = recogniser.baseline([])
    if update is not None:  # one of another model is refused before the work
        known = known.merged(Baseline.load(update))
    usable = []
    for outcome in paced(predict_files(sources, model=recogniser), len(sources), "baseline"):
        if outcome.prediction is None:
            log(f"error: {outcome.error}")
        else:
            usable.append(outcome.prediction)
    if not usable:
        raise DataError("none of the recordings can be used: no baseline is written")
    baseline = known.merged(baseline_of(recogniser.config, usable))
    baseline.save(out)
    log(f"{out}: {describe_baseline(recogniser.config, baseline)}")
    if len(usable) < len(sources):
        raise typer.Exit(1)


@app.command()
def show(
    files: Annotated[list[Path], typer.Argument(help="Baselines.")],
    style: FormatOption = Format.table,
    out: OutOption = None,
) -> None:
    """Show how many recordings baselines are of, and of which model.

    Example: affekt baseline show me.json
    """
    from affekt.adapt import Baseline

    emit([_row(file, Baseline.load(file)) for file in files], style, out)


@app.command()
def merge(
    files: Annotated[list[Path], typer.Argument(help="Baselines of one model.")],
    out: SavedOption,
) -> None:
    """Make one baseline of several, as if it were built from all their recordings.

    Example: affekt baseline merge monday.json tuesday.json --out week.json
    """
    from affekt.adapt import Baseline

    merged, *others = map(Baseline.load, files)
    for other in others:
        merged = merged.merged(other)
    merged.save(out)
    log(f"{out}: a baseline of {merged.count} recordings for the model {merged.model}")


def _row(file: Path, baseline: Baseline) -> dict[str, object]:
    return {
        "file": str(file),
        "model": baseline.model,
        "recordings": baseline.count,
        "size": len(baseline.mean),
        "length": round(float(np.linalg.norm(baseline.mean)), 3),
    }
