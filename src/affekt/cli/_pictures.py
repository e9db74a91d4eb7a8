"""The pictures of `predict` and `timeline`: `--report`, `--plot`, and who speaks in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from affekt.cli._batch import reading
from affekt.cli._common import log, write_text
from affekt.files import atomic_path
from affekt.turns import Speakers, read_speakers

if TYPE_CHECKING:
    from affekt.results import Outcome, Track
    from affekt.runtime import Model, TimelineOptions

ReportOption = Annotated[
    Path | None,
    typer.Option("--report", help="Also write a report as one HTML file, with sound and plots."),
]
PlotOption = Annotated[
    Path | None,
    typer.Option("--plot", help="Also write a figure as PNG (needs matplotlib)."),
]
SpeakersOption = Annotated[
    Path | None,
    typer.Option(
        "--speakers",
        help="Who speaks: a CSV with the columns file and speaker; for time lines also turns, as "
        "RTTM, JSON (whisperX, pyannote, Label Studio) or a CSV with start and end.",
    ),
]


def prepare_pictures(plot: Path | None, speakers: Path | None) -> Speakers | None:
    """Meet what is missing before the work; return who speaks.

    Raises
    ------
    MissingExtraError
        If a plot is wanted and matplotlib is not installed.
    DataError
        If the file of speakers cannot be read.
    """
    if plot is not None:
        from affekt.formats.report.png import require_matplotlib

        require_matplotlib()
    return None if speakers is None else read_speakers(speakers)


def draw(
    model: Model,
    results: Sequence[Outcome | Track],
    report: Path | None,
    plot: Path | None,
    *,
    options: TimelineOptions | None = None,
    speakers: Speakers | None = None,
    measured: bool = True,
) -> None:
    """Write the requested pictures, and report where they are."""
    if report is None and plot is None:
        return
    from affekt.formats.report.exhibit import exhibits

    known = {one.file: speakers.speaker_of(one.file) for one in results} if speakers else {}
    with reading("report", [one.file for one in results]) as on_read:
        found = exhibits(
            *(model, results, options, known),
            sound=report is not None,
            measured=measured,
            on_read=on_read,
        )
        shown = list(found)
    if report is not None:
        from affekt.formats.report import html

        write_text(html.render(shown, model.config), report)
        log(f"report: {report}")
    if plot is not None:
        from affekt.formats.report import png

        with atomic_path(plot) as partial:
            png.draw(shown, model.config, partial)
        log(f"plot: {plot}")
