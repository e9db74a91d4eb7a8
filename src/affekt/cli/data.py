"""``affekt data``: list, download, audit and split speech corpora."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from affekt.cli._common import (
    DataOption,
    Format,
    FormatOption,
    OutOption,
    emit,
    log,
    progress,
)
from affekt.config import did_you_mean
from affekt.data import CORPORA, Clip, Corpus, data_root, open_data, write_manifest
from affekt.data.corpora import is_whole
from affekt.data.manifest import SPLITS
from affekt.data.root import corpus_folder
from affekt.errors import DataError
from affekt.labels import EMOTIONS

app = typer.Typer(
    help="List, download, audit and split speech corpora.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

SourceArgument = Annotated[
    str,
    typer.Argument(
        help="A corpus, a CSV manifest, or a folder with one sub-folder per emotion.",
        show_default=False,
    ),
]


@app.command("list")
def list_corpora(data: DataOption = None, style: FormatOption = Format.table) -> None:
    """List the public corpora: what is at hand, and under which licence.

    Examples: affekt data list;
    affekt data list --format json
    """
    rows = [_corpus_row(corpus, data, style) for corpus in CORPORA.values()]
    emit(rows, style, title=f"Corpora in {data_root(data)}")


def _corpus_row(corpus: Corpus, data: Path | None, style: Format) -> dict[str, Any]:
    clips, state = _at_hand(corpus, data)
    row: dict[str, Any] = {
        "corpus": corpus.name,
        "at_hand": state,
        "clips": len(clips),
        "of_clips": corpus.clips,
        "speakers": len({clip.speaker for clip in clips} - {""}),
        "of_speakers": corpus.speakers,
        "language": corpus.language,
        "emotions": len(corpus.emotions),
        "licence": corpus.licence,
        "commercial_use": corpus.commercial_use,
    }
    if style is not Format.table:
        folder = corpus_folder(corpus.name, data)
        row["emotions"] = list(corpus.emotions)
        row.update(title=corpus.title, homepage=corpus.homepage, folder=str(folder))
    return row


def _at_hand(corpus: Corpus, data: Path | None) -> tuple[list[Clip], str]:
    """Return what can be read of a corpus, and its state in a word."""
    folder = corpus_folder(corpus.name, data)
    if not folder.is_dir():
        return [], "no"
    try:
        clips = corpus.read(folder)
    except DataError as error:
        log(f"warning: {error}")
        return [], "broken"
    if not clips:
        return clips, "no"
    return clips, "yes" if is_whole(corpus, folder, clips) else "in part"


@app.command("get")
def get(
    names: Annotated[
        list[str],
        typer.Argument(help="Corpora, as 'affekt data list' names them.", show_default=False),
    ],
    data: DataOption = None,
    mirror: Annotated[
        str | None,
        typer.Option("--mirror", help="Address that serves the same files; default: the home."),
    ] = None,
) -> None:
    """Download corpora from their official homes.

    What is there already is not fetched again; a transfer that broke off goes on where it was.
    The corpora belong to their authors: read the licence that is printed before you use one.

    Examples: affekt data get emodb;
    affekt data get ravdess cremad --data corpora
    """
    from affekt.data.fetch import fetch

    unknown = [name for name in names if name not in CORPORA]
    if unknown:
        expected = ", ".join(sorted(CORPORA))
        near = did_you_mean(unknown[0], CORPORA)
        raise DataError(f"unknown corpus {', '.join(unknown)}: expected one of {expected}{near}")
    for corpus in (CORPORA[name] for name in names):
        use = {"no": "Not for commercial use.", "unclear": "Ask the authors before commercial use."}
        log(corpus.title)
        log(f"Licence: {corpus.licence}. {use.get(corpus.commercial_use, '')}")
        log(f"Home: {corpus.homepage}")
        clips = fetch(corpus, data, mirror=mirror, progress=progress)
        typer.echo(f"{corpus.name}: {len(clips)} clips in {corpus_folder(corpus.name, data)}")


@app.command("audit")
def audit_source(
    source: SourceArgument,
    data: DataOption = None,
    allow_leak: Annotated[
        bool, typer.Option("--allow-leak", help="Exit with 0 even if the split leaks.")
    ] = False,
    style: FormatOption = Format.table,
    out: OutOption = None,
    min_duration: Annotated[
        float, typer.Option("--min-duration", min=0.0, help="Report shorter clips, in seconds.")
    ] = 0.3,
) -> None:
    """Find faults of a data set: repeats, silence, clipping, wrong labels, leaks.

    Every recording is decoded once. If a speaker or a recording stands on more than one side of
    the split, the exit status is 1.

    Examples: affekt data audit emodb;
    affekt data audit clips.csv --format json --out findings.jsonl
    """
    from affekt.data.audit import KINDS, audit

    report = audit(
        open_data(source, data),
        min_duration=min_duration,
        progress=progress,
        workers=min(4, os.cpu_count() or 1),
    )
    rows = [
        {"kind": finding.kind, "files": list(finding.files), "detail": finding.detail}
        for finding in report.findings
    ]
    if rows or style is Format.json:
        emit(_shortened(rows) if style is Format.table else rows, style, out)
    log(f"{report.clips} clips, {report.seconds / 60:.1f} minutes")
    for kind, count in report.counts.items():
        log(f"{count:6} {kind}: {KINDS[kind]}")
    if not report.findings:
        log("nothing to complain about")
    if report.leaks and not allow_leak:
        raise DataError(
            "the split leaks: figures measured on it would be too high; split again with "
            "'affekt data split', or say --allow-leak"
        )


def _shortened(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out the folders that all files share, so that a table fits a terminal."""
    folders = {os.path.dirname(name) for row in rows for name in row["files"]}
    try:
        common = os.path.commonpath(folders)
    except ValueError:  # no files at all, or some of them relative, or on different drives
        return list(rows)
    cut = len(common) + 1 if common else 0
    return [{**row, "files": [name[cut:] for name in row["files"]]} for row in rows]


@app.command("split")
def split_source(
    source: SourceArgument,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Manifest to write.", show_default=False)
    ],
    data: DataOption = None,
    validation: Annotated[
        float, typer.Option("--validation", min=0.0, max=1.0, help="Share of the clips.")
    ] = 0.15,
    test: Annotated[
        float, typer.Option("--test", min=0.0, max=1.0, help="Share of the clips.")
    ] = 0.15,
    folds: Annotated[
        int | None,
        typer.Option("--folds", min=3, help="Write this many manifests; each fold tests once."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Another seed, other speakers.")] = 0,
    style: FormatOption = Format.table,
) -> None:
    """Split recordings so that no speaker is on two sides.

    Every side gets its share of every emotion and gender. With --folds N, the manifests are
    called OUT-1.csv to OUT-N.csv: the fold tests, the next one validates, the others train.

    Examples: affekt data split emodb --out emodb.csv --test 0.2;
    affekt data split recordings --out folds/mine.csv --folds 5
    """
    from affekt.data.splits import split_speakers

    clips = open_data(source, data)
    if folds is None:
        results = {out: split_speakers(clips, validation=validation, test=test, seed=seed)}
    else:
        results = _folds(clips, out, folds, seed)
    rows = []
    for path, result in results.items():
        write_manifest(result, path)
        rows += _side_rows(path, result)
        log(f"wrote {path}")
    emit(rows, style)


def _folds(clips: Sequence[Clip], out: Path, folds: int, seed: int) -> dict[Path, list[Clip]]:
    from affekt.data.splits import speaker_folds

    fold_of = {i: k for k, part in enumerate(speaker_folds(clips, folds, seed)) for i in part}
    results = {}
    for tested in range(folds):
        sides = {tested: "test", (tested + 1) % folds: "validation"}
        path = out.with_name(f"{out.stem}-{tested + 1}{out.suffix or '.csv'}")
        results[path] = [
            replace(clip, split=sides.get(fold_of[i], "train")) for i, clip in enumerate(clips)
        ]
    return results


def _side_rows(path: Path, clips: Sequence[Clip]) -> list[dict[str, Any]]:
    rows = []
    present = {clip.emotion for clip in clips}
    emotions = [*filter(present.__contains__, EMOTIONS), *sorted(present.difference(EMOTIONS))]
    for side in SPLITS:
        own = [clip for clip in clips if clip.split == side]
        if not own:
            continue
        counts = Counter(clip.emotion for clip in own)
        row: dict[str, Any] = {"manifest": path.name, "split": side, "clips": len(own)}
        row["speakers"] = len({clip.speaker_id for clip in own})
        rows.append({**row, **{emotion: counts[emotion] for emotion in emotions}})
    return rows
