"""``affekt explain``: what in a recording speaks for an emotion."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from affekt.cli._common import (
    Format,
    FormatOption,
    ModelOption,
    OutOption,
    ThreadsOption,
    emit,
    log,
    write_text,
)
from affekt.runtime.explain import Explanation

WIDTH = 24  # characters of a bar


def command(
    file: Annotated[str, typer.Argument(help="A recording, two minutes at most.")],
    emotion: Annotated[
        str | None, typer.Option("--emotion", help="What to explain; the answer by default.")
    ] = None,
    window: Annotated[
        float, typer.Option("--window", min=0.01, help="Seconds that are left out at once.")
    ] = 1.0,
    bands: Annotated[
        int, typer.Option("--bands", min=1, help="Number of bands of frequencies.")
    ] = 8,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Also write a figure as PNG (needs matplotlib).")
    ] = None,
    model: ModelOption = None,
    threads: ThreadsOption = None,
    format: FormatOption = Format.table,
    out: OutOption = None,
) -> None:
    """Say which stretches and frequencies of a recording speak for an emotion.

    Each is left out in turn. What falls are the log odds of the emotion: 1.1 means that without the
    stretch it is three times less likely against the others; below 0, the stretch speaks against
    it.

    \b
    Examples:
      affekt explain call.wav
      affekt explain call.wav --emotion angry --format json
      affekt explain call.wav --plot call.png
    """
    from affekt.files import atomic_path
    from affekt.runtime import load_model

    if plot is not None:
        from affekt.formats.report.png import require_matplotlib

        require_matplotlib()
    found = load_model(model, threads=threads).explain(
        file, emotion=emotion, window=window, bands=bands
    )
    if format is Format.table:
        text = "\n".join(_lines(found))
        write_text(text + "\n", out) if out is not None else typer.echo(text)
    else:
        emit([{"file": file, **found.to_dict()}], format, out)
    if plot is not None:
        from affekt.formats.report.png import draw_explanation

        with atomic_path(plot) as partial:
            draw_explanation(found, file, partial)
        log(f"plot: {plot}")


def _lines(found: Explanation) -> Iterator[str]:
    yield f"{found.emotion}, {found.probability:.0%}: what speaks for it (+), and against it (-)"
    rows = {
        **{f"{one.start:.2f} to {one.end:.2f} s": one.contribution for one in found.times},
        **{f"{one.low:.0f} to {one.high:.0f} Hz": one.contribution for one in found.bands},
    }
    largest = max(map(abs, rows.values())) or 1.0
    width = max(map(len, rows))
    for name, value in rows.items():
        bar = ("+" if value > 0 else "-") * round(WIDTH * abs(value) / largest)
        yield f"{name.rjust(width)}  {value:+6.2f}  {bar}".rstrip()
