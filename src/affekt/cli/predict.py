"""``affekt predict``: predict the emotion of each recording."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from affekt.adapt import Baseline
from affekt.cli._common import (
    BaselineOption,
    ModelOption,
    OutOption,
    ThreadsOption,
    colored,
    log,
)
from affekt.cli._inputs import FollowOption, expand, folder_error, stdin_bytes
from affekt.cli._modalities import FaceModelOption, FaceOption, Modalities, TextOption
from affekt.cli._pictures import (
    PlotOption,
    ReportOption,
    SpeakersOption,
    draw,
    prepare_pictures,
)
from affekt.cli._results import (
    STDIN,
    TABLE,
    ResultFormatOption,
    WarningsOption,
    check_places,
    chosen_format,
    keep_recordings,
    shows_blocks,
    write_lines,
    write_results,
    writes_each,
)
from affekt.errors import AudioError, ConfigError
from affekt.files import atomic_path
from affekt.results import Outcome, Prediction
from affekt.runtime import Model, load_model
from affekt.turns import Speakers

PARQUET = ".parquet"


class Adapt(str, Enum):
    """Which recordings share a voice or a room."""

    none = "none"
    speaker = "speaker"
    folder = "folder"
    all = "all"


def command(
    files: Annotated[
        list[str],
        typer.Argument(
            help="Recordings in any common format; - reads one from stdin.", show_default=False
        ),
    ],
    model: ModelOption = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Take the recordings in folders, too.")
    ] = False,
    follow: FollowOption = True,
    style: ResultFormatOption = None,
    out: OutOption = None,
    warnings: WarningsOption = False,
    report: ReportOption = None,
    plot: PlotOption = None,
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs", "-j", min=0, help="Processes, one thread each; 0: as many as there are cores."
        ),
    ] = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a run with this --out was interrupted.")
    ] = False,
    speakers: SpeakersOption = None,
    baseline: BaselineOption = None,
    adapt: Annotated[
        Adapt,
        typer.Option(
            "--adapt",
            help="Take out what recordings of one speaker (by --speakers, else by the sub-folder), "
            "of one folder, or all of them, have in common.",
        ),
    ] = Adapt.none,
    face: FaceOption = None,
    face_model: FaceModelOption = None,
    text: TextOption = None,
    threads: ThreadsOption = None,
    backend: Annotated[
        str, typer.Option("--backend", help="onnx or litert; default: what the model's file needs.")
    ] = "",
    device: Annotated[
        str, typer.Option("--device", help="cpu, cuda or tensorrt; an error where it is missing.")
    ] = "cpu",
) -> None:
    """Predict the emotion of each recording.

    Every recording gets one answer: the most probable emotion, with its calibrated probability.
    A recording that cannot be classified gets a line with its error; the others are still done, and
    the exit status is 1.

    Examples: affekt predict interview.wav;
    affekt predict *.wav --format json;
    affekt predict folder --recursive --report report.html;
    affekt predict folder --recursive --jobs 4 --resume --out answers.parquet;
    affekt predict speakers --recursive --adapt speaker;
    affekt predict talk.mp4 --face units.csv --face-model face.json
    """
    sources = expand(files, recursive=recursive, follow=follow)
    keep_recordings(sources, out)
    chosen = chosen_format(style, out, also=(PARQUET,))
    target = _Target(chosen, out, whole=style is None, warnings=warnings)
    check_places(sources, target.style, out, report, plot)
    if resume and not target.resumable:
        raise ConfigError("--resume goes on with a file: say which with --out")
    if adapt is not Adapt.none and (baseline is not None or resume):
        raise ConfigError(
            "--adapt makes baselines of the recordings themselves, all in one run: leave out "
            "--baseline and --resume"
        )
    # Before the work, not after it, when the answer would be lost.
    known = prepare_pictures(plot, speakers)
    if known is not None and known.timed:
        raise ConfigError(
            f"{speakers}: it tells of turns, and a prediction is about a whole recording: use "
            "`affekt timeline`, or a CSV with the columns file and speaker alone"
        )
    if target.parquet:
        import_module("affekt.formats.parquet").require_pyarrow()
    if jobs != 1 and (backend or device != "cpu"):
        raise ConfigError(
            "--backend and --device go with one process: leave out --jobs, or name the .tflite "
            "file itself with --model"
        )
    recogniser = load_model(model, threads=threads, backend=backend, device=device)
    if baseline is not None:
        recogniser = recogniser.with_baseline(Baseline.load(baseline))
    others = Modalities.of(recogniser, face, face_model, text)
    groups: list[str] = []
    if adapt is not Adapt.none:
        groups = _groups(adapt, sources, files, known)
        recogniser.baseline([])  # a model that knows no baselines is refused before the work
    own = "" if baseline is None else str(baseline)
    seen = _Seen(keep=report is not None or plot is not None)

    def write(outcomes: Iterable[Outcome]) -> None:
        explained = (
            replace(one, error=folder_error(one.file, one.error, recursive))
            for one in map(others.fused, outcomes)
        )
        _write(seen.watch(explained), recogniser, sources, target)

    if adapt is not Adapt.none:
        plain = _judge(recogniser, model, sources, jobs)
        write(_adapted(recogniser, plain, groups))
    elif target.resumable and (resume or len(sources) > 1) and STDIN not in sources:
        assert out is not None
        from affekt.cli._batch import run_batch
        from affekt.runtime.batch import predict_work

        work = predict_work(recogniser, model, jobs, own)
        run_batch(work, sources, out, write, resume=resume, how="add --resume")
    else:
        with closing(_judge(recogniser, model, sources, jobs, own)) as outcomes:
            write(outcomes)
    draw(recogniser, seen.outcomes, report, plot, speakers=known)
    seen.close()


@dataclass(frozen=True)
class _Target:
    """Where the answers go, and how they are written there."""

    style: str
    out: Path | None
    whole: bool  # the name of the output decides, so that it may be Parquet
    warnings: bool  # whether viewers' formats tell them

    @property
    def parquet(self) -> bool:
        return self.whole and self.out is not None and self.out.suffix.lower() == PARQUET

    @property
    def resumable(self) -> bool:
        """Whether it is one file, beside which a journal may lie."""
        if self.out is None or str(self.out) == STDIN or self.out.is_dir():
            return False
        return not writes_each(self.style, self.out)


@dataclass
class _Seen:
    """What became of the recordings: all of it for pictures, else how many failed and why."""

    keep: bool
    outcomes: list[Outcome] = field(default_factory=list)
    count: int = 0
    errors: int = 0
    last_error: str = ""

    def watch(self, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
        for outcome in outcomes:
            self.count += 1
            if outcome.error:
                self.errors += 1
                self.last_error = outcome.error
            if self.keep:
                self.outcomes.append(outcome)
            yield outcome

    def close(self) -> None:
        """Report the errors: a line, and the exit status."""
        if self.errors and self.count == 1:
            raise AudioError(self.last_error)
        if self.errors:
            log(f"error: {self.errors} of {self.count} recordings failed")
            raise typer.Exit(1)


def _judge(
    model: Model, model_id: str | None, sources: Sequence[str], jobs: int, baseline: str = ""
) -> Generator[Outcome, None, None]:
    from affekt.runtime.batch import predict_files

    if jobs != 1 and len(sources) > 1 and STDIN not in sources:
        from affekt.cli._batch import in_order

        files = list(dict.fromkeys(sources))
        outcomes = predict_files(files, model_id, jobs=jobs, model=model, baseline=baseline)
        yield from in_order(sources, outcomes)
        return
    for source in sources:
        if source == STDIN:
            answer = next(model.predict_each([stdin_bytes()]))
            if isinstance(answer, Prediction):
                yield Outcome(source, prediction=answer)
            else:
                yield Outcome(source, error=" ".join(str(answer).split()))
        else:
            yield from predict_files([source], model=model)


def _groups(
    adapt: Adapt, sources: Sequence[str], given: Sequence[str], known: Speakers | None
) -> list[str]:
    """Return, for each recording, the name of those it adapts with; empty where it has none.

    Parameters
    ----------
    adapt : Adapt
    sources : sequence of str
        The recordings.
    given : sequence of str
        What the command was given: the recordings, or folders that hold them.
    known : Speakers, optional
        Who speaks in each file, where there is a list of them.

    Raises
    ------
    ConfigError
        If the speaker is known of no recording.
    """
    if adapt is not Adapt.speaker:
        return [str(Path(one).parent) if adapt is Adapt.folder else "all" for one in sources]
    if known is not None:
        groups = [known.speaker_of(one) for one in sources]
    else:
        folders = [Path(one) for one in given if Path(one).is_dir()]
        groups = [_sub_folder(Path(one), folders) for one in sources]
    unknown = groups.count("")
    if unknown == len(groups):
        raise ConfigError(
            "--adapt speaker: the speaker is known of no recording: name a folder that holds one "
            "folder a speaker, or give a CSV with the columns file and speaker with --speakers"
        )
    if unknown:
        log(f"{unknown} of {len(groups)} recordings stay as they are: their speaker is not known")
    return groups


def _sub_folder(file: Path, folders: Sequence[Path]) -> str:
    """Return the sub-folder of one of the folders in which a file lies, at whatever depth."""
    for folder in folders:
        if file.is_relative_to(folder):
            first, *rest = file.relative_to(folder).parts
            return str(folder / first) if rest else ""
    return ""


def _adapted(
    model: Model, outcomes: Generator[Outcome, None, None], groups: Sequence[str]
) -> Iterator[Outcome]:
    """Take out of each prediction what those of its group have in common; all are read first."""
    from affekt.cli._batch import paced
    from affekt.runtime.adapted import adapt_predictions

    found = list(paced(outcomes, len(groups), "predict"))
    members: dict[str, list[int]] = {}
    for index, (outcome, group) in enumerate(zip(found, groups, strict=True)):
        if outcome.prediction is not None and group:
            members.setdefault(group, []).append(index)
    for own in members.values():
        plain = [one for index in own if (one := found[index].prediction) is not None]
        for index, one in zip(own, adapt_predictions(model.config, plain), strict=True):
            found[index] = replace(found[index], prediction=one)
    yield from found


def _write(
    outcomes: Iterator[Outcome], model: Model, sources: Sequence[str], target: _Target
) -> None:
    if target.parquet:
        assert target.out is not None
        with atomic_path(target.out) as partial:
            parquet = import_module("affekt.formats.parquet")
            parquet.write(outcomes, model.labels, partial)
    elif target.style != TABLE:
        write_results(outcomes, model.labels, target.style, target.out, warnings=target.warnings)
    else:
        _write_table(outcomes, model, sources, target.out)


def _write_table(
    outcomes: Iterator[Outcome], model: Model, sources: Sequence[str], out: Path | None
) -> None:
    if len(sources) == 1:
        outcome = next(outcomes)
        if outcome.prediction is None:
            # Its error is the command's error, not a row.
            raise AudioError(outcome.error)
        outcomes = iter([outcome])
    module = import_module("affekt.formats.table")
    look = module.Style(
        file_width=min(50, max(4, *(len(source) for source in sources))),
        color=out is None and colored(),
        unicode=out is not None or shows_blocks(sys.stdout),
    )
    write_lines(module.lines(outcomes, model.labels, look), out)
