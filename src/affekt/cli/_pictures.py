"""The pictures of `predict` and `timeline`: `--report`, `--plot`, and who speaks in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from affekt.cli._common import log, write_text
from affekt.data.manifest import read_rows
from affekt.errors import DataError
from affekt.files import atomic_path

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
        "--speakers", help="CSV with the columns file and speaker: the report sums up by speaker."
    ),
]


def prepare_pictures(plot: Path | None, speakers: Path | None) -> dict[str, str]:
    """Meet what is missing before the work; return who speaks in which file.

    Raises
    ------
    MissingExtraError
        If a plot is wanted and matplotlib is not installed.
    DataError
        If the list of speakers cannot be read.
    """
    if plot is not None:
        from affekt.formats.report.png import require_matplotlib

        require_matplotlib()
    return {} if speakers is None else _read_speakers(speakers)


def _read_speakers(path: Path) -> dict[str, str]:
    """Return who speaks in each file, by its absolute path: a manifest will do.

    Raises
    ------
    DataError
        If the file is not there, or has other columns.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path}: expected a CSV in UTF-8 with the columns file, speaker") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    rows = read_rows(text, path)
    _, header = next(rows, (0, []))
    if not {"file", "speaker"} <= set(header):
        raise DataError(f"{path}: expected a CSV with the columns file and speaker")
    found = {}
    for _, row in rows:
        values = dict.fromkeys(header, "") | dict(zip(header, row, strict=False))
        found[absolute(path.parent / values["file"])] = values["speaker"]
    return found


def draw(
    model: Model,
    results: Sequence[Outcome | Track],
    report: Path | None,
    plot: Path | None,
    *,
    options: TimelineOptions | None = None,
    speakers: Mapping[str, str] | None = None,
) -> None:
    """Write the requested pictures, and report where they are."""
    if report is None and plot is None:
        return
    from affekt.formats.report.exhibit import exhibits

    known = {one.file: (speakers or {}).get(absolute(Path(one.file)), "") for one in results}
    shown = list(exhibits(model, results, options, known, sound=report is not None))
    if report is not None:
        from affekt.formats.report import html

        write_text(html.render(shown, model.config), report)
        log(f"report: {report}")
    if plot is not None:
        from affekt.formats.report import png

        with atomic_path(plot) as partial:
            png.draw(shown, model.config, partial)
        log(f"plot: {plot}")


def absolute(path: Path) -> str:
    """Return the name under which the speaker of a file is known."""
    return str(path.expanduser().resolve())
