"""Predict many recordings, on several cores, so that a killed run goes on where it stopped."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Generator, Sequence
from functools import lru_cache, partial
from pathlib import Path

from affekt.adapt import Baseline
from affekt.batch.journal import JournalEntry, Work
from affekt.batch.processes import each_done, usable_cores
from affekt.results import Outcome
from affekt.runtime.bundle import open_bundle
from affekt.runtime.predictor import Model, load_model


def predict_files(
    files: Sequence[str],
    model_id: str | None = None,
    *,
    jobs: int = 1,
    model: Model | None = None,
    baseline: str = "",
    suspects: Collection[str] = (),
    begin: Callable[[str], None] = lambda file: None,
) -> Generator[Outcome, None, None]:
    """Yield what becomes of each file, as soon as it is done: in order with one job, else not.

    Who stops early closes the generator (`contextlib.closing`): that ends its processes.

    Parameters
    ----------
    files : sequence of str
    model_id : str, optional
        As for :func:`affekt.load_model`; every process loads it.
    jobs : int
        Processes, each with one thread; 0 for as many as there are cores.
    model : Model, optional
        The loaded model, for one job.
    baseline : str
        File of the baseline that other processes take out; ``model`` has its own.
    suspects : collection of str
        Files that may end the process which reads them: they are read last, by another one.
    begin : callable
        Called with each file before this process reads it.

    Raises
    ------
    AffektError
        If the model cannot be used. What is wrong with a file becomes its outcome, also that the
        process which read it has ended.
    """
    jobs = min(jobs or usable_cores(), len(files))
    elsewhere = partial(_predict_elsewhere, model_id=model_id, baseline=baseline)
    if jobs > 1:
        yield from each_done(elsewhere, files, jobs, _failed)
        return
    here = partial(_predict_file, model=model or _load(model_id, baseline))
    usual = [file for file in files if file not in suspects]
    for file in usual:
        begin(file)
        yield from each_done(here, [file], 1, _failed)
    if len(usual) < len(files):
        others = [file for file in files if file in suspects]
        yield from each_done(elsewhere, others, 1, _failed, apart=True)


def _predict_file(file: str, model: Model) -> Outcome:
    """Predict one file.

    Raises
    ------
    AudioError
        If it cannot be predicted.
    """
    return Outcome(file, prediction=model.predict(Path(file)))


def _failed(file: str, reason: str) -> Outcome:
    reason = " ".join(reason.split())
    return Outcome(file, error=reason if reason.startswith(file) else f"{file}: {reason}")


def _predict_elsewhere(file: str, model_id: str | None, baseline: str) -> Outcome:
    return _predict_file(file, _model_of_process(model_id, baseline))


@lru_cache(maxsize=1)
def _model_of_process(model_id: str | None, baseline: str) -> Model:
    return _load(model_id, baseline, threads=1)


def _load(model_id: str | None, baseline: str, threads: int | None = None) -> Model:
    model = load_model(model_id, threads=threads)
    return model.with_baseline(Baseline.load(baseline)) if baseline else model


def predict_work(
    model: Model, model_id: str | None, jobs: int = 1, baseline: str = ""
) -> Work[Outcome]:
    """Return the prediction of many files as work that a journal keeps; embeddings are not kept.

    Parameters
    ----------
    model : Model
    model_id : str, optional
        Where other processes find it.
    jobs : int
        See :func:`predict_files`.
    baseline : str
        See :func:`predict_files`.
    """
    return Work(
        name="predict",
        depends=_identity(model_id, baseline),
        each=lambda files, suspects, begin: predict_files(
            files,
            model_id,
            jobs=jobs,
            model=model,
            baseline=baseline,
            suspects=suspects,
            begin=begin,
        ),
        keep=lambda outcome: JournalEntry(outcome.file, outcome.to_dict(), error=outcome.error),
        recall=lambda record: Outcome.from_dict(record.facts),
    )


def _identity(model_id: str | None, baseline: str) -> dict[str, str]:
    """Return what the answers of a model depend on: the contents of its files."""
    bundle = open_bundle(model_id)
    config = "" if bundle.config is None else repr(sorted(bundle.config.raw.items()))
    return {
        "work": "predict",
        "records": "2",  # how answers are written down
        "graph": hashlib.sha256(bundle.graph.read_bytes()).hexdigest(),
        "config": hashlib.sha256(config.encode("utf-8", "backslashreplace")).hexdigest(),
        "baseline": hashlib.sha256(Path(baseline).read_bytes()).hexdigest() if baseline else "",
    }
