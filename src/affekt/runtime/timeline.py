"""The emotions of a whole recording over time, while it is read."""

from __future__ import annotations

from collections.abc import Iterator

from affekt.audio import AudioSource, source_name
from affekt.audio.blocks import decode_blocks
from affekt.errors import AudioError
from affekt.runtime.backends import Backend
from affekt.runtime.options import TimelineOptions
from affekt.runtime.segments import Measurement, Segment
from affekt.runtime.stream import Stream

TIMELINE_BLOCK = 10.0  # seconds that are heard at once: larger blocks are hardly faster


def timeline(
    backend: Backend, source: AudioSource, options: TimelineOptions | None = None
) -> Iterator[Segment]:
    """Yield the segments of a recording; see :meth:`affekt.Model.timeline`."""
    return (segment for _, segments in _listen(backend, source, options) for segment in segments)


def measure(
    backend: Backend, source: AudioSource, options: TimelineOptions | None = None
) -> Iterator[Measurement]:
    """Yield what is heard hop by hop; see :meth:`affekt.Model.measure`."""
    return (one for measured, _ in _listen(backend, source, options) for one in measured)


def _listen(
    backend: Backend, source: AudioSource, options: TimelineOptions | None
) -> Iterator[tuple[list[Measurement], list[Segment]]]:
    """A stream that is fed with large blocks of the recording."""
    stream = None
    for samples, rate in decode_blocks(source):
        stream = stream or Stream(backend, options, sample_rate=rate, block=TIMELINE_BLOCK)
        segments = stream.push(samples)
        yield stream.measurements, segments
    assert stream is not None  # decode_blocks refuses a recording without a sample
    if stream.duration < backend.config.minimum_duration:
        raise AudioError(
            f"{source_name(source)}: it is too short: {stream.duration:.2g} s, "
            f"the model needs {backend.config.minimum_duration:g} s"
        )
    segments = stream.flush()
    yield stream.measurements, segments
