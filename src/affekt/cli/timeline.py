"""``affekt timeline``: the emotions of a recording with their times."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from affekt.adapt import Baseline
from affekt.cli._common import BaselineOption, ModelOption, OutOption, ThreadsOption, log, watched
from affekt.cli._inputs import FollowOption, expand, stdin_bytes
from affekt.cli._pictures import PlotOption, ReportOption, SpeakersOption, draw, prepare_pictures
from affekt.cli._results import (
    STDIN,
    TABLE,
    ResultFormatOption,
    check_places,
    chosen_format,
    keep_recordings,
    shows_blocks,
    write_lines,
    write_results,
)
from affekt.cli._timeline import (
    HopOption,
    Lines,
    MaxPauseOption,
    MinDurationOption,
    SmoothingOption,
    ThresholdOption,
    Vad,
    VadOption,
    VadThresholdOption,
    WindowOption,
    prepare,
)
from affekt.errors import AudioError, ConfigError
from affekt.files import visible
from affekt.formats.json import part_line, track_line
from affekt.formats.table import Style
from affekt.results import AudioQuality, Segment, Track, mean_numbers
from affekt.runtime import Model, TimelineOptions, load_model
from affekt.runtime.warnings import describe_warnings

_DEFAULTS = TimelineOptions()


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
    window: WindowOption = _DEFAULTS.window,
    hop: HopOption = _DEFAULTS.hop,
    smoothing: SmoothingOption = _DEFAULTS.smoothing,
    min_duration: MinDurationOption = _DEFAULTS.min_duration,
    max_pause: MaxPauseOption = _DEFAULTS.max_pause,
    threshold: ThresholdOption = None,
    vad: VadOption = Vad.auto,
    vad_threshold: VadThresholdOption = _DEFAULTS.vad_threshold,
    style: ResultFormatOption = None,
    out: OutOption = None,
    report: ReportOption = None,
    plot: PlotOption = None,
    speakers: SpeakersOption = None,
    baseline: BaselineOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Give the emotions of recordings with their times.

    Segments appear while a recording is read, which may last for hours. Pauses lie between them;
    where no emotion is probable enough, a segment is 'uncertain'. A recording that cannot be read
    to its end gets a line with its error after the segments before the fault; the others are
    still done, and the exit status is 1.

    Examples: affekt timeline interview.wav;
    affekt timeline podcast.mp3 --format srt --out podcast.srt;
    affekt timeline recordings --recursive --format csv --out emotions.csv
    """
    sources = expand(files, recursive=recursive, follow=follow)
    keep_recordings(sources, out)
    chosen = chosen_format(style, out)
    if chosen == "hf":
        raise ConfigError(
            "hf holds one answer for a recording: use `affekt predict`, or another format"
        )
    check_places(sources, chosen, out, report, plot)
    known = prepare_pictures(plot, speakers)
    options = TimelineOptions(
        window=window,
        hop=hop,
        smoothing=smoothing,
        min_duration=min_duration,
        max_pause=max_pause,
        threshold=threshold,
        vad=vad.value,
        vad_threshold=vad_threshold,
    )
    recogniser = load_model(model, threads=threads)
    if baseline is not None:
        recogniser = recogniser.with_baseline(Baseline.load(baseline))
    prepare(options)
    recordings = [_Recording(recogniser, source, options) for source in sources]
    if chosen == TABLE:
        write_lines(_table_lines(recordings, recogniser, out), out)
    elif chosen == "json":
        write_lines(_json_lines(recordings), out)
    else:
        write_results((one.track() for one in recordings), recogniser.labels, chosen, out)
    draw(
        recogniser,
        [one.track(one.kept) for one in recordings],
        report,
        plot,
        options=options,
        speakers=known,
    )
    _close(recordings)


class _Recording:
    """One recording, whose segments come while it is read."""

    def __init__(self, model: Model, source: str, options: TimelineOptions) -> None:
        self.file = source
        self.error = ""
        self.duration = 0.0
        self.quality: AudioQuality | None = None
        self.kept: list[Segment] = []
        self._model = model
        self._options = options

    def segments(self) -> Iterator[Segment]:
        """Yield the segments, and keep them; afterwards the other attributes are known."""
        opened: Any = stdin_bytes() if self.file == STDIN else Path(self.file)
        run = self._model.timeline(opened, self._options)
        try:
            for segment in run:
                self.kept.append(segment)
                yield segment
        except AudioError as error:
            self.error = " ".join(str(error).split())
            if Path(self.file).is_dir():
                self.error = f"{self.file}: is a folder: add --recursive, or name its files"
        finally:
            self.duration, self.quality = run.duration, run.quality

    def track(self, segments: Sequence[Segment] | None = None) -> Track:
        """Return all of it; reads it where ``segments`` are not given."""
        found = tuple(self.segments() if segments is None else segments)
        score = mean_numbers(self.kept, [one.duration for one in self.kept])["ood_score"]
        warnings: tuple[str, ...] = ()
        if self.quality is not None:
            warnings = tuple(describe_warnings(self.quality, whole=False, ood_score=score))
        return Track(
            self.file, found, self.duration, self.error, self.quality, warnings, ood_score=score
        )


def _json_lines(recordings: Iterable[_Recording]) -> Iterator[str]:
    for recording in recordings:
        for segment in recording.segments():
            yield part_line(recording.file, segment)
        yield track_line(recording.track(()))


def _table_lines(recordings: Sequence[_Recording], model: Model, out: Path | None) -> Iterator[str]:
    style = Style(
        color=out is None and watched(), unicode=out is not None or shows_blocks(sys.stdout)
    )
    lines = Lines(model.labels, style)
    for index, recording in enumerate(recordings):
        if len(recordings) > 1:
            yield f"{chr(10) if index else ''}{visible(recording.file)}"
        with_sound = False
        for segment in recording.segments():
            with_sound = True
            yield lines.segment(segment)
        if recording.error and len(recordings) > 1:
            yield f"error: {visible(recording.error)}"
        elif not with_sound and not recording.error:
            yield "no sound"
        yield from (f"note: {warning}" for warning in recording.track(()).warnings)


def _close(recordings: Sequence[_Recording]) -> None:
    """Report the errors: a line, and the exit status."""
    errors = [one.error for one in recordings if one.error]
    if errors and len(recordings) == 1:
        raise AudioError(errors[0])
    if errors:
        log(f"error: {len(errors)} of {len(recordings)} recordings could not be read to their end")
        raise typer.Exit(1)
