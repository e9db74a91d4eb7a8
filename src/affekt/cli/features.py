"""``affekt features``: tables of what can be measured of recordings."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from affekt.cli._batch import in_order, paced, run_batch
from affekt.cli._common import Format, Row, emit, log
from affekt.cli._inputs import FollowOption, expand, folder_error
from affekt.features.batch import (
    TEXT_WRITERS,
    FeatureJob,
    FeatureRows,
    feature_work,
    measure_files,
)
from affekt.features.extract import NEED_PITCH, checked_sets, table_names
from affekt.features.opensmile import LICENCE, OPENSMILE_SETS
from affekt.features.pitch import require_tracker
from affekt.features.settings import DEFAULT, TRACKERS, FeatureSettings
from affekt.files import atomic_path

GLANCE = (
    *("duration", "time", "pitch_hz", "pitch_hz_mean", "pitch_hz_sd", "voicing", "rms_db"),
    *("rms_db_mean", "speaking_rate", "pause_total", "jitter_local", "shimmer_local"),
    *("hnr_db", "hnr_db_mean", "spectral_centroid_hz"),
)
"""Columns that people are shown; machines get all."""

SUFFIXES = {".csv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}


class Per(str, Enum):
    """What a row is: a file or a frame."""

    file = "file"
    frame = "frame"


class TableFormat(str, Enum):
    """How the table is written."""

    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"


class Tracker(str, Enum):
    """What finds the pitch."""

    swift_f0 = TRACKERS[0]
    pyin = TRACKERS[1]


def command(
    files: Annotated[
        list[str],
        typer.Argument(help="Recordings in any common format, or folders.", show_default=False),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write the table here: .csv, .jsonl or .parquet."),
    ] = None,
    per: Annotated[Per, typer.Option("--per", help="One row per file, or per frame.")] = Per.file,
    sets: Annotated[
        str,
        typer.Option(
            "--sets",
            "-s",
            help="Families, with commas between: mfcc, mel, pitch, energy, spectral, chroma, "
            "voice, rhythm (all of these by default); egemaps, compare (openSMILE's).",
        ),
    ] = "",
    style: Annotated[
        TableFormat | None,
        typer.Option(
            "--format", "-f", help="Default: what the name of --out says, else a table to look at."
        ),
    ] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Take the recordings in folders, too.")
    ] = False,
    follow: FollowOption = True,
    n_mfcc: Annotated[int, typer.Option("--n-mfcc", help="MFCC.")] = DEFAULT.n_mfcc,
    n_mels: Annotated[int, typer.Option("--n-mels", help="Log-mel bands.")] = DEFAULT.n_mels,
    n_fft: Annotated[int, typer.Option("--n-fft", help="Samples of a window.")] = DEFAULT.n_fft,
    hop_length: Annotated[
        int, typer.Option("--hop-length", help="Samples from frame to frame.")
    ] = DEFAULT.hop_length,
    sample_rate: Annotated[
        int, typer.Option("--sample-rate", help="Hz that recordings are brought to.")
    ] = DEFAULT.sample_rate,
    pitch: Annotated[
        Tracker, typer.Option("--pitch", help="What finds the pitch.")
    ] = Tracker.swift_f0,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=0, help="Processes; 0: as many as there are cores.")
    ] = 0,
) -> None:
    """Measure MFCC, log-mel, pitch, energy, spectrum, voice quality and rhythm of recordings.

    Per file, every feature has its mean, deviation, percentiles and slope. A recording that
    cannot be measured becomes a row with its error; the others are still done, and the exit
    status is 1. A run that writes to --out and is interrupted goes on where it stopped when the
    same command is given again. The columns are explained in docs/features.md.

    Examples: affekt features interview.wav;
    affekt features corpus --recursive --out features.parquet;
    affekt features *.wav --per frame --sets pitch,energy --out frames.csv
    """
    settings = FeatureSettings(
        sample_rate=sample_rate,
        n_fft=n_fft,
        hop_length=hop_length,
        n_mfcc=n_mfcc,
        n_mels=n_mels,
        pitch=pitch.value,
    )
    words = tuple(word.strip() for word in sets.split(",") if word.strip())
    job = FeatureJob(checked_sets(words, per.value), per.value, settings)
    names = table_names(job.sets, job.per, settings)
    chosen = _format(style, out)
    if set(job.sets) & OPENSMILE_SETS.keys():
        log(f"note: {LICENCE}")
    sources = list(dict.fromkeys(expand(files, recursive=recursive, follow=follow)))
    # A folder is told what it is, with the extra or without.
    if NEED_PITCH & set(job.sets) and not all(Path(source).is_dir() for source in sources):
        require_tracker(settings.pitch)
    if out is None or str(out) == "-":
        failed = _to_stdout(sources, job, names, chosen, jobs)
    else:
        failed = _to_file(sources, job, names, chosen, jobs, out)
    if failed:
        log(f"error: {failed} of {len(sources)} recordings could not be measured")
        raise typer.Exit(1)


def _format(style: TableFormat | None, out: Path | None) -> TableFormat:
    """Return the format that is meant; refuse, before the work, what cannot be written."""
    to_stdout = out is None or str(out) == "-"
    if style is None and not to_stdout:
        assert out is not None
        if out.suffix.lower() not in SUFFIXES:
            raise typer.BadParameter(
                f"{out}: give it a name that ends in {', '.join(SUFFIXES)}, or say --format"
            )
        style = TableFormat(SUFFIXES[out.suffix.lower()])
    style = style or TableFormat.table
    if style is TableFormat.parquet:
        if to_stdout:
            raise typer.BadParameter("Parquet goes to a file: say --out table.parquet")
        import_module("affekt.formats.parquet").require_pyarrow("features")
    return style


def _to_stdout(
    sources: Sequence[str], job: FeatureJob, names: Sequence[str], style: TableFormat, jobs: int
) -> int:
    """Write the table as it grows; return how many files were bad."""
    failed: list[str] = []
    measured = paced(measure_files(sources, job, jobs), len(sources), "features")
    with closing(in_order(sources, measured)) as rows:
        counted = _counting(rows, failed)
        if style is TableFormat.table:
            _glance(list(counted), names, None)
        else:
            TEXT_WRITERS[style.value](counted, names, sys.stdout)
            sys.stdout.flush()
    return len(failed)


def _to_file(
    sources: Sequence[str],
    job: FeatureJob,
    names: Sequence[str],
    style: TableFormat,
    jobs: int,
    out: Path,
) -> int:
    """Write the table whole or not at all, with a journal until then; return how many are bad."""
    failed: list[str] = []

    def write(measured: Iterator[FeatureRows]) -> None:
        rows = _counting(measured, failed)
        with atomic_path(out) as partial:
            if style is TableFormat.parquet:
                import_module("affekt.formats.parquet").write_features(rows, names, partial)
            elif style is TableFormat.table:
                _glance(list(rows), names, partial)
            else:
                with partial.open("w", encoding="utf-8", errors="backslashreplace") as stream:
                    TEXT_WRITERS[style.value](rows, names, stream)

    run_batch(feature_work(job, names, jobs), sources, out, write)
    return len(failed)


def _counting(rows: Iterator[FeatureRows], failed: list[str]) -> Iterator[FeatureRows]:
    for one in rows:
        measured = replace(one, error=folder_error(one.file, one.error, recursive=False))
        if measured.error:
            failed.append(measured.file)
        yield measured


def _glance(rows: Sequence[FeatureRows], names: Sequence[str], out: Path | None) -> None:
    """Write a selection of columns for people."""
    shown = [name for name in GLANCE if name in names] or []
    if len(shown) < 2:
        shown = list(names[:8])
    places = [names.index(name) for name in shown]
    lines: list[Row] = []
    for measured in rows:
        if measured.error:
            lines.append({"file": measured.file, "error": measured.error})
        for row in measured.values:
            values = {name: float(row[place]) for name, place in zip(shown, places, strict=True)}
            empty = {name: None for name, value in values.items() if value != value}
            lines.append({"file": measured.file, **values, **empty})
    emit(lines, Format.table, out)
    if len(shown) < len(names):
        log(f"{len(shown)} of {len(names)} columns; all of them with --format csv or --out")
