"""``affekt drift``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from affekt.cli._common import (
    DataOption,
    FailIfOption,
    Format,
    FormatOption,
    ModelOption,
    ThreadsOption,
    emit,
    end_if_failed,
    log,
    progress,
)
from affekt.cli._inputs import FollowOption, expand
from affekt.errors import ConfigError


def command(
    reference: Annotated[Path, typer.Argument(help="The reference: a JSON file.")],
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            help="Answers (.jsonl), recordings, or folders of them.", show_default=False
        ),
    ] = None,
    build: Annotated[
        bool, typer.Option("--build", help="Write the reference from these answers.")
    ] = False,
    corpus: Annotated[
        str, typer.Option("--corpus", "-c", help="Corpus or CSV manifest, with its speakers.")
    ] = "",
    window: Annotated[
        int, typer.Option("--window", min=20, help="With --build: answers in a window.")
    ] = 100,
    model: ModelOption = None,
    fail_if: FailIfOption = None,
    follow: FollowOption = True,
    data: DataOption = None,
    threads: ThreadsOption = None,
    format: FormatOption = Format.table,
) -> None:
    """Say whether answers have changed since a reference: labels, confidence, sound, embeddings.

    No labels are needed. The answers are cut into windows in the order in which they come; each has
    a score, and an alarm above the limit, which fewer than 5 of 1,000 windows pass that have not
    changed. --fail-if alarms=0 ends with status 1 on an alarm.

    \b
    Examples:
      affekt drift reference.json --build --corpus cremad --model base
      affekt drift reference.json january.jsonl --fail-if alarms=0
    """
    from affekt.evaluation.drift import build_reference, read_reference
    from affekt.evaluation.gates import Measured, failures, parse_limits
    from affekt.runtime.drift import answers_of_files

    limits = parse_limits(fail_if or (), ("alarms",))
    known = None if build else read_reference(reference)
    words = sources or []
    stored = [word for word in words if word.endswith(".jsonl")]
    if bool(stored) + bool(len(words) - len(stored)) + bool(corpus) != 1:
        raise ConfigError("name answers (.jsonl), or recordings, or a --corpus: one of them")
    if stored:
        answers = answers_of_files(map(Path, stored))
    else:
        from affekt.data import Clip, open_data
        from affekt.runtime import load_model
        from affekt.runtime.drift import answers_of_model

        if corpus:
            clips = open_data(corpus, data)
        else:
            clips = [Clip(Path(file), "") for file in expand(words, recursive=True, follow=follow)]
        loaded = load_model(model, threads=threads)
        with progress(f"answers for {len(clips)} recordings", len(clips)) as advance:
            answers, errors = answers_of_model(loaded, clips, advance)
        for file, error in errors.items():
            log(f"left out: {file}: {error}")
    if known is None:
        made = build_reference(answers, window=window)
        made.write(reference)
        by = f"{made.speakers} speakers" if made.speakers else "speakers unknown"
        log(f"{reference}: {made.answers} answers, {by}, windows of {made.window}")
        return
    if known.embedding and answers.embeddings is None:
        log("note: the answers have no embeddings: the other statistics alone count")
    windows = known.windows(answers)
    rows = [
        {
            "window": number,
            "score": round(one.score, 3),
            "limit": round(known.limits["score"], 3),
            "alarm": one.alarm,
            "most": [f"{name} {value:.2f}" for name, value in list(one.quotients.items())[:3]],
        }
        for number, one in enumerate(windows, 1)
    ]
    emit(rows, format)
    alarms = sum(one.alarm for one in windows)
    log(f"{alarms} of {len(windows)} windows give an alarm")
    end_if_failed(failures(limits, {"alarms": Measured(alarms, True, "windows with an alarm")}))
