"""``affekt search``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from affekt.cli._common import DataOption, Format, FormatOption, emit, log
from affekt.cli._training import RECIPE_HELP, SetOption, read_recipe
from affekt.recipe_files import SPACES, recipe_names

if TYPE_CHECKING:
    from affekt.training.search.study import Trial

_SHOWN = 10  # trials of the table at the end


def command(
    recipe: Annotated[str, typer.Argument(help=RECIPE_HELP)],
    space: Annotated[
        str,
        typer.Option(
            "--space",
            help="Name or TOML file of the keys to search and their values. "
            f"By name: {', '.join(recipe_names(SPACES))}.",
        ),
    ],
    trials: Annotated[
        int, typer.Option("--trials", min=1, help="Trials in all, those of earlier calls included.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the search.")],
    protocol: Annotated[
        str, typer.Option(help="Train and validate on its folds; default: the recipe's own split.")
    ] = "",
    folds: Annotated[str, typer.Option(help="Names of some folds, e.g. 1,3; default: all.")] = "",
    source: Annotated[
        list[str] | None,
        typer.Option(
            "--source",
            "-s",
            help="Corpus, CSV manifest, or folder with a sub-folder per emotion; instead of the "
            "recipe's. May be given several times.",
        ),
    ] = None,
    set: SetOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of what is tried, and of training.")] = 0,
    timeout: Annotated[
        float, typer.Option(min=0, help="Stop after so many minutes; 0 never does.")
    ] = 0,
    prune: Annotated[
        bool, typer.Option("--prune/--no-prune", help="Give up trials that fall behind.")
    ] = True,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps; default: what the recipe says.")
    ] = "",
    data: DataOption = None,
    format: FormatOption = Format.table,
) -> None:
    """Search for good values of a recipe, or continue the search in --out.

    Every trial trains the recipe with other values and is scored by UAR on validation speakers
    alone: test speakers are taken out before anything is computed. The folder gets best.toml, a
    recipe for `affekt train` and `affekt benchmark`, trials.csv and history.png. Ctrl-C saves and
    stops; the same command goes on from there.

    \b
    Examples:
      affekt search cnn --space cnn
        --protocol ravdess-luna5 --folds 1,3 --trials 30 --out runs/search
      affekt search cnn --space cnn
        --source my-recordings --trials 20 --timeout 60 --out runs/search-mine
      affekt benchmark ravdess-luna5 --recipe runs/search/best.toml
    """
    from dataclasses import replace

    from affekt.cli._training import run_view
    from affekt.evaluation import get_protocol
    from affekt.training import read_space, search
    from affekt.training.search.search import BEST_FILE
    from affekt.training.search.study import DONE, row_of

    if source and protocol:
        raise typer.BadParameter("--source and --protocol both say what is trained on: choose one")
    if folds and not protocol:
        raise typer.BadParameter("--folds are those of a protocol: add --protocol")
    loaded = read_recipe(recipe, set, device)
    if source:
        loaded = replace(loaded, data=replace(loaded.data, sources=tuple(source)))

    def announce(trial: Trial, best: Trial | None) -> None:
        view.title = f"trial {trial.number + 1} of {trials}"
        log(_line(trial, best, trials))

    try:
        with run_view(quiet_epochs=True) as view:
            view.title = "search"
            result = search(
                loaded,
                read_space(space, loaded),
                out,
                trials=trials,
                protocol=get_protocol(protocol) if protocol else None,
                folds=[name.strip() for name in folds.split(",") if name.strip()],
                root=data,
                seed=seed,
                seconds=60 * timeout,
                prune=prune,
                reporter=view,
                progress=view.reading,
                announce=announce,
            )
    except KeyboardInterrupt:
        log(f"stopped; the same command continues the search in {out}")
        raise
    if len(result.trials) < trials:
        log(f"the time is over; the same command continues the search in {out}")
    done = [trial for trial in result.trials if trial.state == DONE]
    done.sort(key=lambda trial: -(trial.validation_uar or 0.0))
    rows = [row_of(trial) for trial in done[:_SHOWN]]
    if format is Format.table:
        rows = [_for_people(row) for row in rows]
    emit(rows, format, title="by UAR on validation speakers")
    log(f"best recipe: {out / BEST_FILE}")


def _for_people(row: dict[str, Any]) -> dict[str, Any]:
    """A row without its state, which is the same in all, and with small numbers in full."""
    found = {key: value for key, value in row.items() if key not in ("state", "note")}
    return {
        key: f"{value:g}" if isinstance(value, float) and "." in key else value
        for key, value in found.items()
    }


def _line(trial: Trial, best: Trial | None, trials: int) -> str:
    """How a trial went, for people."""
    text = f"trial {trial.number} of {trials}: {trial.state}"
    if trial.validation_uar is not None:
        text += f", UAR {100 * trial.validation_uar:.1f} %"
    if best and best.number != trial.number:
        text += f" (best {100 * (best.validation_uar or 0.0):.1f} %, trial {best.number})"
    text += f", {trial.note}" if trial.note else f", {trial.seconds:.0f} s"
    return text + "; " + ", ".join(f"{key} = {value}" for key, value in trial.values.items())
