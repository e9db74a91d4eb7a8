"""``affekt evaluate``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from affekt.cli._common import DataOption, Format, FormatOption, ThreadsOption, emit, log, progress


def command(
    model: Annotated[
        str, typer.Argument(help="Model directory, hub id, or 'default' for the shipped model.")
    ],
    corpus: Annotated[
        str,
        typer.Option(
            "--corpus", "-c", help="Corpus, CSV manifest, or folder with a sub-folder per emotion."
        ),
    ],
    split: Annotated[
        str,
        typer.Option(
            "--split", help="test, validation, train or all: the sides the model was trained with."
        ),
    ] = "test",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for report.txt, metrics.json and pictures."),
    ] = None,
    data: DataOption = None,
    threads: ThreadsOption = None,
    format: FormatOption = Format.table,
) -> None:
    """Score a model on labelled speech: UAR, accuracy, F1, calibration, confusion matrix.

    Runs on the base install. `--split test` takes the speakers that the model's own config names
    as held out; of a corpus that it never saw, all speakers. Clips whose emotion the model does
    not have are left out, and the answer is chosen among the emotions of both sides. Where
    model and corpus say how strongly an emotion is shown, Spearman's correlation is given, too.

    \b
    Examples:
      affekt evaluate default --corpus cremad --split test
      affekt evaluate runs/mine/model --corpus mine.csv --split all --out report/
    """
    from affekt.data import open_data
    from affekt.evaluation.report import report_text, write_report
    from affekt.runtime import load_model
    from affekt.runtime.score import clips_of_split, score_model

    loaded = load_model(model, threads=threads)
    clips = clips_of_split(loaded.config, open_data(corpus, data), split)
    with progress(f"scoring {len(clips)} clips", len(clips)) as advance:
        scored = score_model(loaded, clips, advance)
    for name, error in scored.errors.items():
        log(f"left out: {name}: {error}")
    unknown = Counter(clip.emotion for clip in clips if clip.emotion not in loaded.labels)
    for label, count in sorted(unknown.items()):
        log(f"left out: {count} clips labelled {label}, which the model does not know")
    metrics = scored.metrics
    if out is not None:
        title = f"{loaded.config.name} on {corpus}, {split}"
        write_report(
            metrics,
            out,
            probabilities=scored.probabilities,
            targets=scored.targets,
            intensity=scored.intensity,
            title=title,
        )
    if format is Format.table:
        typer.echo(report_text(metrics, scored.intensity))
    else:
        names = ("n", "uar", "wa", "weighted_f1", "macro_f1", "ece")
        row = {name: getattr(metrics, name) for name in names}
        row |= {f"intensity_{name}": one.value for name, one in scored.intensity.items()}
        emit([{"model": loaded.config.name, "corpus": corpus, "split": split, **row}], format)
