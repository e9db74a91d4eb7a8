"""Compare models, or their stored answers, on labelled clips."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from affekt.data import Clip, open_data
from affekt.errors import DataError
from affekt.evaluation.compare import Comparison, compare_answers
from affekt.evaluation.groups import group_columns
from affekt.labels import canonical
from affekt.runtime.predictor import Model, load_model
from affekt.runtime.score import answers_for, clips_of_split

Scores = Mapping[str, float]

_STRETCH = re.compile(r"(.*)@([\d.e+-]+?)-([\d.e+]*)")


def compare(
    *models: str | os.PathLike[str] | Model,
    corpus: str | os.PathLike[str] | Sequence[Clip] | None = None,
    answers: Sequence[str | os.PathLike[str]] = (),
    split: str = "test",
    data: Path | None = None,
    threads: int | None = None,
    advance: Callable[[float], None] | None = None,
) -> Comparison:
    """Compare models on a corpus, or answers that are stored.

    Parameters
    ----------
    *models : str, path or Model
        The first is the one that the others are compared with.
    corpus : str, path or sequence of Clip
        As for ``affekt evaluate``; with `answers`, where the labels are.
    answers : sequence of paths
        JSON lines of ``affekt predict --format json``, one file for each model. Without a corpus,
        each line of the first also has its ``emotion``, and may have ``speaker``, ``gender``,
        ``age``, ``language`` and ``corpus``.
    split : str
        Of the corpus: clips that are in this split of every model.
    data, threads
        Place of the corpora; threads of each model.
    advance : callable, optional
        Called with 1 after each answer.

    Raises
    ------
    DataError
        If the answers have no clips or fewer than two classes in common, or cannot be read.
    ConfigError, ModelError
        If there is no such split; if a model cannot be used.
    """
    if bool(models) == bool(answers):
        raise DataError("name models, or files with answers: one or the other")
    if len(models) + len(answers) < 2:
        raise DataError("a comparison needs at least two models")
    clips = None
    if corpus is not None:
        clips = _clips(corpus, data)
    if answers:
        return _of_answers([Path(file) for file in answers], clips)
    if clips is None:
        raise DataError("models are compared on labelled clips: name a corpus")
    loaded = [one if isinstance(one, Model) else load_model(one, threads=threads) for one in models]
    return _of_models(_named(loaded, models), clips, split, advance)


def _clips(corpus: str | os.PathLike[str] | Sequence[Clip], data: Path | None) -> Sequence[Clip]:
    if isinstance(corpus, (str, os.PathLike)):
        return open_data(corpus, data)
    return corpus


def _named(
    loaded: Sequence[Model], words: Sequence[str | os.PathLike[str] | Model]
) -> dict[str, Model]:
    """Return models by a name that tells them apart: their own, else as they were called."""
    names = [model.config.name for model in loaded]
    if len(set(names)) < len(names):
        names = [
            name if isinstance(word, Model) else str(word)
            for name, word in zip(names, words, strict=True)
        ]
    return dict(zip(_unlike(names), loaded, strict=True))


def _unlike(names: Sequence[str]) -> list[str]:
    """Return the names, with a number where one occurs again."""
    seen: Counter[str] = Counter()
    told = []
    for name in names:
        seen[name] += 1
        told.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return told


def _of_models(
    models: Mapping[str, Model],
    clips: Sequence[Clip],
    split: str,
    advance: Callable[[float], None] | None,
) -> Comparison:
    notes = []
    splits = [clips_of_split(model.config, clips, split) for model in models.values()]
    in_all = set.intersection(*map(set, splits))
    common = [clip for clip in splits[0] if clip in in_all]
    if not common:
        raise DataError(
            f"no clip is in the {split} split of every model: they were trained on other speakers"
        )
    if any(len(part) > len(common) for part in splits):
        notes.append(f"{len(common)} clips are in the {split} split of every model")
    shared = set.intersection(*(set(model.labels) for model in models.values()))
    wanted = [clip for clip in common if clip.emotion in shared]
    if not wanted:
        raise DataError(f"no clip has an emotion that all models know: {_list(shared)}")
    found: dict[str, dict[Clip, Scores]] = {}
    for name, model in models.items():
        scored, answers, errors = answers_for(model, wanted, advance)
        notes += [f"left out: {file}: {error}" for file, error in errors.items()]
        found[name] = {clip: answer.scores for clip, answer in zip(scored, answers, strict=True)}
    return _compared(found, common, list(dict.fromkeys(notes)))


def _compared(
    found: Mapping[str, Mapping[Clip, Scores]], clips: Sequence[Clip], notes: list[str]
) -> Comparison:
    """Compare scores over the classes and the clips that all have."""
    known = [set(next(iter(rows.values()))) for rows in found.values() if rows]
    shared = set.intersection(*known) & {clip.emotion for clip in clips} if known else set()
    order = next(iter(next(iter(found.values())).values()), {})
    labels = [name for name in order if name in shared]
    if len(labels) < 2:
        raise DataError(
            f"models and clips share {_list(labels) or 'no emotion'}: at least two are needed"
        )
    dropped = Counter(clip.emotion for clip in clips if clip.emotion not in shared)
    notes += [f"left out: {n} clips labelled {label}" for label, n in sorted(dropped.items())]
    others = set.union(*known) - shared
    if others:
        notes.append(
            f"compared over {_list(labels)}; {_list(sorted(others))}: not in all models and clips"
        )
    kept = [
        clip
        for clip in clips
        if clip.emotion in shared and all(clip in rows for rows in found.values())
    ]
    if not kept:
        raise DataError("the models have answers to no clip in common")
    return compare_answers(
        {name: _probabilities(rows, kept, labels) for name, rows in found.items()},
        np.array([labels.index(clip.emotion) for clip in kept]),
        labels,
        speakers=[clip.speaker_id for clip in kept],
        clips=[_name(clip) for clip in kept],
        columns=group_columns(kept),
        notes=notes,
    )


def _probabilities(
    rows: Mapping[Clip, Scores], clips: Sequence[Clip], labels: Sequence[str]
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the scores over some classes, which sum to 1 again [clips, classes]."""
    values = np.array([[rows[clip][label] for label in labels] for clip in clips])
    sums = values.sum(axis=1, keepdims=True)
    even = np.full_like(values, 1 / len(labels))  # all of it went to other classes
    np.divide(values, sums, out=even, where=sums > 0)
    return even


def _name(clip: Clip) -> str:
    """Return the file, with ``@START-END`` in seconds where the clip is a stretch of it."""
    if clip.start is None and clip.end is None:
        return str(clip.file)
    return f"{clip.file}@{clip.start or 0:g}-{'' if clip.end is None else f'{clip.end:g}'}"


def clip_named(name: str) -> Clip:
    """Return the stretch of sound that a name in `Comparison.clips` stands for."""
    found = _STRETCH.fullmatch(name)
    if Path(name).is_file() or found is None:
        return Clip(Path(name), "")
    start, end = float(found[2]), float(found[3]) if found[3] else None
    return Clip(Path(found[1]), "", start=start, end=end)


def _list(words: Sequence[str] | set[str]) -> str:
    return ", ".join(sorted(words) if isinstance(words, set) else words)


# --- stored answers ---


def _of_answers(files: Sequence[Path], clips: Sequence[Clip] | None) -> Comparison:
    notes: list[str] = []
    names = _unlike([file.stem for file in files])
    stored = {name: read_answers(file) for name, file in zip(names, files, strict=True)}
    if clips is None:
        told: dict[str, Clip] = {}
        for name, row in next(iter(stored.values())).items():
            if "emotion" in row:
                told[name] = _clip(row, files[0])
        if not told:
            raise DataError(
                f"{files[0]}: no answer tells its true emotion: add the field 'emotion' to the "
                "lines, or name the corpus that has the labels"
            )
    else:
        told = _by_name(clips, next(iter(stored.values())), files[0])
    found: dict[str, dict[Clip, Scores]] = {}
    for name, rows in stored.items():
        bad = sum("scores" not in row for row in rows.values())
        if bad:
            notes.append(f"{name}: {bad} recordings without an answer")
        alone = len(told.keys() - rows.keys())
        if alone:
            notes.append(f"{name}: no line for {alone} of {len(told)} labelled clips")
        found[name] = {
            told[file]: row["scores"]
            for file, row in rows.items()
            if file in told and "scores" in row
        }
        if not found[name]:
            raise DataError(f"{name}: no line is of a labelled clip: compare the file names")
    return _compared(found, list(told.values()), notes)


def _by_name(
    clips: Sequence[Clip], rows: Mapping[str, Mapping[str, Any]], file: Path
) -> dict[str, Clip]:
    """Return clips by the names that stored answers have: whole paths, else names of files."""
    absolute = {os.path.abspath(clip.file): clip for clip in clips}
    told = {name: absolute[path] for name in rows if (path := os.path.abspath(name)) in absolute}
    if told:
        return told
    counts = Counter(clip.file.name for clip in clips)
    alone = {clip.file.name: clip for clip in clips if counts[clip.file.name] == 1}
    told = {name: alone[Path(name).name] for name in rows if Path(name).name in alone}
    if not told:
        raise DataError(f"{file}: none of {len(rows)} answers is of a clip of the corpus")
    return told


def read_answers(path: Path) -> dict[str, dict[str, Any]]:
    """Return the lines of a file of answers by recording."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the answers {path}: {error}") from None
    rows: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(f"{where}: it is not JSON: {error}") from None
        if not isinstance(row, dict) or not isinstance(row.get("file"), str):
            raise DataError(f"{where}: it is no answer: it names no file")
        if row["file"] in rows:
            raise DataError(f"{where}: {row['file']} is there a second time")
        if "scores" in row:
            _check_scores(row["scores"], rows, where)
        rows[row["file"]] = row
    if not any("scores" in row for row in rows.values()):
        raise DataError(f"{path}: it has no answer; write one with affekt predict --format json")
    return rows


def _check_scores(scores: Any, rows: Mapping[str, Mapping[str, Any]], where: str) -> None:
    """Refuse scores that are no numbers from 0 to 1, or of other classes than those before."""
    numbers = isinstance(scores, dict) and all(
        type(value) in (int, float) and 0 <= value <= 1 for value in scores.values()
    )
    if not numbers:
        raise DataError(f"{where}: scores must be numbers from 0 to 1 by emotion")
    first = next((row["scores"] for row in rows.values() if "scores" in row), scores)
    if first.keys() != scores.keys():
        own, others = _list(list(scores)), _list(list(first))
        raise DataError(f"{where}: its emotions are {own}, not {others}")


def _clip(row: Mapping[str, Any], path: Path) -> Clip:
    """Return the labelled clip that a line tells of."""

    def word(name: str) -> str:
        return str(row.get(name) or "")

    try:
        return Clip(
            file=Path(row["file"]),
            emotion=canonical(word("emotion")),
            speaker=word("speaker"),
            gender=word("gender"),
            language=word("language"),
            corpus=word("corpus"),
            age=float(word("age")) if word("age") else None,
        )
    except (ValueError, DataError) as error:
        raise DataError(f"{path}: {row['file']}: {error}") from None
