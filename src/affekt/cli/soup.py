"""``affekt soup``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from affekt.cli._common import Format, FormatOption, emit, log


def command(
    runs: Annotated[list[Path], typer.Argument(help="Finished runs of one recipe and one start.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Model directory to write.")],
    method: Annotated[
        str,
        typer.Option(
            "--method",
            help="greedy: leave out what lowers the UAR on validation speakers; uniform: take all.",
        ),
    ] = "greedy",
    name: Annotated[
        str,
        typer.Option("--name", help="Name of the model; default: the best run's, and -soup."),
    ] = "",
    format: FormatOption = Format.table,
) -> None:
    """Mix the weights of several runs into one model.

    The mean of the weights of runs that share their start, such as the same pre-training, often
    recognises better than any of them and costs no more than one. Validation speakers choose
    what goes in and calibrate it; norms are measured again over training clips.

    \b
    Examples:
      affekt soup runs/slow runs/fast runs/long --out runs/soup
      affekt soup runs/slow runs/fast --method uniform --out runs/soup
      affekt predict --model runs/soup recording.wav
    """
    from affekt.cli._training import run_view
    from affekt.training.soup import soup

    with run_view() as view:
        result = soup(runs, out, method=method, name=name, progress=view.reading)
    rows: list[dict[str, Any]] = [
        {"model": str(one.run), "validation_uar": round(one.validation_uar, 4), "kept": one.kept}
        for one in result.members
    ]
    rows.append(
        {"model": str(out), "validation_uar": round(result.validation_uar, 4), "kept": None}
    )
    for corpus, metrics in result.test.items():
        rows[-1][f"test_uar_{corpus}"] = round(metrics.uar, 4)
    emit(rows, format, title="on validation speakers")
    if result.spoiled:
        log(
            "warning: the mean recognises less than each run alone: these runs do not share a start"
        )
    elif sum(one.kept for one in result.members) == 1:
        log(f"no other run helped: the soup is {result.members[0].run} alone")
    log(f"model: {out}")
