"""The emotions of a whole recording over time, while it is read."""

from __future__ import annotations

from collections.abc import Iterator

from affekt.audio import AudioQuality, AudioSource, source_name
from affekt.audio.blocks import decode_blocks
from affekt.audio.check import QualityMeter
from affekt.errors import AudioError
from affekt.runtime.backends import Backend
from affekt.runtime.options import TimelineOptions
from affekt.runtime.segments import Measurement, Segment
from affekt.runtime.streaming.stream import Stream

TIMELINE_BLOCK = 10.0  # seconds that are heard at once: larger blocks are hardly faster


class Timeline(Iterator[Segment]):
    """The segments of a recording, while it is read; see :meth:`affekt.Model.timeline`.

    Attributes
    ----------
    duration : float
        Seconds that were read by now; all of the recording when it is done.
    quality : AudioQuality or None
        Level and faults of what was read by now; None before anything was.
    """

    def __init__(
        self, backend: Backend, source: AudioSource, options: TimelineOptions | None = None
    ) -> None:
        self.duration = 0.0
        self._meter = QualityMeter()
        self._segments = self._listen(backend, source, options)

    def __next__(self) -> Segment:
        return next(self._segments)

    @property
    def quality(self) -> AudioQuality | None:
        """Level and faults of what was read by now; None before anything was."""
        return self._meter.quality() if self.duration else None

    def _listen(
        self, backend: Backend, source: AudioSource, options: TimelineOptions | None
    ) -> Iterator[Segment]:
        for stream, segments in _listen(backend, source, options, self._meter):
            self.duration = stream.duration
            yield from segments


def measure(
    backend: Backend, source: AudioSource, options: TimelineOptions | None = None
) -> Iterator[Measurement]:
    """Yield what is heard hop by hop; see :meth:`affekt.Model.measure`."""
    return (one for stream, _ in _listen(backend, source, options) for one in stream.measurements)


def _listen(
    backend: Backend,
    source: AudioSource,
    options: TimelineOptions | None,
    meter: QualityMeter | None = None,
) -> Iterator[tuple[Stream, list[Segment]]]:
    """A stream that is fed with large blocks of the recording, and what it gave each time."""
    stream = None
    for samples, rate in decode_blocks(source):
        stream = stream or Stream(backend, options, sample_rate=rate, block=TIMELINE_BLOCK)
        if meter is not None:
            meter.push(samples, rate)
        segments = stream.push(samples)
        yield stream, segments
    assert stream is not None  # decode_blocks refuses a recording without a sample
    if stream.duration < backend.config.minimum_duration:
        raise AudioError(
            f"{source_name(source)}: it is too short: {stream.duration:.2g} s, "
            f"the model needs {backend.config.minimum_duration:g} s"
        )
    yield stream, stream.flush()
