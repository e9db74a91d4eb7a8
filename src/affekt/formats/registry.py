"""The output formats by name: what each holds, and how its text is made.

>>> from affekt.formats.registry import FORMATS, text_lines
>>> sorted(FORMATS)
['audacity', 'csv', 'eaf', 'hf', 'json', 'label-studio', 'rttm', 'srt', 'textgrid', 'tsv', 'vtt']
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module

from affekt.errors import AffektError
from affekt.plugins import Registry
from affekt.results import Outcome, Track, as_track


@dataclass(frozen=True)
class OutputFormat:
    """What an output format can hold.

    Attributes
    ----------
    module : str
        With a leading dot, relative to ``affekt.formats``. It has ``lines``, see `text_lines`.
    suffix : str
        How the name of its files ends.
    several : bool
        Whether one output holds many recordings.
    rows : bool
        Whether it has a table row for a prediction, apart from the segments of a time line.
    viewer : bool
        Whether players and editors show all of it, so that warnings are in it only if asked for.
    """

    module: str
    suffix: str
    several: bool = False
    rows: bool = False
    viewer: bool = False


FORMATS: Registry[OutputFormat] = Registry(
    "affekt.formats",
    OutputFormat,
    {
        "json": OutputFormat(".json", ".jsonl", several=True, rows=True),
        "csv": OutputFormat(".csv", ".csv", several=True, rows=True),
        "tsv": OutputFormat(".tsv", ".tsv", several=True, rows=True),
        "srt": OutputFormat(".srt", ".srt", viewer=True),
        "vtt": OutputFormat(".vtt", ".vtt", viewer=True),
        "audacity": OutputFormat(".audacity", ".txt", viewer=True),
        "textgrid": OutputFormat(".textgrid", ".TextGrid"),
        "rttm": OutputFormat(".rttm", ".rttm", several=True),
        "eaf": OutputFormat(".eaf", ".eaf"),
        "label-studio": OutputFormat(".label_studio", ".json", several=True),
        "hf": OutputFormat(".hf", ".json", several=True),
    },
)


def text_lines(
    name: str,
    results: Iterable[Track | Outcome],
    labels: Sequence[str],
    *,
    warnings: bool = False,
) -> Iterator[str]:
    """Yield the text of results in a format, line by line, as soon as each is known.

    Parameters
    ----------
    name : str
        One of `FORMATS`.
    results : iterable of Outcome, or of Track
        Predictions or time lines, not both; one alone where the format holds one.
    labels : sequence of str
        The emotions of the model.
    warnings : bool
        Whether what players and editors show (`OutputFormat.viewer`) tells warnings and quality,
        too; the others always do.

    Raises
    ------
    AffektError
        If there is no such format, or it cannot hold the results.
    """
    if name not in FORMATS:
        raise AffektError(f"no output format {name!r}: choose one of {', '.join(FORMATS)}")
    form = FORMATS[name]
    module = import_module(form.module, "affekt.formats")
    results = iter(results)
    first = next(results, None)
    if form.rows and not isinstance(first, Outcome):
        yield from module.track_lines(_chain(first, results), labels)
        return
    if form.rows:
        yield from module.lines(_chain(first, results), labels)
        return
    tracks = map(as_track, _chain(first, results))
    if form.viewer and not warnings:
        tracks = map(_without_warnings, tracks)
    yield from module.lines(tracks if form.several else _alone(name, tracks), labels)


def holding_several() -> list[str]:
    """Return the names of the formats of which one output holds many recordings."""
    return [name for name, form in FORMATS.items() if form.several]


def _without_warnings(track: Track) -> Track:
    return replace(
        track,
        segments=tuple(replace(one, warnings=()) for one in track.segments),
        warnings=(),
        quality=None,
        ood_score=None,
    )


def _chain(
    first: Track | Outcome | None, rest: Iterable[Track | Outcome]
) -> Iterator[Track | Outcome]:
    if first is not None:
        yield first
    yield from rest


def _alone(name: str, tracks: Iterator[Track]) -> Iterator[Track]:
    yield from (track for track in (next(tracks, None),) if track is not None)
    if next(tracks, None) is not None:
        raise AffektError(
            f"the format {name} holds one recording a file: write each to its own, or choose "
            f"{', '.join(holding_several())}"
        )
