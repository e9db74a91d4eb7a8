"""The emotions of a whole recording over time, while it is read."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from affekt.audio import AudioSource
from affekt.audio.check import QualityMeter
from affekt.audio.decode import Recording
from affekt.audio.load import Mono
from affekt.errors import AudioError
from affekt.results import (
    AudioQuality,
    Measurement,
    Segment,
    Track,
    mean_numbers,
    summarise_speakers,
)
from affekt.runtime.adapted import Adaptation
from affekt.runtime.backends import Backend
from affekt.runtime.options import TimelineOptions
from affekt.runtime.streaming.stream import Stream
from affekt.runtime.warnings import describe_warnings

TIMELINE_BLOCK = 10.0  # seconds that are processed at once: larger blocks are hardly faster


class Timeline(Iterator[Segment]):
    """The segments of a recording, while it is read; see :meth:`affekt.Model.timeline`.

    `track`, `to_frame`, `plot` and its picture in a notebook read what is left of it.
    """

    warnings: tuple[str, ...] = ()
    adapted: tuple[str, ...] = ()

    def __init__(
        self,
        backend: Backend,
        source: AudioSource,
        options: TimelineOptions | None = None,
        adaptation: Adaptation | None = None,
    ) -> None:
        rate = backend.config.sample_rate
        self._sound = Mono(Recording(source), rate, QualityMeter())
        found = _listen(backend, self._sound, options, adaptation)
        self._segments: Iterator[Segment] = (one for _, some in found for one in some)
        self._seen: list[Segment] = []

    def __next__(self) -> Segment:
        segment = next(self._segments)
        self._seen.append(segment)
        return segment

    def __repr__(self) -> str:
        read = f"{len(self._seen)} segments in the {self.duration:.1f} s read"
        return f"{type(self).__name__}({self._sound.name!r}, {read})"

    def _repr_html_(self) -> str:
        return self.track()._repr_html_()

    def track(self, *, rest: bool = True) -> Track:
        """Return the recording: segments, quality, warnings, speakers.

        Parameters
        ----------
        rest : bool
            Whether what is left of it is read; else it is what was read by now.

        Raises
        ------
        AudioError
            As the segments do.
        """
        if rest:
            deque(self, maxlen=0)
        segments, quality = tuple(self._seen), self.quality
        score = mean_numbers(segments, [one.duration for one in segments])["ood_score"]
        warnings = describe_warnings(quality, whole=False, ood_score=score) if quality else ()
        return Track(
            self._sound.name,
            segments,
            self.duration,
            quality=quality,
            warnings=(*warnings, *self.warnings),
            ood_score=score,
            speakers=summarise_speakers(segments, self.adapted),
        )

    def to_frame(self) -> Any:
        """Return a pandas table with a row a segment; see `affekt.formats.frame.to_frame`."""
        return self.track().to_frame()

    def plot(self, ax: Any = None) -> Any:
        """Draw the ribbon of emotions with matplotlib; see `affekt.formats.report.png.plot`.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to; by default those of a new figure.

        Returns
        -------
        matplotlib Axes
        """
        return self.track().plot(ax)

    def watch(self, on_read: Callable[[float], None]) -> None:
        """Call a function with the seconds that were read by now, again and again."""
        self._sound.on_read = on_read

    @property
    def duration(self) -> float:
        """Seconds that were read by now; all of the recording when it is done."""
        return self._sound.duration

    @property
    def quality(self) -> AudioQuality | None:
        """Level and faults of what was read by now; None before anything was."""
        return self._sound.quality() if self.duration else None


def measure(
    backend: Backend,
    source: AudioSource,
    options: TimelineOptions | None = None,
    adaptation: Adaptation | None = None,
) -> Iterator[Measurement]:
    """Yield the answer of each hop; see :meth:`affekt.Model.measure`."""
    sound = Mono(Recording(source), backend.config.sample_rate)
    found = _listen(backend, sound, options, adaptation)
    return (one for stream, _ in found for one in stream.measurements)


def _listen(
    backend: Backend, sound: Mono, options: TimelineOptions | None, adaptation: Adaptation | None
) -> Iterator[tuple[Stream, list[Segment]]]:
    """A stream over large blocks of the recording."""
    config = backend.config
    stream = Stream(
        backend,
        options,
        sample_rate=config.sample_rate,
        block=TIMELINE_BLOCK,
        adaptation=adaptation,
    )
    for samples in sound:
        segments = stream.push(samples)
        yield stream, segments
    if sound.duration < config.minimum_duration:
        raise AudioError(
            f"{sound.name}: it is too short: {sound.duration:.2g} s, "
            f"the model needs {config.minimum_duration:g} s"
        )
    yield stream, stream.flush()
