"""``affekt train``."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from affekt.cli._common import DataOption, Format, FormatOption, emit, log
from affekt.cli._training import QUICK, RECIPE_HELP, QuickOption, SetOption, read_recipe
from affekt.recipe_files import find_recipe


def command(
    recipe: Annotated[str, typer.Argument(help=RECIPE_HELP)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the run.")],
    source: Annotated[
        list[str] | None,
        typer.Option(
            "--source",
            "-s",
            help="Corpus, CSV manifest, or folder with a sub-folder per emotion; instead of the "
            "recipe's. May be given several times.",
        ),
    ] = None,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            "--teacher",
            "-t",
            help="Model directory to learn from besides the labels. May be given several times.",
        ),
    ] = None,
    set: SetOption = None,
    quick: QuickOption = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights, order, augmentation.")] = 0,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps; default: what the recipe says.")
    ] = "",
    data: DataOption = None,
    format: FormatOption = Format.table,
) -> None:
    """Train a model from a recipe, or continue the run in --out.

    The folder gets checkpoints, history.csv, curves.png, TensorBoard scalars, the figures on
    unheard speakers under test/, and model/, which `affekt predict --model` takes. Ctrl-C saves
    and stops; the same command goes on from there.

    \b
    Examples:
      affekt train cnn --source ravdess --out runs/ravdess
      affekt train cnn --source mine/ --set training.epochs=20 --out runs/mine
      affekt train cnn --source mine/ --quick --out runs/trial
      affekt train nano --teacher runs/live/model --out runs/nano
      affekt predict --model runs/mine/model recording.wav
      torchrun --nproc-per-node 4 -m affekt train cnn -s mine/ -o runs/fast
    """
    find_recipe(recipe)
    if find_spec("torch") and os.environ.get("RANK", "0") == "0":
        log(f"starting {recipe}: the run is written to {out}")  # before torch, which takes seconds
    from dataclasses import replace

    from affekt.cli._training import run_view
    from affekt.evaluation.metrics import SCORES
    from affekt.training.network.processes import is_first
    from affekt.training.recipe.schema import DistilConfig
    from affekt.training.run import train

    shorter = [f"training.{key}={value}" for key, value in QUICK.items()] if quick else []
    loaded = read_recipe(recipe, [*shorter, *(set or ())], device)
    if source:
        loaded = replace(loaded, data=replace(loaded.data, sources=tuple(source)))
    if teacher:
        distil = loaded.distil or DistilConfig()
        loaded = replace(loaded, distil=replace(distil, teachers=tuple(teacher)))
    if not is_first():  # torchrun started several: one of them speaks
        train(loaded, out, root=data, seed=seed)
        return
    try:
        with run_view() as view:
            result = train(loaded, out, root=data, seed=seed, reporter=view, progress=view.reading)
    except KeyboardInterrupt:
        log(f"stopped; the same command continues the run in {out}")
        raise
    rows = [
        {
            "corpus": corpus,
            "clips": metrics.n,
            **{name: round(getattr(metrics, name), 4) for name in SCORES},
        }
        for corpus, metrics in result.test.items()
    ]
    if rows:
        emit(rows, format, title="on the test speakers")
    else:
        log("no speakers were held out for a test, so nothing was measured")
    log(f"model: {result.model}")
