"""``affekt demo``: what was acted beside what is answered, a dialogue, and a page."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from affekt.audio import SAMPLE_RATE, load_audio
from affekt.cli._common import DataOption, Format, ModelOption, emit, write_text
from affekt.cli._results import shows_blocks
from affekt.cli._timeline import Lines
from affekt.data.corpora import AUDIO_EXTENSIONS, CORPORA, load_corpus
from affekt.data.manifest import Clip
from affekt.data.root import corpus_folder
from affekt.errors import ConfigError
from affekt.files import atomic_path
from affekt.formats.report import html
from affekt.formats.report.exhibit import exhibits
from affekt.formats.table import Style
from affekt.recipe_files import shipped_folder
from affekt.results import Outcome, Track
from affekt.runtime import Model, load_model
from affekt.turns import Turn

CORPUS = "cremad"
"""The corpus whose test speakers are heard, where it is at hand."""
OF_EACH = 2
"""Clips of each emotion."""
DIALOGUE = (("neutral", "angry"), ("happy", "sad"))
"""What each of its two speakers says, in turn."""
PAUSE = 0.6
"""Seconds between two turns."""


def command(
    model: ModelOption = None,
    data: DataOption = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the page and the dialogue.")
    ] = Path("demo"),
) -> None:
    """Predict recordings whose emotion is known, and write a page about them.

    Where CREMA-D is at hand (affekt data get cremad, or --data), real voices: clips of speakers
    that took no part in training, drawn by lot and not by their answers. Else six synthetic ones.
    """
    recogniser = load_model(model)
    known = _real_clips(recogniser, data)
    real = bool(known)
    _say_what_to_expect(recogniser, real)
    known = known or _synthetic_clips()
    clips = [
        clip
        for label in recogniser.labels
        for clip in [one for one in known if one.emotion == label][:OF_EACH]
    ]
    outcomes = [Outcome(str(clip.file), recogniser.predict(clip.file)) for clip in clips]
    meant = "acted" if real else "imitated"
    rows = []
    for clip, outcome in zip(clips, outcomes, strict=True):
        assert outcome.prediction is not None
        answer = outcome.prediction
        rows.append(
            {
                "recording": clip.file.name,
                meant: clip.emotion,
                "answered": answer.label,
                "sure": f"{answer.confidence:.0%}",
                "same": "yes" if answer.label == clip.emotion else "",
            }
        )
    emit(rows, Format.table)
    right = sum(row["same"] == "yes" for row in rows)
    typer.echo(f"{right} of {len(rows)} answers are what was {meant}.\n")
    tracks = _dialogue(recogniser, known, out)
    titles = [f"{clip.file.name}, {meant}: {clip.emotion}" for clip in clips]
    results = [
        replace(shown, track=replace(shown.track, file=title))
        for shown, title in zip(exhibits(recogniser, outcomes), titles, strict=True)
    ]
    results += exhibits(recogniser, tracks, measured=False)
    page = out / "report.html"
    write_text(html.render(results, recogniser.config), page)
    typer.echo(f"\nWith sound and plots:     {page.resolve().as_uri()}")
    # As it was called, where the shell would not find it by its name.
    by_path = Path(sys.argv[0]).name == "affekt" and not shutil.which("affekt")
    name = sys.argv[0] if by_path else "affekt"
    typer.echo(f"A recording of your own:  {name} predict my-recording.wav")
    typer.echo(f"With a microphone:        {name} serve  (pip install 'affekt[serve]')")
    if not real:
        typer.echo(f"Real voices:              {name} data get {CORPUS}, then this again")


def _say_what_to_expect(model: Model, real: bool) -> None:
    """Print where the voices come from, and the measured rate, which stands with the model."""
    if real:
        corpus = CORPORA[CORPUS]
        typer.echo(
            f"Voices of {corpus.title}, {corpus.licence}, {corpus.homepage}: speakers that took no "
            "part in training, drawn by lot."
        )
    else:
        typer.echo("These voices are synthetic: they show the tool, not its quality.")
    for row in model.config.metrics:
        if str(row.get("protocol")).startswith(f"{CORPUS},"):
            typer.echo(
                f"Of all {row['clips']} clips of {row['speakers']} speakers of "
                f"{CORPORA[CORPUS].title} that took no part in training, "
                f"{model.config.name} recognises {row['uar']:.0%} "
                f"(mean over emotions; by chance {1 / len(model.labels):.0%})."
            )
    typer.echo()


def _real_clips(model: Model, data: Path | None) -> list[Clip]:
    """Return the clips of test speakers, in an order drawn by lot; none without the corpus."""
    speakers = set(model.config.raw.get("speakers", {}).get("test", ()))
    if not corpus_folder(CORPUS, data).is_dir():
        return []
    clips = [clip for clip in load_corpus(CORPUS, data) if clip.speaker_id in speakers]
    return sorted(clips, key=lambda clip: hashlib.sha256(clip.file.stem.encode()).digest())


def _synthetic_clips() -> list[Clip]:
    """Return the sample recordings, which are named after what they imitate."""
    inside = shipped_folder().parent
    folder = next(
        (
            one
            for one in (inside / "recordings", inside / "examples" / "recordings")
            if one.is_dir()
        ),
        None,
    )
    if folder is None:
        raise ConfigError("the sample recordings are missing: install affekt again")
    return [
        Clip(file, file.stem.rpartition("-")[2], speaker=file.stem.rpartition("-")[0])
        for file in sorted(folder.iterdir())
        if file.suffix in AUDIO_EXTENSIONS
    ]


def _said(clips: Sequence[Clip]) -> list[tuple[str, Clip]]:
    """Return the turns of the dialogue: who speaks, and what; each speaker is one of the clips."""
    said: dict[str, list[Clip]] = {}
    for labels in DIALOGUE:
        for speaker in dict.fromkeys(clip.speaker for clip in clips):
            own = [
                next((c for c in clips if (c.speaker, c.emotion) == (speaker, label)), None)
                for label in labels
            ]
            found = [clip for clip in own if clip is not None]
            if speaker not in said and len(found) == len(labels):
                said[speaker] = found
                break
    return [
        (name, turn[at]) for at in range(2) for name, turn in zip("AB", said.values(), strict=False)
    ]


def _dialogue(model: Model, clips: Sequence[Clip], out: Path) -> list[Track]:
    """Join clips of two speakers to a dialogue, and print its time line; none without clips."""
    import soundfile

    said = _said(clips)
    if not said:
        return []
    parts, turns, at = [], [], 0.0
    for name, clip in said:
        samples = load_audio(clip.file)
        seconds = len(samples) / SAMPLE_RATE
        turns.append(Turn(at, at + seconds, name))
        parts += [samples, np.zeros(round(PAUSE * SAMPLE_RATE), np.float32)]
        at += seconds + PAUSE
    out.mkdir(parents=True, exist_ok=True)
    file = out / "dialogue.wav"
    with atomic_path(file) as partial:
        soundfile.write(partial, np.concatenate(parts), SAMPLE_RATE, format="WAV")
    timeline = model.timeline(file, turns=turns)
    lines = Lines(model.labels, Style(unicode=shows_blocks(sys.stdout)))
    meant = ", ".join(f"{name} {clip.emotion}" for name, clip in said)
    typer.echo(f"A dialogue of such clips, turn by turn (meant: {meant}):")
    for segment in timeline:
        typer.echo(lines.segment(segment))
    return [timeline.track()]
