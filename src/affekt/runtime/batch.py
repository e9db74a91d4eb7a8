"""Predict many recordings, on several cores, so that a killed run goes on where it stopped."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from affekt.audio import AudioQuality
from affekt.batch.journal import Journal, Record
from affekt.batch.processes import each_done, usable_cores
from affekt.formats import Outcome
from affekt.runtime.bundle import open_bundle
from affekt.runtime.predictor import Model, Prediction, load_model


def predict_files(
    files: Sequence[str], model_id: str | None = None, *, jobs: int = 1, model: Model | None = None
) -> Iterator[Outcome]:
    """Yield what becomes of each file, as soon as it is done: in order with one job, else not.

    Parameters
    ----------
    files : sequence of str
    model_id : str, optional
        As for :func:`affekt.load_model`; every process loads it.
    jobs : int
        Processes, each with one thread; 0 for as many as there are cores.
    model : Model, optional
        The loaded model, for one job.

    Raises
    ------
    AffektError
        If a process ends without an answer. What is wrong with a file becomes its outcome.
    """
    jobs = min(jobs or usable_cores(), len(files))
    if jobs <= 1:
        yield from (predict_file(file, model or load_model(model_id)) for file in files)
        return
    yield from each_done(partial(_predict_elsewhere, model_id=model_id), files, jobs)


def predict_file(file: str, model: Model) -> Outcome:
    """Predict one file; what is wrong with it becomes its error."""
    answer = next(model.predict_each([Path(file)]))
    if isinstance(answer, Prediction):
        return Outcome(file, prediction=answer)
    return Outcome(file, error=" ".join(str(answer).split()))


def _predict_elsewhere(file: str, model_id: str | None) -> Outcome:
    return predict_file(file, _model_of_process(model_id))


@lru_cache(maxsize=1)
def _model_of_process(model_id: str | None) -> Model:
    return load_model(model_id, threads=1)


def identity(model_id: str | None) -> dict[str, str]:
    """Return what the answers of a model depend on: the contents of its files."""
    bundle = open_bundle(model_id)
    config = "" if bundle.config is None else repr(sorted(bundle.config.raw.items()))
    return {
        "work": "predict",
        "graph": hashlib.sha256(bundle.graph.read_bytes()).hexdigest(),
        "config": hashlib.sha256(config.encode("utf-8", "backslashreplace")).hexdigest(),
    }


def remember(book: Journal, outcome: Outcome) -> None:
    """Keep an outcome in a journal; the embedding is not kept."""
    answer = outcome.prediction
    facts: dict[str, Any] = {}
    if answer is not None:
        facts = {
            "label": answer.label,
            "confidence": answer.confidence,
            "scores": answer.scores,
            "intensity": answer.intensity,
            "duration": answer.duration,
            "warnings": list(answer.warnings),
            "domain_score": answer.domain_score,
            "quality": None if answer.quality is None else asdict(answer.quality),
        }
    book.add(Record(outcome.file, facts, error=outcome.error))


def recall(book: Journal, file: str) -> Outcome:
    """Return an outcome that a journal keeps; its embedding is empty."""
    record = book.read(file)
    if record.error:
        return Outcome(file, error=record.error)
    facts = dict(record.facts)
    quality = facts.pop("quality")
    warnings = tuple(facts.pop("warnings"))
    prediction = Prediction(
        **facts,
        embedding=np.zeros(0, np.float32),
        warnings=warnings,
        quality=None if quality is None else AudioQuality(**quality),
    )
    return Outcome(file, prediction=prediction)
