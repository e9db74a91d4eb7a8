"""``affekt select``: which recordings are worth a label next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from affekt.cli._batch import paced
from affekt.cli._common import (
    Format,
    FormatOption,
    ModelOption,
    ThreadsOption,
    emit,
    log,
    write_text,
)
from affekt.cli._inputs import FollowOption, expand
from affekt.errors import DataError
from affekt.results import Outcome, Prediction


def command(
    files: Annotated[list[str], typer.Argument(help="Folders of recordings, or recordings.")],
    count: Annotated[int, typer.Option("--n", "-n", min=1, help="How many to choose.")] = 50,
    model: ModelOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Label Studio tasks (.json), or a table (.csv)."),
    ] = None,
    follow: FollowOption = True,
    threads: ThreadsOption = None,
    format: FormatOption = Format.table,
) -> None:
    """Choose recordings to label: those that the model is unsure of, unlike each other.

    Label them in Label Studio, export the project as JSON, and adapt the model to the export. Or
    fill in the column emotion of the table. The configuration of the Label Studio project goes to
    stderr. A recording that cannot be used gets a line with its error, the others count, and the
    exit status is 1.

    \b
    Examples:
      affekt select recordings --n 50 --model base --out tasks.json
      affekt adapt --examples export.json --model base --out my-model
    """
    from affekt.adapt import select_examples
    from affekt.formats.label_studio import choice_tasks, choices_config
    from affekt.runtime import load_model
    from affekt.runtime.batch import predict_files

    sources = expand(files, recursive=True, follow=follow)
    recogniser = load_model(model, threads=threads)
    usable: list[tuple[str, Prediction]] = []
    done: Outcome
    for done in paced(predict_files(sources, model=recogniser), len(sources), "select"):
        if done.prediction is None:
            log(f"error: {done.error}")
        else:
            usable.append((done.file, done.prediction))
    if not usable:
        raise DataError("none of the recordings can be used")
    embeddings = np.array([answer.embedding for _, answer in usable])
    probabilities = np.array([list(answer.scores.values()) for _, answer in usable])
    chosen = [usable[row] for row in select_examples(embeddings, probabilities, count)]
    if out is not None and out.suffix == ".json":
        absolute = ((str(Path(file).absolute()), answer) for file, answer in chosen)
        write_text(choice_tasks(absolute), out)
        log(f"{out}: {len(chosen)} tasks; the labelling configuration of the project:")
        log(choices_config(recogniser.labels))
    else:
        rows = [
            {
                "file": file,
                "emotion": "",
                "answer": answer.label,
                "confidence": round(answer.confidence, 4),
            }
            for file, answer in chosen
        ]
        emit(rows, Format.csv if out is not None and out.suffix == ".csv" else format, out)
    if len(usable) < len(sources):
        raise typer.Exit(1)
