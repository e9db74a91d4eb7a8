"""``affekt new``: from recordings to a recipe, and how long it will train."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from affekt.cli._common import DataOption, Format, emit, log, progress, watched, write_text
from affekt.cli._training import QUICK, QuickOption
from affekt.data import CORPORA, Clip, open_data
from affekt.errors import ConfigError, DataError
from affekt.recipe_files import find_recipe

RECIPE = "recipe.toml"
FEW_CLIPS = 1000
"""Below it, the recipe for small corpora is taken."""
FEWEST_SPEAKERS = 3
"""For training, validation and test."""


def command(
    project: Annotated[Path, typer.Argument(help="Folder to make.")],
    source: Annotated[
        str,
        typer.Option(
            "--source",
            "-s",
            help="Folder with a sub-folder per emotion, CSV manifest, or name of a corpus; asked "
            "for where it is not given.",
        ),
    ] = "",
    recipe: Annotated[
        str,
        typer.Option("--recipe", help="What to build on; default: cnn, or cnn-small-corpus."),
    ] = "",
    quick: QuickOption = False,
    data: DataOption = None,
) -> None:
    """Begin a project: look at the recordings, write a recipe, say how long training takes here.

    The folder gets recipe.toml, to be changed. Every recording is decoded once to find faults; a
    few steps are trained to measure the pace.

    Examples: affekt new moods --source my-recordings;
    affekt new moods --source clips.csv --recipe crnn
    """
    if project.exists() and (not project.is_dir() or any(project.iterdir())):
        raise ConfigError(f"{project} is there already: name a folder that is new, or empty")
    if recipe:
        find_recipe(recipe)
    if not source:
        if not (watched(sys.stderr) and sys.stdin.isatty()):
            raise ConfigError("what to learn from? Say --source FOLDER, CSV or corpus")
        source = typer.prompt(
            "Recordings: a folder with a sub-folder per emotion, a CSV, or a corpus", err=True
        )
    clips = open_data(source, data)
    labels = Counter(clip.emotion for clip in clips)
    if len(labels) < 2:
        raise DataError(f"{source}: recordings of two emotions or more are needed")
    emit(
        [{"emotion": name, "clips": count} for name, count in sorted(labels.items())], Format.table
    )
    _audit(clips)
    base = recipe or ("cnn-small-corpus" if len(clips) < FEW_CLIPS else "cnn")
    place = source if source in CORPORA else os.path.abspath(os.path.expanduser(source))
    text = _recipe_text(project.name, base, place, clips)
    if quick:
        text += "\n# Take this out to train in full.\n[training]\n"
        text += "".join(f"{key} = {value}\n" for key, value in QUICK.items())
    write_text(text, project / RECIPE)
    log(f"recipe: {project / RECIPE}, which builds on {base}")
    _say_how_long(project / RECIPE, data)
    typer.echo(f"affekt train {project / RECIPE} --out {project / 'run'}")
    typer.echo(f"affekt predict --model {project / 'run' / 'model'} recording.wav")


def _audit(clips: Sequence[Clip]) -> None:
    from affekt.data.audit import KINDS, audit

    report = audit(clips, progress=progress, workers=min(4, os.cpu_count() or 1))
    speakers = {clip.speaker_id for clip in clips} - {""}
    log(f"{report.clips} clips, {report.seconds / 60:.1f} minutes, {len(speakers)} known speakers")
    for kind, count in report.counts.items():
        log(f"{count:6} {kind}: {KINDS[kind]}")
    if report.findings:
        log("which ones: affekt data audit")


def _recipe_text(name: str, base: str, source: str, clips: Sequence[Clip]) -> str:
    """Return the recipe; where speakers are not known, everything is trained on."""
    speakers = {clip.speaker_id for clip in clips}
    lines = [
        f"name = {json.dumps(name)}",
        f"extends = {json.dumps(base)}",
        "",
        "[data]",
        f"sources = [{json.dumps(source)}]",
    ]
    if "" in speakers or len(speakers) < FEWEST_SPEAKERS:
        log(
            f"note: the figures are of speakers that are held out, which takes {FEWEST_SPEAKERS} "
            "whose names are known (a sub-folder, or the column speaker): without, all clips are "
            "trained on, and nothing is measured"
        )
        lines += ["# Nobody is held out: the speakers are not known, or too few.", "validation = 0"]
        lines += ["test = 0"]
    return "\n".join(lines) + "\n"


def _say_how_long(recipe: Path, data: Path | None) -> None:
    if not find_spec("torch"):
        log("how long training takes is measured, and done, with: pip install 'affekt[train]'")
        return
    from affekt.cli._training import duration, read_recipe
    from affekt.training.estimate import estimate

    log("measuring how long training takes here ...")
    found = estimate(read_recipe(str(recipe), None), data)
    each = f"{found.steps} steps of {found.seconds_per_step:.2g} s" if found.steps else "no steps"
    log(
        f"training takes about {duration(found.seconds)} here: {found.clips} clips to read, at "
        f"{found.seconds_per_clip:.2g} s each, and {each}"
    )
