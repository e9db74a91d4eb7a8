"""``affekt benchmark``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from affekt.cli._common import DataOption, Format, FormatOption, emit, log
from affekt.cli._training import RECIPE_HELP, SetOption, name_of_changed, read_recipe


def command(
    protocol: Annotated[str, typer.Argument(help="Name of the protocol, e.g. ravdess-luna5.")],
    recipe: Annotated[str, typer.Option("--recipe", "-r", help=RECIPE_HELP)],
    set: SetOption = None,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds: 0, 1, 2 ...")] = 1,
    folds: Annotated[
        str, typer.Option(help="Names of some folds, e.g. 1,3; then no result is written.")
    ] = "",
    out: Annotated[Path, typer.Option("--out", "-o", help="Where finished folds are kept.")] = Path(
        "runs/benchmark"
    ),
    results: Annotated[Path, typer.Option(help="Where the result's JSON file goes.")] = Path(
        "benchmarks/results"
    ),
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps; default: what the recipe says.")
    ] = "",
    data: DataOption = None,
    format: FormatOption = Format.table,
) -> None:
    """Measure a recipe under a published protocol, fold by fold, without shared speakers.

    With --set, the result is called after the recipe and the changes, or as --set name=NAME says.
    Finished folds are kept: after Ctrl-C the same command goes on from there. The pooled figures
    go to RESULTS/PROTOCOL/RECIPE.json, from which the tables of the documentation are made.

    \b
    Examples:
      affekt benchmark ravdess-luna5 --recipe cnn --seeds 3
      affekt benchmark emodb-loso --recipe cnn --folds 03,08
      affekt benchmark ravdess-luna5 --recipe cnn --set model.pooling=attention
      affekt benchmark loco --recipe cnn
      affekt benchmark emodb-loso-adapted --recipe cnn
      affekt benchmark kshot --recipe cnn
    """
    from dataclasses import replace

    from affekt.cli._training import run_view
    from affekt.evaluation import get_protocol
    from affekt.evaluation.results import write_result
    from affekt.training.benchmark.benchmark import FoldResult, run_benchmark
    from affekt.training.benchmark.embeddings import FoldScore

    loaded = read_recipe(recipe, set, device)
    loaded = replace(loaded, name=name_of_changed(loaded, set))
    chosen = get_protocol(protocol)
    rows = []

    def announce(fold: FoldResult | FoldScore, known: bool) -> None:
        row = {"seed": fold.seed, "fold": fold.fold, "clips": fold.clips, "uar": fold.uar}
        rows.append(row)
        log(
            f"seed {fold.seed}, fold {fold.fold}: UAR {100 * fold.uar:.1f} %"
            + (" (done before)" if known else f", {fold.seconds:.0f} s")
        )

    with run_view(quiet_epochs=True) as view:
        view.title = protocol
        result = run_benchmark(
            chosen,
            loaded,
            out,
            root=data,
            seeds=range(seeds),
            folds=[name.strip() for name in folds.split(",") if name.strip()],
            reporter=view,
            progress=view.reading,
            announce=announce,
        )
    if result is None:
        emit(rows, format, title=f"some folds of {protocol}: not a figure of the protocol")
        return
    path = write_result(result, results)
    names = ("uar", "wa", "weighted_f1", "macro_f1", "ece")
    summary = {"protocol": result.protocol, "recipe": result.recipe, "seeds": len(result.seeds)}
    if result.per_setting:
        emit(
            _setting_rows(result.per_setting, chosen.kind),
            format,
            title=f"{protocol}, {loaded.name}",
        )
    else:
        emit([{**summary, **{name: getattr(result, name).mean for name in names}}], format)
    if result.mean_of_folds:
        log(
            f"worst: {result.worst_fold}, UAR {100 * result.per_fold[result.worst_fold].mean:.1f} %"
        )
    log(f"result: {path}")


def _setting_rows(settings: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return a row for each setting of an adapted or few-shot protocol."""
    if kind == "kshot":
        return [
            {
                "fold": fold,
                "source": source,
                "k": k,
                "uar": score["uar"]["mean"],
                "clips": score["clips"],
            }
            for fold, sources in settings.items()
            for source, shots in sources.items()
            for k, score in shots.items()
        ]
    scores = ("uar", "worst_quarter", "harmed")
    return [
        {
            "drawn": way,
            "n": n,
            **{name: score[name]["mean"] for name in scores},
            "clips": score["clips"],
        }
        for way, counts in settings.items()
        for n, score in counts.items()
    ]
