"""Adapt a model to labelled examples: embeddings in, a model directory with another head out."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from affekt.adapt.examples import LinearHead, fit_head
from affekt.errors import AudioError, DataError, ModelError
from affekt.evaluation.calibration import fit_limits, fit_temperature, softmax
from affekt.evaluation.metrics import FloatArray, IntArray, Metrics, evaluate
from affekt.files import json_text
from affekt.labels import check_labels
from affekt.runtime.bundle import (
    CARD_FILE,
    CONFIG_FILE,
    ENCODER_FILE,
    GRAPH_FILE,
    HEAD_FILE,
    METADATA_KEY,
    WEIGHTS_FILE,
)
from affekt.runtime.card import model_card
from affekt.runtime.graph_head import set_metadata, with_head
from affekt.runtime.head import KEY as HEAD_KEY
from affekt.runtime.head import Head, read_head
from affekt.runtime.metadata import INTENDED_USE
from affekt.runtime.score import sound_of
from affekt.runtime.weights_head import weights_with_head

if TYPE_CHECKING:
    from affekt.data import Clip
    from affekt.runtime import Model
    from affekt.runtime.config import ModelConfig

FEW = 8
"""Examples of a label below which there is a warning."""
MOST_PARTS = 20
"""How many times the figures leave out a part of the examples, at most."""
TRUSTED_EXAMPLES = 32
"""Examples from which on the calibration is trusted more than half."""


@dataclass(frozen=True)
class AdaptedModel:
    """A model directory that examples were learned for.

    Attributes
    ----------
    folder : Path
        The model directory.
    base_model : str
        Name of the model that was adapted.
    examples : mapping of str to int
        By label, how many were used.
    speakers : int
        Who speak them; 0 where that is not known.
    metrics : Metrics or None
        On examples that were left out, one part after the other; None where a label has a single
        example.
    before : Metrics or None
        Of the model as it was, on the same examples; None where it lacks labels.
    notes : tuple of str
        What makes the figures or the model weak.
    errors : mapping of str to str
        File to what was wrong with it; such examples were not used.
    """

    folder: Path
    base_model: str
    examples: Mapping[str, int]
    speakers: int
    metrics: Metrics | None
    before: Metrics | None
    notes: tuple[str, ...]
    errors: Mapping[str, str]


def adapt_to_examples(
    model: Model,
    examples: Sequence[Clip],
    out: str | os.PathLike[str],
    *,
    name: str | None = None,
    advance: Callable[[float], None] | None = None,
) -> AdaptedModel:
    """See :meth:`affekt.Model.adapt`."""
    folder, head = Path(out), read_head(model.config)
    files = _files_of(model)
    check_examples(examples)
    _check_target(folder, model)
    clips, embeddings, errors = _embedded(model, examples, advance)
    labels = tuple(sorted({clip.emotion for clip in clips}))
    if len(labels) < 2:
        raise DataError(
            f"examples of two labels or more are needed, those that can be used are of "
            f"{labels[0] if labels else 'none'}: {next(iter(errors.values()), '')}"
        )
    data = _Examples(embeddings, np.array([labels.index(clip.emotion) for clip in clips]))
    start = start_of(head, model.labels, labels)
    groups, speakers, notes = _groups(clips)
    counts = Counter(clip.emotion for clip in clips)
    made = learned_head(head, data.embeddings, data.targets, start)
    metrics = before = None
    temperature = 1.0
    limits: dict[str, float] = {}
    if min(counts.values()) > 1:
        left_out = _left_out_logits(head, data, start, groups)
        temperature = _temperature(left_out, data.targets)
        probabilities = softmax(left_out / temperature)
        limits = fit_limits(probabilities, data.targets)
        metrics = evaluate(probabilities, data.targets, labels, speakers=groups)
        if set(labels) <= set(model.labels):
            columns = [model.labels.index(label) for label in labels]
            own = softmax(head.logits(_float32(embeddings))[:, columns])
            before = evaluate(own, data.targets, labels, speakers=groups)
    else:
        notes.append("no figures: a label has a single example")
    few = [f"{label} ({counts[label]})" for label in labels if counts[label] < FEW]
    if few:
        notes.append(f"fewer than {FEW} examples of {', '.join(few)}: give more where you can")
    adapted = AdaptedModel(
        folder,
        model.config.name,
        {label: counts[label] for label in labels},
        speakers,
        metrics,
        before,
        tuple(notes),
        errors,
    )
    final = Head(
        _float32(made.weights / temperature),
        _float32(made.bias / temperature),
        head.mean,
        head.exponent,
    )
    config = _config(model.config, adapted, final, name or folder.resolve().name, limits)
    _write(folder, files, final, config)
    return adapted


def check_examples(examples: Sequence[Clip]) -> None:
    """Refuse examples that nothing can be learned from, before the work.

    Raises
    ------
    DataError
        If there are fewer than two labels, two differ only in case or accents, or one recording
        stands under two.
    """
    labels = list(dict.fromkeys(clip.emotion for clip in examples))
    if len(labels) < 2:
        found = f"all {len(examples)} are of {labels[0]!r}" if labels else "there are none"
        raise DataError(f"examples of two labels or more are needed: {found}")
    check_labels(labels, "the examples")
    seen: dict[tuple[Path, float | None, float | None], str] = {}
    for clip in examples:
        other = seen.setdefault((clip.file, clip.start, clip.end), clip.emotion)
        if other != clip.emotion:
            raise DataError(f"{clip.file} is an example of both {other!r} and {clip.emotion!r}")
    missing = [clip.file for clip in examples if not clip.file.is_file()]
    if missing:
        raise DataError(f"{len(missing)} examples do not exist: the first is {missing[0]}")


def start_of(head: Head, known: Sequence[str], labels: Sequence[str]) -> LinearHead:
    """Return the model's own logits for labels; of one it does not know, the mean of its logits.

    Parameters
    ----------
    head : Head
    known : sequence of str
        Labels of the model.
    labels : sequence of str
    """
    weights = head.weights.astype(np.float64) - head.weights.mean(axis=0)
    bias = head.bias.astype(np.float64) - head.bias.mean()
    made = LinearHead(np.zeros((len(labels), weights.shape[1])), np.zeros(len(labels)))
    for row, label in enumerate(labels):
        if label in known:
            made.weights[row], made.bias[row] = (
                weights[known.index(label)],
                bias[known.index(label)],
            )
    return made


@dataclass(frozen=True, eq=False)
class _Examples:
    """Embeddings [examples, dim], and their classes."""

    embeddings: FloatArray
    targets: IntArray


def learned_head(
    head: Head, embeddings: FloatArray, targets: IntArray, start: LinearHead
) -> LinearHead:
    """Return the last layer after examples, not calibrated; see :func:`fit_head`."""
    return fit_head(embeddings, targets, start, _power(head, embeddings)[:, 0])


def logits_of(head: Head, made: LinearHead, embeddings: FloatArray) -> FloatArray:
    """Return logits [n, classes] of a last layer in the place of a model's own.

    Parameters
    ----------
    head : Head
        Of the model.
    made : LinearHead
        What :func:`learned_head` gives.
    embeddings : array [shape=(n, dim)]
    """
    logits = embeddings @ made.weights.T + made.bias
    return np.asarray(logits / _power(head, embeddings))


def _power(head: Head, embeddings: FloatArray) -> FloatArray:
    return head.power(_float32(embeddings)).astype(np.float64)


def _left_out_logits(
    head: Head, data: _Examples, start: LinearHead, groups: Sequence[str]
) -> FloatArray:
    """Return for each example the logits of a head that has not learned from its group."""
    names = sorted(set(groups), key=lambda name: hashlib.sha256(name.encode()).digest())
    parts = min(MOST_PARTS, len(names))
    part_of = {name: place % parts for place, name in enumerate(names)}
    part = np.array([part_of[name] for name in groups])
    logits = np.zeros((len(part), len(start.bias)))
    for number in range(parts):
        out = part == number
        made = learned_head(head, data.embeddings[~out], data.targets[~out], start)
        logits[out] = logits_of(head, made, data.embeddings[out])
    return logits


def _temperature(logits: FloatArray, targets: IntArray) -> float:
    """Return a temperature, drawn to 1 where there are few examples."""
    weights = 1 / np.bincount(targets)[targets]
    trust = len(targets) / (len(targets) + TRUSTED_EXAMPLES)
    return float(fit_temperature(logits, targets, weights) ** trust)


def _groups(clips: Sequence[Clip]) -> tuple[list[str], int, list[str]]:
    """Return what is left out together for the figures, the number of speakers, and notes.

    The speakers; the recordings where speakers are not known, or a label has a single one.
    """
    speakers = [clip.speaker_id for clip in clips]
    known = len(set(speakers) - {""})
    why = ""
    if not all(speakers):
        why = f"{sum(not one for one in speakers)} of {len(clips)} examples name no speaker"
    elif known < 2:
        why = "all examples are of one speaker"
    else:
        of_label: dict[str, set[str]] = {}
        for clip in clips:
            of_label.setdefault(clip.emotion, set()).add(clip.speaker_id)
        single = sorted(label for label, names in of_label.items() if len(names) < 2)
        if single:
            why = f"all examples of {', '.join(single)} are of one speaker"
    if not why:
        return speakers, known, []
    note = f"{why}: the figures leave out recordings, not speakers; for other voices expect less"
    return [f"{clip.file}@{clip.start}" for clip in clips], known, [note]


def _embedded(
    model: Model, examples: Sequence[Clip], advance: Callable[[float], None] | None
) -> tuple[list[Clip], FloatArray, dict[str, str]]:
    """Return the examples that can be used, their embeddings, and what is wrong with others."""
    clips, rows, errors = [], [], {}
    for clip, answer in zip(examples, model.predict_each(map(sound_of, examples)), strict=True):
        if isinstance(answer, AudioError):
            text = str(answer)
            errors[str(clip.file)] = text if str(clip.file) in text else f"{clip.file}: {text}"
        else:
            clips.append(clip)
            rows.append(answer.embedding)
        if advance:
            advance(1)
    return clips, np.array(rows, dtype=np.float64), errors


def _files_of(model: Model) -> dict[str, bytes]:
    """Return the graphs of a model by their names."""
    if model.folder is None:
        raise ModelError(
            f"{model.config.name!r} is no model directory with {GRAPH_FILE}: examples need one"
        )
    names = [GRAPH_FILE]
    if all((model.folder / name).is_file() for name in (ENCODER_FILE, HEAD_FILE)):
        names += [ENCODER_FILE, HEAD_FILE]
    if (model.folder / WEIGHTS_FILE).is_file():
        names.append(WEIGHTS_FILE)
    return {name: (model.folder / name).read_bytes() for name in names}


def _check_target(folder: Path, model: Model) -> None:
    """Refuse to replace anything but an earlier adaptation."""
    if model.folder is not None and folder.resolve() == model.folder.resolve():
        raise DataError(f"{folder}: it is the model that is adapted: name another folder")
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    try:
        config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        config = {}
    if "adaptation" not in config:
        raise DataError(f"{folder} holds something else than an adapted model: name another folder")


def _config(
    base: ModelConfig,
    made: AdaptedModel,
    head: Head,
    name: str,
    limits: Mapping[str, float],
) -> dict[str, Any]:
    """Return the contents of ``config.json``."""
    count = sum(made.examples.values())
    own = {"corpus": "own examples", "licence": "", "clips": count, "speakers": made.speakers}
    calibration = {
        "method": "temperature",
        "temperature": 1.0,
        **{key: round(value, 4) for key, value in limits.items()},
    }
    config = {
        **base.raw,
        "name": name,
        "base_model": made.base_model,
        "id2label": {str(index): label for index, label in enumerate(made.examples)},
        "calibration": calibration,
        HEAD_KEY: head.to_config(),
        "training_data": [*base.training_data, own],
        "metrics": _metrics(made),
        "adaptation": {
            "examples": dict(made.examples),
            "speakers": made.speakers,
            "notes": list(made.notes),
        },
    }
    defaults = {"architecture": {"name": "unknown"}, "parameters": 0, "licence": ""}
    for key, value in {**defaults, "intended_use": INTENDED_USE}.items():
        config[key] = config.get(key) or value
    return config


def _metrics(made: AdaptedModel) -> list[dict[str, Any]]:
    """Return the figures as a model directory keeps them."""
    rows = []
    for title, found in (("adapted", made.metrics), (made.base_model, made.before)):
        if found is not None:
            row: dict[str, Any] = {
                "protocol": f"own examples, {title}",
                "clips": found.n,
                "speakers": made.speakers,
            }
            for key in ("uar", "wa", "macro_f1", "weighted_f1", "ece"):
                row[key] = round(getattr(found, key), 4)
            if "uar" in found.ci95:
                row["uar_ci95"] = [round(value, 4) for value in found.ci95["uar"]]
            rows.append(row)
    return rows


def _write(folder: Path, files: Mapping[str, bytes], head: Head, config: Mapping[str, Any]) -> None:
    """Write a model directory, whole or not at all."""
    metadata = {METADATA_KEY: json.dumps(config, ensure_ascii=False)}
    target = Path(os.path.realpath(folder))
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    old = target.with_name(f".{target.name}.{os.getpid()}.old")
    try:
        partial.mkdir(parents=True)
        for name, content in files.items():
            made: bytes | None
            if name == WEIGHTS_FILE:
                made = weights_with_head(content, head, metadata[METADATA_KEY])
            elif name == ENCODER_FILE:
                made = set_metadata(content, metadata)
            else:
                made = with_head(content, head, metadata)
            if made is not None:
                (partial / name).write_bytes(made)
        size = (partial / GRAPH_FILE).stat().st_size
        (partial / CONFIG_FILE).write_text(json_text(config), encoding="utf-8")
        (partial / CARD_FILE).write_text(model_card(config, size), encoding="utf-8")
        if target.exists():
            target.rename(old)
        partial.rename(target)
    except BaseException:
        if old.exists() and not target.exists():
            old.rename(target)
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _float32(values: FloatArray) -> np.ndarray[Any, np.dtype[np.float32]]:
    return values.astype(np.float32)
