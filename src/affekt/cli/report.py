"""``affekt report``: the tables of a paper."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from affekt.cli._common import write_text
from affekt.errors import ConfigError


def command(
    folder: Annotated[
        Path, typer.Argument(help="A run, a folder of runs, or of results of affekt benchmark.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write .md or .tex; default: Markdown to stdout."),
    ] = None,
) -> None:
    """Write the table of a paper: systems, intervals, baselines, and how it was done.

    A table for each corpus or protocol: UAR, WA, macro F1 and calibration error with their 95 %
    intervals over speakers, beside what always naming the largest class gives; then a paragraph
    of methods, from what the runs have stored.

    Examples: affekt report runs;
    affekt report runs --out table.tex
    """
    from affekt import __version__
    from affekt.formats.paper import WRITERS, read_rows

    ending = ".md" if out is None else out.suffix.lower()
    if ending not in WRITERS:
        raise ConfigError(f"{out}: end in {' or '.join(WRITERS)}")
    write_text(WRITERS[ending](read_rows(folder), __version__), out)
