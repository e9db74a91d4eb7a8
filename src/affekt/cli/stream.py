"""``affekt stream``: listen to a microphone, a pipe or a file at real speed."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, TextIO

import numpy as np
import typer

from affekt.adapt import Baseline
from affekt.audio.align import Blocks
from affekt.audio.arrays import read_chunk
from affekt.audio.check import QualityMeter
from affekt.cli import _sources
from affekt.cli._common import (
    BaselineOption,
    ModelOption,
    ThreadsOption,
    colored,
    emit,
    log,
    watched,
)
from affekt.cli._common import Format as TableFormat
from affekt.cli._inputs import stdin_bytes
from affekt.cli._results import shows_blocks
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
    clock,
    prepare,
)
from affekt.errors import AudioError, ConfigError
from affekt.formats.json import part_line, track_line
from affekt.formats.table import Style, bar
from affekt.results import Measurement, Segment, Track
from affekt.runtime import Model, TimelineOptions, load_model
from affekt.runtime.warnings import describe_warnings

_DEFAULTS = TimelineOptions()


class LineFormat(str, Enum):
    """How segments are written."""

    table = "table"
    json = "json"


class Encoding(str, Enum):
    """Raw samples, by their name in FFmpeg."""

    s16le = "s16le"
    f32le = "f32le"


def command(
    mic: Annotated[
        bool, typer.Option("--mic", help="Listen to a microphone (pip install 'affekt[mic]').")
    ] = False,
    device: Annotated[
        str | None,
        typer.Option("--device", help="Its number or a part of its name.", show_default=False),
    ] = None,
    list_devices: Annotated[
        bool, typer.Option("--list-devices", help="List the microphones, and do nothing else.")
    ] = False,
    simulate: Annotated[
        Path | None, typer.Option("--simulate", help="Play a file at real speed instead.")
    ] = None,
    speed: Annotated[
        float, typer.Option("--speed", min=0.1, help="Play it so many times as fast.")
    ] = 1.0,
    rate: Annotated[
        int | None,
        typer.Option("--rate", help="stdin holds raw samples at this rate in Hz, without header."),
    ] = None,
    encoding: Annotated[
        Encoding, typer.Option("--encoding", help="How raw samples are written.")
    ] = Encoding.s16le,
    channels: Annotated[
        int, typer.Option("--channels", min=1, max=32, help="Channels of raw samples.")
    ] = 1,
    model: ModelOption = None,
    window: WindowOption = _DEFAULTS.window,
    hop: HopOption = _DEFAULTS.hop,
    smoothing: SmoothingOption = _DEFAULTS.smoothing,
    min_duration: MinDurationOption = _DEFAULTS.min_duration,
    max_pause: MaxPauseOption = _DEFAULTS.max_pause,
    threshold: ThresholdOption = None,
    vad: VadOption = Vad.auto,
    vad_threshold: VadThresholdOption = _DEFAULTS.vad_threshold,
    style: Annotated[
        LineFormat, typer.Option("--format", "-f", help="For people, or one JSON object a line.")
    ] = LineFormat.table,
    hops: Annotated[
        bool,
        typer.Option(
            "--hops",
            help="In JSON, also write the answer of each hop; provisional in the first seconds.",
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write to this new file, line by line as they come."),
    ] = None,
    baseline: BaselineOption = None,
    learn: Annotated[
        Path | None,
        typer.Option(
            "--learn",
            help="Learn the voice while listening, and write the baseline to this file at the end; "
            "one that is there already is learned on.",
        ),
    ] = None,
    threads: ThreadsOption = None,
) -> None:
    """Listen to sound as it comes, and write each segment as soon as it is final.

    Without --mic or --simulate, sound is read from stdin: wav, webm, ogg, or with --rate raw
    samples. On a terminal, a live view shows the present answer. Ctrl-C ends, and writes the
    segment in progress.

    Examples: affekt stream --mic;
    affekt stream --mic --learn me.json;
    affekt stream --simulate interview.wav;
    arecord -f S16_LE -r 16000 | affekt stream --rate 16000 --format json
    """
    if list_devices:
        emit(_sources.device_rows(), TableFormat.table)
        return
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
    if out is not None and out.exists():
        raise ConfigError(f"{out} is there already: a stream is written to a new file")
    if learn is not None and baseline is not None:
        raise ConfigError("--learn goes on from the baseline in its own file: leave out --baseline")
    name, chunks = _source(mic, device, simulate, speed, rate, encoding, channels)
    recogniser = load_model(model, threads=threads)
    known = baseline if learn is None or not learn.exists() else learn
    if known is not None:
        recogniser = recogniser.with_baseline(Baseline.load(known))
    prepare(options)
    stream_rate, converted = _sources.one_rate(chunks, name)
    to_file = out is not None and str(out) != "-"
    blocks = shows_blocks(sys.stdout)
    live = not to_file and style is LineFormat.table and watched() and blocks
    looks = Style(color=not to_file and colored(), unicode=to_file or blocks)
    stream = recogniser.stream(
        options,
        sample_rate=stream_rate,
        provisional=live or hops,
        learn=learn is not None,
    )
    # The view comes first: while it is there, it puts what goes to stdout above itself.
    with _view(live, recogniser.labels) as view, _opened(out) as target:
        lines = Lines(recogniser.labels, looks)
        writer = _Writer(target, lines, name, as_json=style is LineFormat.json, hops=hops)
        try:
            for chunk in converted:
                segments = stream.push(chunk)
                writer.measure(chunk, stream_rate)
                answers = [*stream.provisional, *stream.measurements]
                writer.write(answers, segments)
                if view is not None:
                    view.hear(chunk, stream.duration, answers, stream.open_segment)
        except AudioError as error:
            writer.error = str(error)
            raise
        finally:  # what was recognised before a fault, or before Ctrl-C, is an answer too
            segments = stream.flush()
            writer.write(stream.measurements, segments)
            writer.close(stream.duration)
            if learn is not None:
                _keep(recogniser, stream.baseline, learn)


def _keep(model: Model, baseline: Baseline | None, file: Path) -> None:
    """Write what a stream has learned."""
    if baseline is None or not baseline.count:
        log(f"{file} is not written: there was no whole window of speech to learn from")
        return
    from affekt.runtime.adapted import describe_baseline

    baseline.save(file)
    log(f"{file}: {describe_baseline(model.config, baseline)}")


def _source(
    mic: bool,
    device: str | None,
    simulate: Path | None,
    speed: float,
    rate: int | None,
    encoding: Encoding,
    channels: int,
) -> tuple[str, Blocks]:
    """The name of what is listened to, and its chunks."""
    if mic and simulate is not None:
        raise typer.BadParameter("--mic and --simulate are two sources: choose one")
    if mic or device is not None:
        return "microphone", _sources.microphone(device, rate)
    if simulate is not None:
        return str(simulate), _sources.played(simulate, speed)
    stdin = stdin_bytes()
    if stdin.isatty():
        raise typer.BadParameter("nothing to listen to: --mic, --simulate FILE, or pipe sound in")
    if rate is not None:
        return "-", _sources.raw_samples(stdin, encoding.value, rate, channels)
    return "-", _sources.piped(stdin)


class _Writer:
    """Writes segments line by line, each at once."""

    def __init__(
        self,
        target: TextIO,
        lines: Lines,
        name: str,
        *,
        as_json: bool,
        hops: bool,
    ) -> None:
        self.error = ""
        self._target = target
        self._lines = lines
        self._json = as_json
        self._name = name
        self._hops = hops
        self._meter = QualityMeter()
        self._waiting: list[np.ndarray] = []
        self._rate = 0
        self._ood_sum = self._ood_seconds = 0.0

    def write(self, measurements: Sequence[Measurement], segments: Sequence[Segment]) -> None:
        if self._json and self._hops:
            for one in measurements:
                self._line(part_line(self._name, one))
        for segment in segments:
            if segment.ood_score is not None:
                self._ood_sum += segment.ood_score * segment.duration
                self._ood_seconds += segment.duration
            line = part_line(self._name, segment) if self._json else self._lines.segment(segment)
            self._line(line)

    def measure(self, chunk: np.ndarray, rate: int) -> None:
        """Measure the quality, a second at a time: chunks may be shorter than a frame.

        Lines for people do not tell it, so that nothing is measured for them.
        """
        if not self._json:
            return
        self._rate = rate
        self._waiting.append(read_chunk(chunk, "stream"))
        if sum(map(len, self._waiting)) >= rate:
            samples = np.concatenate(self._waiting)
            whole = len(samples) // rate * rate
            for start in range(0, whole, rate):
                self._meter.push(samples[start : start + rate], rate)
            self._waiting = [samples[whole:]]

    def close(self, duration: float) -> None:
        if not self._json:
            return
        quality, score = None, self._ood_sum / self._ood_seconds if self._ood_seconds else None
        warnings: tuple[str, ...] = ()
        if duration:
            rest = np.concatenate([*self._waiting, np.zeros(0, np.float32)])
            if len(rest):
                self._meter.push(rest, self._rate)
            quality = self._meter.quality()
            warnings = tuple(describe_warnings(quality, whole=False, ood_score=score))
        track = Track(self._name, (), duration, self.error, quality, warnings, score)
        self._line(track_line(track))

    def _line(self, line: str) -> None:
        self._target.write(f"{line}\n")
        self._target.flush()


@contextmanager
def _opened(out: Path | None) -> Iterator[TextIO]:
    """Stdout, or a new file that keeps what was written on every exit."""
    if out is None or str(out) == "-":
        yield sys.stdout
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("x", encoding="utf-8") as target:
        yield target
    log(f"wrote {out}")


def _view(live: bool, labels: Sequence[str]) -> Any:
    if not live:
        return nullcontext()

    return LiveView(labels)


# --- display ---


BAR = 32  # characters
QUIETEST_DBFS = -60.0
_REFRESH = 10.0  # per second


class LiveView:
    """A view that redraws itself in place; a context manager.

    Parameters
    ----------
    labels : sequence of str
        The emotions of the model.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        from rich.live import Live
        from rich.text import Text

        self._labels = tuple(labels)
        self._lines = Lines(labels, Style())
        self._scores = dict.fromkeys(labels, 0.0)
        self._heard = "listening ..."
        self._level_dbfs = QUIETEST_DBFS
        self._duration = 0.0
        self._open: Segment | None = None
        self._live = Live(
            get_renderable=lambda: Text(self.draw()), refresh_per_second=_REFRESH, transient=True
        )

    def __enter__(self) -> LiveView:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def hear(
        self,
        chunk: np.ndarray,
        duration: float,
        measurements: Sequence[Measurement],
        open_segment: Segment | None,
    ) -> None:
        """Take what became known with a chunk ``[samples]`` or ``[samples, channels]``."""
        full_scale = np.iinfo(chunk.dtype).max if chunk.dtype.kind in "iu" else 1.0
        power = float(np.mean(np.square(chunk / full_scale))) if chunk.size else 0.0
        level = 10 * math.log10(power) if power > 0 else QUIETEST_DBFS
        # Falls slowly, as the needle of a meter does, so that a syllable can be seen.
        self._level_dbfs = max(level, self._level_dbfs - 3.0, QUIETEST_DBFS)
        self._duration = duration
        self._open = open_segment
        if measurements:
            newest = measurements[-1]
            self._scores = newest.scores
            self._heard = f"at {clock((newest.start + newest.end) / 2)}"
            if newest.provisional:
                self._heard = "so far, provisional"

    def draw(self) -> str:
        """Return the view as text, for a screen of 80 columns."""
        width = max(len(label) for label in self._labels)
        best = max(self._scores.values())
        rows = [
            f"{clock(self._duration)}  level {bar(1 - self._level_dbfs / QUIETEST_DBFS, 20)} "
            f"{self._level_dbfs:4.0f} dBFS   emotions {self._heard}",
            "",
        ]
        for label in self._labels:
            score = self._scores[label]
            mark = ">" if score == best and best > 0 else " "
            rows.append(f"{mark} {label:<{width}}  {bar(score, BAR)} {score:4.0%}")
        if self._open is not None:
            rows += ["", f"{self._lines.segment(self._open)}  ..."]
        return "\n".join(rows)
