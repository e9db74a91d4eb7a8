"""``affekt predict``: say which emotion each recording carries."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from affekt.cli._common import (
    Format,
    FormatOption,
    ModelOption,
    OutOption,
    ThreadsOption,
    log,
    watched,
    write_text,
)
from affekt.cli._inputs import expand
from affekt.errors import AudioError
from affekt.files import atomic_path
from affekt.runtime import Model, Prediction, load_model
from affekt.runtime.formats import Outcome

STDIN = "-"


def command(
    files: Annotated[
        list[str],
        typer.Argument(
            help="Recordings in any common format; - reads one from stdin.", show_default=False
        ),
    ],
    model: ModelOption = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Take the recordings in folders, too.")
    ] = False,
    style: FormatOption = Format.table,
    out: OutOption = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="Also write a picture as one HTML file.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Also write a picture as PNG (needs matplotlib).")
    ] = None,
    threads: ThreadsOption = None,
) -> None:
    """Say which emotion each recording carries.

    Every recording gets one answer: the most probable emotion, with its calibrated probability.
    A recording that cannot be judged gets a line with its error; the others are still done, and
    the exit status is 1.

    Examples: affekt predict interview.wav;
    affekt predict *.wav --format json;
    affekt predict folder --recursive --report report.html
    """
    sources = expand(files, recursive=recursive)
    if plot is not None:
        # Before the work, not after it, when the answer would be lost.
        import_module("affekt.runtime.formats.png").require_matplotlib()
    recogniser = load_model(model, threads=threads)
    kept: list[Outcome] = []
    outcomes = _watch(_judge(recogniser, sources, recursive), kept)
    if style is Format.table and len(sources) == 1:
        _write_single(outcomes, recogniser, out)
    else:
        _write(_lines(style, outcomes, recogniser, sources, out), out)
    _draw(kept, recogniser, report, plot)
    _close(kept, style)


def _judge(model: Model, sources: Sequence[str], recursive: bool) -> Iterator[Outcome]:
    opened: Iterable[Any] = (
        sys.stdin.buffer.read() if source == STDIN else Path(source) for source in sources
    )
    # One clip at a time: each line appears as soon as it is known.
    answers = model.predict_each(opened, batch_size=1)
    for source, answer in zip(sources, answers, strict=True):
        if isinstance(answer, Prediction):
            yield Outcome(source, prediction=answer)
        else:
            yield Outcome(source, error=_explain(source, answer, recursive))


def _explain(source: str, error: AudioError, recursive: bool) -> str:
    if Path(source).is_dir():
        if recursive:
            return f"{source}: this folder holds no recordings; name one that does"
        return f"{source}: is a folder: add --recursive, or name its files ({source}/*.wav)"
    return " ".join(str(error).split())


def _watch(outcomes: Iterable[Outcome], kept: list[Outcome]) -> Iterator[Outcome]:
    """Pass outcomes on and keep them, for the pictures and the exit status."""
    for outcome in outcomes:
        kept.append(outcome)
        yield outcome


def _write_single(outcomes: Iterator[Outcome], model: Model, out: Path | None) -> None:
    """Write the table of one recording; its error is the command's error, not a row."""
    outcome = next(outcomes)
    if outcome.prediction is None:
        raise AudioError(outcome.error)
    _write(_lines(Format.table, [outcome], model, [outcome.file], out), out)


def _lines(
    style: Format,
    outcomes: Iterable[Outcome],
    model: Model,
    sources: Sequence[str],
    out: Path | None,
) -> Iterator[str]:
    module = import_module(f"affekt.runtime.formats.{style.value}")
    if style is not Format.table:
        written: Iterator[str] = module.lines(outcomes, model.labels)
        return written
    look = module.Style(
        file_width=min(50, max(4, *(len(source) for source in sources))),
        color=out is None and watched(),
        unicode=out is not None or _shows_blocks(),
    )
    drawn: Iterator[str] = module.lines(outcomes, model.labels, look)
    return drawn


def _shows_blocks() -> bool:
    try:
        "█▏".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _write(lines: Iterator[str], out: Path | None) -> None:
    if out is None or str(out) == STDIN:
        for line in lines:
            typer.echo(line)
    else:
        write_text("".join(f"{line}\n" for line in lines), out)


def _draw(
    outcomes: Sequence[Outcome], model: Model, report: Path | None, plot: Path | None
) -> None:
    if report is not None:
        from affekt.runtime.formats import html

        write_text(html.render(outcomes, model.config), report)
        log(f"report: {report}")
    if plot is not None:
        from affekt.runtime.formats import png

        with atomic_path(plot) as partial:
            png.draw(outcomes, model.config, partial)
        log(f"plot: {plot}")


def _close(outcomes: Sequence[Outcome], style: Format) -> None:
    failed = [outcome for outcome in outcomes if outcome.error]
    if not failed:
        return
    if len(outcomes) == 1:
        raise AudioError(failed[0].error)
    log(f"error: {len(failed)} of {len(outcomes)} recordings could not be judged")
    raise typer.Exit(1)
