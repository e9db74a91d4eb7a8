"""``affekt timeline``: the emotions of a recording with their times."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from affekt.adapt import Baseline
from affekt.cli._batch import reading
from affekt.cli._common import (
    BaselineOption,
    ModelOption,
    OutOption,
    ThreadsOption,
    colored,
    log,
    watched,
)
from affekt.cli._inputs import FollowOption, expand, folder_error, stdin_bytes
from affekt.cli._pictures import PlotOption, ReportOption, SpeakersOption, draw, prepare_pictures
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
from affekt.errors import AudioError, ConfigError, DataError
from affekt.files import visible
from affekt.formats.json import part_line, track_line
from affekt.formats.table import Style
from affekt.formats.text import speaker_notes
from affekt.results import Segment, Track, summarise_speakers
from affekt.runtime import Model, TimelineOptions, load_model
from affekt.runtime.streaming.timeline import Timeline
from affekt.runtime.streaming.turns import TurnTimeline
from affekt.turns import Speakers, Transcript, Turn, read_transcript, with_speakers

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
    warnings: WarningsOption = False,
    report: ReportOption = None,
    plot: PlotOption = None,
    speakers: SpeakersOption = None,
    transcript: Annotated[
        Path | None,
        typer.Option(
            "--transcript",
            help="Transcript (.srt, .vtt, .json of whisper): an emotion for each sentence, written "
            "into a copy of it unless --format says otherwise.",
        ),
    ] = None,
    adapt: Annotated[
        bool,
        typer.Option(
            "--adapt/--no-adapt",
            help="Take each speaker's own baseline out of their answers, where turns are given.",
        ),
    ] = True,
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
    affekt timeline meeting.wav --speakers turns.rttm --report meeting.html;
    affekt timeline meeting.wav --transcript meeting.srt --out meeting.emotion.srt;
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
    words = None if transcript is None else _read_transcript(transcript, sources, out)
    fills = words is not None and style in (None, words.suffix) and _is_like(out, words)
    spoken = _spoken(sources, known, words)
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
    # A terminal that shows the answers as they come needs no bar.
    with reading("timeline", sources, bar=out is not None or not watched()) as on_read:
        recordings = [
            _Recording(
                recogniser,
                source,
                options,
                turns,
                "" if known is None else known.speaker_of(source),
                adapt=adapt,
                whole=words is not None,
                on_read=on_read,
            )
            for source, turns in zip(sources, spoken, strict=True)
        ]
        if words is not None and fills:
            write_lines(_transcript_lines(words, recordings[0]), out)
        elif chosen == TABLE:
            write_lines(_table_lines(recordings, recogniser, out), out)
        elif chosen == "json":
            write_lines(_json_lines(recordings), out)
        else:
            tracks = (one.track() for one in recordings)
            write_results(tracks, recogniser.labels, chosen, out, warnings=warnings)
    draw(
        recogniser,
        [one.track(one.kept) for one in recordings],
        report,
        plot,
        options=options,
        measured=all(turns is None for turns in spoken),
    )
    _close(recordings)


class _Recording:
    """One recording, whose segments come while it is read."""

    def __init__(
        self,
        model: Model,
        source: str,
        options: TimelineOptions,
        turns: Sequence[Turn] | None = None,
        speaker: str = "",
        *,
        adapt: bool = True,
        whole: bool = False,
        on_read: Callable[[str, float], None] = lambda file, seconds: None,
    ) -> None:
        self.file = source
        self.error = ""
        self.kept: list[Segment] = []
        self.answers: Mapping[int, Segment] = {}
        self._model = model
        self._options = options
        self.turns = turns
        self._speaker = speaker
        self._adapt = adapt
        self._whole = whole
        self._on_read = on_read
        self._adapted: tuple[str, ...] = ()
        self._read = Track(source)

    def segments(self) -> Iterator[Segment]:
        """Yield the segments, and keep them; afterwards the other attributes are known."""
        opened: Any = stdin_bytes() if self.file == STDIN else Path(self.file)
        run = self._run(opened)
        run.watch(partial(self._on_read, self.file))
        try:
            for segment in run:
                named = replace(segment, speaker=segment.speaker or self._speaker)
                self.kept.append(named)
                yield named
        except (AudioError, DataError) as error:
            self.error = folder_error(self.file, " ".join(str(error).split()), recursive=False)
        finally:
            self._read, self._adapted = run.track(rest=False), run.adapted
            if isinstance(run, TurnTimeline):
                self.answers = run.answers

    def _run(self, opened: Any) -> Timeline:
        if self.turns is None:
            return self._model.timeline(opened, self._options)
        ask = self._model.sentences if self._whole else self._model.timeline
        return ask(opened, options=self._options, turns=self.turns, adapt=self._adapt)

    def track(self, segments: Sequence[Segment] | None = None) -> Track:
        """Return all of it; reads it where ``segments`` are not given."""
        found = tuple(self.segments() if segments is None else segments)
        speakers = summarise_speakers(self.kept, self._adapted)
        return replace(
            self._read, file=self.file, segments=found, error=self.error, speakers=speakers
        )


def _read_transcript(path: Path, sources: Sequence[str], out: Path | None) -> Transcript:
    """Read a transcript, and refuse what could not be done with it."""
    if len(sources) != 1:
        raise ConfigError("--transcript is of one recording: name one")
    keep_recordings([str(path)], out)
    return read_transcript(path)


def _is_like(out: Path | None, words: Transcript) -> bool:
    """Return whether the name of an output says no other format than a transcript's."""
    return out is None or out.suffix.lower()[1:] in ("", "txt", words.suffix)


def _spoken(
    sources: Sequence[str], speakers: Speakers | None, words: Transcript | None
) -> list[Sequence[Turn] | None]:
    """Return the turns of each recording; None where they are not known."""
    turns: list[Sequence[Turn] | None] = [None] * len(sources)
    if speakers is not None and speakers.timed:
        alone = len(sources) == 1
        turns = [speakers.turns_of(source, alone=alone) for source in sources]
        if not any(turns) and any(speakers.turns.values()):
            raise DataError(f"{speakers.path}: it tells of none of these recordings")
    if words is not None:
        turns = [words.turns if turns[0] is None else with_speakers(words.turns, turns[0])]
    return turns


def _transcript_lines(words: Transcript, recording: _Recording) -> Iterator[str]:
    """Yield the transcript with its emotions; what was wrong goes to stderr."""
    for _ in recording.segments():
        pass
    if recording.error:
        raise AudioError(recording.error)
    yield from words.lines(recording.answers)
    for warning in recording.track(()).warnings:
        log(f"note: {warning}")


def _json_lines(recordings: Iterable[_Recording]) -> Iterator[str]:
    for recording in recordings:
        for segment in recording.segments():
            yield part_line(recording.file, segment)
        yield track_line(recording.track(()))


def _table_lines(recordings: Sequence[_Recording], model: Model, out: Path | None) -> Iterator[str]:
    style = Style(
        color=out is None and colored(), unicode=out is not None or shows_blocks(sys.stdout)
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
            yield "no sound" if recording.turns is None else "no answer"
        track = recording.track(recording.kept)
        yield from speaker_notes(track)
        yield from (f"note: {warning}" for warning in track.warnings)


def _close(recordings: Sequence[_Recording]) -> None:
    """Report the errors: a line, and the exit status."""
    errors = [one.error for one in recordings if one.error]
    if errors and len(recordings) == 1:
        raise AudioError(errors[0])
    if errors:
        log(f"error: {len(errors)} of {len(recordings)} recordings could not be read to their end")
        raise typer.Exit(1)
