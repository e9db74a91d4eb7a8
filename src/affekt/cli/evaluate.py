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
        str | None,
        typer.Option(
            "--corpus", "-c", help="Corpus, CSV manifest, or folder with a sub-folder per emotion."
        ),
    ] = None,
    timeline: Annotated[
        Path | None,
        typer.Option(
            "--timeline",
            help="Score time lines: a CSV (file, start, end, emotion, speaker), RTTM or JSON of "
            "what is shown when.",
        ),
    ] = None,
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
      affekt evaluate default --timeline course.csv
    """
    if (corpus is None) == (timeline is None):
        raise typer.BadParameter("give one of --corpus and --timeline")
    if corpus is None:
        assert timeline is not None
        if out is not None or fail_if:
            raise typer.BadParameter("--out and --fail-if are for a corpus, not for time lines")
        _score_time_lines(model, timeline, threads, format)
        return
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


def _score_time_lines(model: str, path: Path, threads: int | None, style: Format) -> None:
    from affekt.runtime import load_model
    from affekt.runtime.score import score_truth
    from affekt.turns import read_speakers

    truth = read_speakers(path, truth=True)
    loaded = load_model(model, threads=threads)
    with progress(f"scoring {len(truth.turns)} recordings", len(truth.turns)) as advance:
        scores, errors = score_truth(loaded, truth, advance)
    for name, error in errors.items():
        log(f"left out: {name}: {error}")
    rows = []
    for way, one in scores.items():
        row = one.to_dict()
        recall = {f"recall_{label}": value for label, value in row.pop("recall").items()}
        rows.append({"model": loaded.config.name, "time line": way, **row, **recall})
    if style is not Format.table:
        emit(rows, style)
        return
    names = [name for name in rows[0] if name not in ("model", "time line")]
    turned = [{"score": name, **{row["time line"]: row[name] for row in rows}} for name in names]
    emit(turned, style)
