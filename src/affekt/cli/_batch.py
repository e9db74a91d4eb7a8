"""Many recordings for `affekt predict` and `features`: with progress, in order, and resumable."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Protocol, TypeVar

from affekt.batch.journal import Journal, Work, journal
from affekt.cli._common import line_is_due, log, progress, watched
from affekt.formats.summary import moment


class _FileResult(Protocol):
    """The outcome for a file, or an error."""

    @property
    def file(self) -> str:
        """Name of the file, as the user wrote it."""

    @property
    def error(self) -> str:
        """What was wrong; empty where nothing was."""


Done = TypeVar("Done", bound=_FileResult)


def run_batch(
    work: Work[Done],
    sources: Sequence[str],
    out: Path,
    write: Callable[[Iterator[Done]], None],
    *,
    resume: bool = True,
    how: str = "give the same command again",
) -> None:
    """Do what is not done yet, keep each answer at once, then write all of them.

    Parameters
    ----------
    work : Work
    sources : sequence of str
    out : Path
        The file that ``write`` writes; its journal lies beside it until then.
    write : callable
        Takes the answers in the order of the sources.
    resume : bool
        Whether an interrupted run may be there.
    how : str
        How an interrupted run is resumed.
    """
    with journal(out, work.depends, resume=resume) as book:
        try:
            missing = [source for source in dict.fromkeys(sources) if source not in book]
            if len(missing) < len(set(sources)):
                log(f"{len(sources) - len(missing)} of {len(sources)} recordings are done already")
            found = work.each(missing, book.begun, book.begin)
            with closing(paced(found, len(missing), work.name)) as answers:
                for answer in answers:
                    book.add(work.keep(answer))
            write(_recalled(book, sources, work))
        except KeyboardInterrupt:
            if kept := book.kept():
                log(f"{kept} of {len(sources)} recordings are kept: {how} to go on")
            raise


def _recalled(book: Journal, sources: Sequence[str], work: Work[Done]) -> Iterator[Done]:
    for source in sources:
        # A file that changed while the others were processed is processed once more.
        if source in book:
            yield work.recall(book.read(source))
        else:
            yield from work.each([source], (), lambda file: None)


def in_order(
    sources: Sequence[str], answers: Generator[Done, None, None]
) -> Generator[Done, None, None]:
    """Yield the answer of each source in their order, as early as that allows."""
    early: dict[str, Done] = {}
    wanted = Counter(sources)
    with closing(answers):
        for source in sources:
            while source not in early:
                answer = next(answers)
                early[answer.file] = answer
            wanted[source] -= 1
            yield early[source] if wanted[source] else early.pop(source)
        for _ in answers:  # to its end, so that a bar goes away
            pass


def paced(
    answers: Generator[Done, None, None], total: int, name: str
) -> Generator[Done, None, None]:
    """Pass answers on; show on stderr how far they are and how long the rest will take."""
    started = reported = time.monotonic()
    failed = 0
    with closing(answers), progress(name, total, lines=False) as advance:
        for done, answer in enumerate(answers, start=1):
            failed += bool(answer.error)
            advance(1)
            yield answer
            if line_is_due(reported):
                now = time.monotonic()
                left = (now - started) / done * (total - done)
                log(f"{done} of {total} done, {failed} with errors, {_in_words(left)} left")
                reported = now


@contextmanager
def reading(
    name: str, files: Sequence[str], *, bar: bool = True
) -> Iterator[Callable[[str, float], None]]:
    """Show on stderr how far recordings are read, which may be long.

    Parameters
    ----------
    name : str
        What is done.
    files : sequence of str
        In the order in which they are read.
    bar : bool
        Whether a terminal may show a bar: not where it shows the answers as they come.

    Yields
    ------
    callable
        Call it with a file and the seconds of it that were read.
    """
    shown = bar and watched(sys.stderr)
    lengths = [_length(file) for file in files] if shown else []
    total = None if None in lengths else sum(one or 0.0 for one in lengths)
    reported = time.monotonic()
    read: dict[str, float] = {}
    with progress(name, total) if shown else nullcontext(lambda _: None) as advance:

        def on_read(file: str, seconds: float) -> None:
            nonlocal reported
            advance(max(0.0, seconds - read.get(file, 0.0)))
            read[file] = seconds
            if not line_is_due(reported):
                return
            whole, place = _length(file), moment(seconds)
            of = "" if whole is None else f" of {moment(whole)}"
            more = f", recording {len(read)} of {len(files)}" if len(files) > 1 else ""
            log(f"{name}: {place}{of} of {file} is read{more}")
            reported = time.monotonic()

        yield on_read


def _length(file: str) -> float | None:
    """Return the seconds of a recording, where its header tells them."""
    import soundfile

    if not Path(file).is_file():
        return None
    try:
        return float(soundfile.info(file).duration)
    except (RuntimeError, TypeError, OSError, ValueError):
        return None


def _in_words(seconds: float) -> str:
    if seconds < 90:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"
