"""``affekt evaluate``."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from affekt.cli._common import (
    DataOption,
    FailIfOption,
    Format,
    FormatOption,
    ThreadsOption,
    emit,
    end_if_failed,
    log,
    progress,
)

LIMITS = ("uar", "ece", "gap", "worst-quarter")


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
    fail_if: FailIfOption = None,
    data: DataOption = None,
    threads: ThreadsOption = None,
    format: FormatOption = Format.table,
) -> None:
    """Score a model on labelled speech: UAR, accuracy, F1, calibration, confusion matrix.

    Runs on the base install. `--split test` takes the speakers that the model's own config names
    as held out; of a corpus that it never saw, all speakers. Clips whose emotion the model does
    not have are left out, and the answer is chosen among the emotions of both sides. Where
    model and corpus say how strongly an emotion is shown, Spearman's correlation is given, too;
    where the corpus has the votes of raters, how near the probabilities are to them.
    Groups that the manifest tells (gender, age, language) and speakers are scored by themselves.
    --fail-if ends with status 1 past a limit: uar=60 and worst-quarter=45 (lowest, in percent),
    ece=10 and gap=8 (highest; points of UAR between two groups).

    \b
    Examples:
      affekt evaluate default --corpus cremad --split test
      affekt evaluate runs/mine/model --corpus mine.csv --split all --out report/
    """
    from affekt.data import open_data
    from affekt.evaluation.gates import failures, of_evaluation, parse_limits
    from affekt.evaluation.report import report_text, write_report
    from affekt.runtime import load_model
    from affekt.runtime.score import clips_of_split, score_model

    limits = parse_limits(fail_if or (), LIMITS)
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
            dimensions=scored.dimensions,
            title=title,
        )
    if format is Format.table:
        typer.echo(report_text(metrics, scored.intensity, scored.dimensions))
    else:
        names = ("n", "uar", "wa", "weighted_f1", "macro_f1", "ece")
        row = {name: getattr(metrics, name) for name in names}
        row |= {f"intensity_{name}": one.value for name, one in scored.intensity.items()}
        if metrics.raters is not None:
            row["js_distance"] = metrics.raters.js_distance
            row["soft_accuracy"] = metrics.raters.soft_accuracy
        if format is Format.json and metrics.fairness is not None:
            row["fairness"] = asdict(metrics.fairness)
        row |= {f"{name}_ccc": one.ccc for name, one in scored.dimensions.items()}
        emit([{"model": loaded.config.name, "corpus": corpus, "split": split, **row}], format)
    end_if_failed(failures(limits, of_evaluation(metrics)))
