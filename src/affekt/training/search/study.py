"""The memory of a search: a journal on disk that survives Ctrl-C, kills and power cuts.

Optuna keeps the journal and proposes the values (tree-structured Parzen estimator; Bergstra et
al., "Algorithms for Hyper-Parameter Optimization", 2011).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from affekt.errors import ConfigError, MissingExtraError
from affekt.files import atomic_path
from affekt.training.search.space import Space

if TYPE_CHECKING:
    import optuna
    from matplotlib.axes import Axes

JOURNAL = "journal.log"
_LOCK = "journal.lock"
_NAME = "search"
_FINGERPRINT = "fingerprint"
_STATE = "state"  # a trial without it was cut short, and does not count

STARTUP_TRIALS = 5
"""Trials that are done before any other may be given up."""

WARMUP = 25
"""No trial is given up within so many percent of its first fold."""


@contextmanager
def open_study(folder: Path, fingerprint: str) -> Iterator[optuna.Study]:
    """Open the journal in a folder, or begin one; trials that a kill cut short come again first.

    Parameters
    ----------
    folder : Path
        Made where it is missing.
    fingerprint : str
        Of recipe, space, data and seed.

    Raises
    ------
    ConfigError
        If the folder holds another search, or another process is at work in it.
    MissingExtraError
        Without the extra ``search``.
    """
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
    except ModuleNotFoundError as error:
        raise MissingExtraError("search", error.name or "optuna") from None
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file: choose another folder for the search")
    folder.mkdir(parents=True, exist_ok=True)
    talkative = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with _alone(folder):
            path = folder / JOURNAL
            _mend(path)
            backend = JournalFileBackend(str(path), JournalFileOpenLock(str(path)))
            study = optuna.create_study(
                storage=JournalStorage(backend),
                study_name=_NAME,
                direction="maximize",
                pruner=optuna.pruners.MedianPruner(STARTUP_TRIALS, WARMUP),
                load_if_exists=True,
            )
            own = study.user_attrs.get(_FINGERPRINT)
            if own is None:
                study.set_user_attr(_FINGERPRINT, fingerprint)
            elif own != fingerprint:
                raise ConfigError(
                    f"{folder} holds a search with another recipe, space, data or seed: "
                    "choose another --out, or delete it to start again"
                )
            _bring_back(study)
            yield study
    finally:
        optuna.logging.set_verbosity(talkative)


def ask(study: optuna.Study, seed: int) -> optuna.Trial:
    """Begin the next trial.

    What it tries follows from the seed and the trials before it: a search that was interrupted
    goes the way that an uninterrupted one goes.
    """
    import optuna

    done = sum(_STATE in trial.user_attrs for trial in study.get_trials(deepcopy=False))
    state = np.random.SeedSequence([seed, done]).generate_state(1)
    study.sampler = optuna.samplers.TPESampler(seed=int(state[0]))
    return study.ask()


def tell(
    study: optuna.Study,
    trial: optuna.Trial,
    state: str,
    uar: float | None,
    *,
    seconds: float = 0.0,
    note: str = "",
) -> None:
    """Record the end of a trial; see :class:`affekt.training.search.study.Trial`."""
    facts = {"uar": uar, "seconds": round(seconds, 1), "note": note, _STATE: state}
    for name, fact in facts.items():  # the state at last: with it, all is said
        trial.set_user_attr(name, fact)
    _end(study, trial.number, state, uar)


def trials_of(study: optuna.Study, space: Space) -> tuple[Trial, ...]:
    """The trials that have come to their end, in that order."""
    ended = [
        trial
        for trial in study.get_trials(deepcopy=False)
        if trial.state.is_finished() and _STATE in trial.user_attrs
    ]
    return tuple(
        Trial(
            number=number,
            state=trial.user_attrs[_STATE],
            validation_uar=trial.user_attrs["uar"],
            seconds=trial.user_attrs["seconds"],
            values=space.values_of(trial.params),
            note=trial.user_attrs["note"],
        )
        for number, trial in enumerate(ended, start=1)
    )


def _end(study: optuna.Study, number: int, state: str, uar: float | None) -> None:
    from optuna.trial import TrialState

    if state == DONE:
        study.tell(number, uar)
    else:
        study.tell(number, state=TrialState.PRUNED if state == GIVEN_UP else TrialState.FAIL)


def _bring_back(study: optuna.Study) -> None:
    """Put the values of trials that a kill or Ctrl-C cut short next in line."""
    from optuna.trial import TrialState

    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    queued = [trial.system_attrs.get("fixed_params") for trial in waiting]
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if _STATE in trial.user_attrs:  # cut short while it was written down
            _end(study, trial.number, trial.user_attrs[_STATE], trial.user_attrs["uar"])
            continue
        if trial.params and trial.params not in queued:
            study.enqueue_trial(trial.params)
        study.tell(trial.number, state=TrialState.FAIL)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other searches out of a folder; the lock goes with the process, however it ends."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with open(folder / _LOCK, "w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(f"{folder}: another search is at work there") from None
        # What is left of the journal's own lock is that of a process that was killed.
        (folder / f"{JOURNAL}.lock").unlink(missing_ok=True)
        yield


def _mend(journal: Path) -> None:
    """Cut off a last line that a power cut left half written."""
    if not journal.exists():
        return
    content = journal.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with open(journal, "r+b") as file:
            file.truncate(whole)


# --- trials ---


DONE, GIVEN_UP, FAILED = "done", "given up", "failed"


@dataclass(frozen=True)
class Trial:
    """One set of values, tried.

    Attributes
    ----------
    number : int
        Counted from 1.
    state : str
        ``"done"``, ``"given up"`` (hopeless after some epochs) or ``"failed"``.
    validation_uar : float or None
        Pooled over the folds. Of a trial that was given up, the mean of the best so far over the
        folds that had begun; None of a failed one.
    seconds : float
        Wall time; 0 where the values had been tried before.
    values : mapping of str to Any
        By dotted key.
    note : str
        Why it failed, or which trial had the same values.
    """

    number: int
    state: str
    validation_uar: float | None
    seconds: float
    values: Mapping[str, Any]
    note: str = ""


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """The best of those that are done, the first of equals; None if there is none."""
    done = [trial for trial in trials if trial.state == DONE]
    return max(done, key=lambda trial: trial.validation_uar or 0.0, default=None)


def row_of(trial: Trial) -> dict[str, Any]:
    """A trial as one row of a table, lists as their text."""
    return {
        "trial": trial.number,
        "state": trial.state,
        "validation_uar": trial.validation_uar,
        "seconds": trial.seconds,
        **{key: _plain(value) for key, value in trial.values.items()},
        "note": trial.note,
    }


def write_trials(trials: Sequence[Trial], path: Path) -> None:
    """Write one line per trial as CSV."""
    rows = [row_of(trial) for trial in trials]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with atomic_path(path) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def draw_trials(trials: Sequence[Trial], path: Path) -> None:
    """Draw the validation UAR of each trial, and the best so far."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    _dots(axes, trials, DONE, "o", "#0072b2", "trial")
    _dots(axes, trials, GIVEN_UP, "x", "#999999", "given up, best until then")
    done = [trial for trial in trials if trial.state == DONE]
    best = np.maximum.accumulate([100 * (trial.validation_uar or 0.0) for trial in done])
    axes.step(
        [trial.number for trial in done], best, where="post", color="#d55e00", label="best so far"
    )
    axes.set(xlabel="trial", ylabel="validation UAR in %")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    with atomic_path(path) as partial:
        figure.savefig(partial, dpi=150)


def _dots(
    axes: Axes, trials: Sequence[Trial], state: str, marker: str, color: str, label: str
) -> None:
    own = [trial for trial in trials if trial.state == state]
    if own:
        heights = [100 * (trial.validation_uar or 0.0) for trial in own]
        numbers = [trial.number for trial in own]
        axes.plot(numbers, heights, marker, color=color, label=label)


def _plain(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, (list, tuple, Mapping)) else value
