"""``affekt face``: a model of face units, from labelled recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from affekt.cli._common import (
    DataOption,
    Format,
    FormatOption,
    ModelOption,
    ThreadsOption,
    emit,
    log,
    progress,
)
from affekt.errors import DataError


def command(
    units: Annotated[
        Path,
        typer.Argument(
            help="Face units: a CSV with a row per recording, or a folder with NAME.csv for each."
        ),
    ],
    corpus: Annotated[
        str,
        typer.Option(
            "--corpus", "-c", help="Corpus, CSV manifest, or folder with a sub-folder per emotion."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The new face model, JSON.")],
    model: ModelOption = None,
    data: DataOption = None,
    threads: ThreadsOption = None,
    format: FormatOption = Format.table,
) -> None:
    """Learn a linear model of face units, and how much it counts beside the voice.

    Both are found on speakers that are left out. The model of the voice that is named is the one
    that the weights are for. Needs labelled recordings of two speakers or more.

    \b
    Examples:
      affekt face openface_au_mean.csv --corpus ravdess --out face.json
      affekt predict talk.mp4 --face units.csv --face-model face.json
    """
    from dataclasses import replace

    import numpy as np

    from affekt.data import CORPORA, open_data
    from affekt.fusion import fit_face, fit_weights, read_face
    from affekt.runtime import load_model
    from affekt.runtime.score import clips_of_split, score_model

    voice = load_model(model, threads=threads)
    clips, rows, missing = [], [], []
    for clip in open_data(corpus, data):
        try:
            rows.append(read_face(units, clip.file.name).units)
            clips.append(clip)
        except DataError as error:
            missing.append(str(error))
    if not clips:
        raise DataError(missing[0] if missing else f"{corpus} has no recordings")
    if missing:
        log(f"left out: {len(missing)} recordings ({missing[0]})")
    names = [name for name in rows[0] if all(name in row for row in rows)]
    means = np.array([[row[name] for name in names] for row in rows])
    speakers = [clip.speaker_id or clip.file.name for clip in clips]
    learned, held_out = fit_face(means, names, [clip.emotion for clip in clips], speakers)
    asked = [
        clip
        for clip in clips_of_split(voice.config, clips, "test")
        if clip.emotion in voice.labels and clip.emotion in learned.labels
    ]
    with progress("the voice", len(asked)) as advance:
        scored = score_model(voice, asked, advance)
    kept = [clip for clip in asked if str(clip.file) not in scored.errors]
    shared = scored.metrics.labels
    at = {clip.file: index for index, clip in enumerate(clips)}
    face = held_out[[at[clip.file] for clip in kept]]
    face = face[:, [learned.labels.index(label) for label in shared]]
    face /= face.sum(axis=1, keepdims=True)
    weights = fit_weights({"voice": scored.probabilities, "face": face}, scored.targets)
    known = {clip.corpus for clip in clips if clip.corpus in CORPORA}
    closed = [name for name in sorted(known) if CORPORA[name].non_commercial]
    licence = ", ".join(f"{name}: {CORPORA[name].licence}" for name in sorted(known))
    replace(
        learned, weights=weights, voice=voice.config.name, licence=licence or "that of the examples"
    ).save(out)
    emit(
        [
            {
                "model": out.name,
                **learned.metrics,
                **{f"weight_{name}": round(value, 3) for name, value in weights.items()},
            }
        ],
        format,
    )
    if closed:
        log(f"warning: {', '.join(closed)}: no commercial use of this model")
