"""``affekt compare``."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from affekt.cli._common import (
    DataOption,
    FailIfOption,
    Format,
    ThreadsOption,
    emit,
    end_if_failed,
    json_line,
    log,
    progress,
    write_text,
)
from affekt.errors import ConfigError

if TYPE_CHECKING:
    from affekt.evaluation.compare import Comparison

ENOUGH = 20.0
"""Evidence that decides: without a difference, it is ever reached in 5 of 100 cases at most."""
_OUTCOMES = ("both", "first", "second", "neither")
_PAIR = re.compile(
    r'^affekt_feedback_pairs_total\{first="(.*)",right="(\w+)",second="(.*)"\} (\S+)$', re.MULTILINE
)
LIMITS = ("worse", "worse-group", "worse-quarter")


def command(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            help="Models, as for evaluate; the first is compared with. Or with "
            "--answers: files of JSON lines.",
            show_default=False,
        ),
    ] = None,
    corpus: Annotated[
        str,
        typer.Option(
            "--corpus", "-c", help="Corpus, CSV manifest, or folder with a sub-folder per emotion."
        ),
    ] = "",
    answers: Annotated[
        bool,
        typer.Option("--answers", help="Compare files of affekt predict --format json."),
    ] = False,
    live: Annotated[
        str,
        typer.Option("--live", metavar="URL", help="Compare the models of a server by feedback."),
    ] = "",
    split: Annotated[
        str, typer.Option("--split", help="test, validation, train or all, for every model.")
    ] = "test",
    out: Annotated[
        list[Path] | None,
        typer.Option("--out", "-o", help="Also write .html (with sound), .md, .tex, .txt, .json."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One object on stdout.")] = False,
    fail_if: FailIfOption = None,
    data: DataOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Say whether a model is better than another, for whom, and how sure that is.

    Speakers are the unit of chance: a permutation test decides, a paired bootstrap gives the
    intervals. Models with other emotions are compared over those that all have. Files of answers
    take their labels from --corpus, or from a field emotion in the lines of the first. --fail-if
    ends with status 1 where a limit is passed: worse=1 (points of UAR), worse-group=3,
    worse-quarter=3. --live reads what a server with --split or --shadow has counted from feedback
    (key: $AFFEKT_API_KEY): evidence of 20 decides, and may be looked at at any time.

    \b
    Examples:
      affekt compare base small --corpus cremad --out report.html
      affekt compare --answers a.jsonl b.jsonl --corpus mine.csv --fail-if worse=1
    """
    if live:
        _live(live, as_json)
        return
    from affekt.evaluation.gates import failures, of_comparison, parse_limits
    from affekt.formats.comparison import as_text, writer
    from affekt.runtime.compare import compare

    limits = parse_limits(fail_if or (), LIMITS)
    for path in out or ():
        if path.suffix != ".json":
            writer(path)
    words = models or []
    if not answers and not corpus:
        raise ConfigError("models are compared on labelled clips: name a --corpus")
    with progress("answers", None) as advance:
        found = compare(
            *([] if answers else words),
            answers=words if answers else (),
            corpus=corpus or None,
            split=split,
            data=data,
            threads=threads,
            advance=advance,
        )
    for note in found.notes:
        log(f"note: {note}")
    for path in out or ():
        _write(found, path)
    write_text(json_line(found.to_dict()) if as_json else as_text(found))
    end_if_failed(failures(limits, of_comparison(found)))


def _live(url: str, as_json: bool) -> None:
    """Show what the feedback of a server says of its models."""
    from affekt.client import Client
    from affekt.evaluation.compare import e_value

    text = Client(url, key=os.environ.get("AFFEKT_API_KEY")).metrics()
    pairs: dict[tuple[str, str], dict[str, int]] = {}
    for first, right, second, count in _PAIR.findall(text):
        counts = pairs.setdefault((first, second), dict.fromkeys(_OUTCOMES, 0))
        counts[right] = round(float(count))
    rows: list[dict[str, Any]] = []
    for (first, second), counts in sorted(pairs.items()):
        evidence = e_value(counts["first"], counts["second"])
        better = first if counts["first"] > counts["second"] else second
        verdict = f"{better} is better" if evidence >= ENOUGH else "no difference yet"
        rows.append(
            {
                "first": first,
                "second": second,
                **{f"{name}_right": count for name, count in counts.items()},
                "evidence": round(evidence, 3),
                "verdict": verdict,
            }
        )
    if not rows:
        log("note: no feedback yet on both models of a --split or --shadow")
    if as_json:
        write_text(json_line({"pairs": rows}))
    elif rows:
        emit(rows, Format.table)


def _write(found: Comparison, path: Path) -> None:
    from affekt.formats.comparison import as_html, writer

    if path.suffix == ".json":
        write_text(json.dumps(json.loads(json_line(found.to_dict())), indent=1) + "\n", path)
    elif path.suffix.lower() == ".html":
        write_text(as_html(found, lambda clip: _sound(found.clips[clip])), path)
    else:
        write_text(writer(path)(found), path)


def _sound(name: str) -> bytes:
    """Return a clip as MP3; nothing where it is not at hand any more."""
    from affekt.audio import load_audio
    from affekt.errors import AudioError
    from affekt.formats.report.exhibit import as_mp3
    from affekt.runtime.compare import clip_named
    from affekt.runtime.score import sound_of

    try:
        return as_mp3(load_audio(sound_of(clip_named(name))))
    except AudioError:
        return b""
