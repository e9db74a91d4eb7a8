"""Many recordings for `affekt predict`: on several cores, with progress, and resumable."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from affekt.batch.journal import Journal, journal
from affekt.cli._common import log, progress, watched
from affekt.results import Outcome
from affekt.runtime import Model
from affekt.runtime.batch import identity, predict_files, recall, remember

SECONDS_BETWEEN_LINES = 30.0
"""How often a batch says how far it is where no terminal shows a bar."""


def run_batch(
    model: Model,
    model_id: str | None,
    sources: Sequence[str],
    out: Path,
    write: Callable[[Iterator[Outcome]], None],
    *,
    jobs: int,
    resume: bool,
) -> None:
    """Predict what is not done yet, keep each answer at once, then write all of them.

    Parameters
    ----------
    model : Model
    model_id : str, optional
        Where other processes find the model.
    sources : sequence of str
    out : Path
        The file that ``write`` writes; its journal lies beside it until then.
    write : callable
        Takes the outcomes in the order of the sources.
    jobs : int
        Processes; 0 for as many as there are cores.
    resume : bool
        Whether an interrupted run may be there.
    """
    with journal(out, identity(model_id), resume=resume) as book:
        try:
            missing = [source for source in dict.fromkeys(sources) if source not in book]
            if len(missing) < len(set(sources)):
                log(f"{len(sources) - len(missing)} of {len(sources)} recordings are done already")
            found = predict_files(
                missing, model_id, jobs=jobs, model=model, suspects=book.begun, begin=book.begin
            )
            for outcome in paced(found, len(missing)):
                remember(book, outcome)
            write(_recalled(book, sources, model))
        except KeyboardInterrupt:
            if kept := book.kept():
                log(f"{kept} of {len(sources)} recordings are kept: add --resume to go on")
            raise


def _recalled(book: Journal, sources: Sequence[str], model: Model) -> Iterator[Outcome]:
    for source in sources:
        # A file that changed while the others were classified is classified once more.
        if source in book:
            yield recall(book, source)
        else:
            yield from predict_files([source], model=model)


def in_order(sources: Sequence[str], outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
    """Yield the outcome of each source in their order, as early as that allows."""
    early: dict[str, Outcome] = {}
    wanted = Counter(sources)
    for source in sources:
        while source not in early:
            outcome = next(outcomes)
            early[outcome.file] = outcome
        wanted[source] -= 1
        yield early[source] if wanted[source] else early.pop(source)


def paced(outcomes: Iterable[Outcome], total: int) -> Iterator[Outcome]:
    """Pass outcomes on; show on stderr how far they are and how long the rest will take."""
    started = told = time.monotonic()
    failed = 0
    with progress("predict", total) as advance:
        for done, outcome in enumerate(outcomes, start=1):
            failed += bool(outcome.error)
            advance(1)
            yield outcome
            now = time.monotonic()
            if now - told >= SECONDS_BETWEEN_LINES and not watched(sys.stderr):
                left = (now - started) / done * (total - done)
                log(f"{done} of {total} done, {failed} with errors, {_in_words(left)} left")
                told = now


def _in_words(seconds: float) -> str:
    if seconds < 90:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"
