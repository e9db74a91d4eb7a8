"""What a report shows of one recording: waveform, sound, and emotions over time."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np

from affekt.audio import SAMPLE_RATE, decode_blocks, load_audio
from affekt.errors import AudioError
from affekt.results import (
    UNCERTAIN,
    Measurement,
    Outcome,
    Prediction,
    Segment,
    Track,
    as_track,
    summarise_speakers,
)
from affekt.runtime.options import TimelineOptions
from affekt.runtime.predictor import Model
from affekt.runtime.session import Floats

COLUMNS = 2560
"""Columns of a waveform."""
LONGEST_SOUND = 1200.0
"""What is longer is not put into a report as sound, in seconds."""
MOST_SOUND = 10_000_000
"""Bytes of sound in one report; recordings beyond it are drawn but not embedded."""
STDIN = "-"


def _nothing() -> Floats:
    return np.zeros(0, np.float32)


@dataclass(frozen=True, eq=False)
class Exhibit:
    """One recording of a report.

    Attributes
    ----------
    track : Track
        Its segments, quality and warnings, or its error.
    prediction : Prediction or None
        The prediction for all of it, where there is one.
    measurements : tuple of Measurement
        The answer of each hop.
    low, high : np.ndarray [shape=(columns,)]
        The lowest and the highest sample of each column of the waveform; empty where the
        recording is not at hand any more.
    sound : bytes
        The recording as MP3; empty where it is too long, or not at hand.
    """

    track: Track
    prediction: Prediction | None = None
    measurements: tuple[Measurement, ...] = ()
    low: Floats = field(default_factory=_nothing)
    high: Floats = field(default_factory=_nothing)
    sound: bytes = b""


def exhibits(
    model: Model,
    results: Iterable[Outcome | Track],
    options: TimelineOptions | None = None,
    speakers: Mapping[str, str] | None = None,
    *,
    sound: bool = True,
    measured: bool = True,
    on_read: Callable[[str, float], None] = lambda file, seconds: None,
) -> Iterator[Exhibit]:
    """Listen to recordings once more for a report.

    Parameters
    ----------
    model : Model
    results : iterable of Outcome or Track
        The results. A recording from stdin is gone, so that its answer alone is shown.
    options : TimelineOptions, optional
    speakers : mapping of str to str, optional
        Who speaks in a file.
    sound : bool
        Whether the report embeds sound.
    measured : bool
        Whether the answer of each hop is measured; else the segments stand for it, as where they
        are turns.
    on_read : callable
        Called with the name of a recording and the seconds of it that were read, again and again.
    """
    left = MOST_SOUND if sound else 0
    for result in results:
        shown = _exhibit(model, result, options, left, measured, partial(on_read, result.file))
        left -= len(shown.sound)
        yield _named(shown, (speakers or {}).get(result.file, ""))


def _named(shown: Exhibit, speaker: str) -> Exhibit:
    """Return an exhibit in which one person speaks, where that is known."""
    if not speaker:
        return shown
    parts = tuple(replace(one, speaker=speaker) for one in shown.track.segments)
    named = replace(shown.track, segments=parts, speakers=summarise_speakers(parts))
    return replace(shown, track=named)


def _exhibit(
    model: Model,
    result: Outcome | Track,
    options: TimelineOptions | None,
    left: int,
    measured: bool,
    on_read: Callable[[float], None],
) -> Exhibit:
    track = as_track(result)
    prediction = result.prediction if isinstance(result, Outcome) else None
    if track.file == STDIN or not track.duration:
        return Exhibit(track, prediction)
    path = Path(track.file)
    try:
        hops = model.measure(path, options) if measured else _steps(track)
        measurements = tuple(_watched(hops, on_read))
        if prediction is not None:
            track = replace(track, segments=tuple(model.timeline(path, options)))
        if track.duration > LONGEST_SOUND:
            low, high = _long_envelope(path, track.duration)
            return Exhibit(track, prediction, measurements, low, high)
        samples = load_audio(path)
    except AudioError:
        # It was readable before: that answer is shown all the same.
        return Exhibit(track, prediction)
    low, high = envelope(samples, COLUMNS)
    encoded = as_mp3(samples)
    return Exhibit(
        track, prediction, measurements, low, high, encoded if len(encoded) <= left else b""
    )


def _watched(
    hops: Iterable[Measurement], on_read: Callable[[float], None]
) -> Iterator[Measurement]:
    for hop in hops:
        on_read(hop.end)
        yield hop


def _steps(track: Track) -> Iterator[Measurement]:
    """Yield the segments of a track as measurements, cut where they overlap."""
    reached = 0.0
    for one in track.segments:
        if one.end > reached:
            start = max(one.start, reached)
            yield Measurement(start, one.end, one.label, one.confidence, one.scores)
            reached = one.end


def envelope(samples: Floats, columns: int = COLUMNS) -> tuple[Floats, Floats]:
    """Return the lowest and the highest sample of each column.

    Parameters
    ----------
    samples : np.ndarray [shape=(samples,)]
        At least one.
    columns : int
        Fewer come back for a recording with fewer samples.

    Returns
    -------
    low, high : np.ndarray [shape=(columns,)]
    """
    edges = np.linspace(0, len(samples), min(columns, len(samples)) + 1).astype(int)[:-1]
    return np.minimum.reduceat(samples, edges), np.maximum.reduceat(samples, edges)


def _long_envelope(path: Path, duration: float) -> tuple[Floats, Floats]:
    """Return the same while a long recording is read, without keeping its samples."""
    low, high = np.zeros((2, COLUMNS), np.float32)
    read = 0
    for samples, rate in decode_blocks(path):
        mono = samples if samples.ndim == 1 else samples.mean(axis=1)
        at = np.minimum((read + np.arange(len(mono))) * (COLUMNS / rate / duration), COLUMNS - 1)
        np.minimum.at(low, at.astype(int), mono)
        np.maximum.at(high, at.astype(int), mono)
        read += len(mono)
    return low, high


def as_mp3(samples: Floats) -> bytes:
    """Return samples as MP3, which every browser plays; empty where libsndfile cannot write it."""
    import soundfile

    if "MP3" not in soundfile.available_formats():
        return b""
    # The encoder begins late by a few frames that players know of; clipped sound stays clipped.
    file = io.BytesIO()
    soundfile.write(file, np.clip(samples, -1, 1), SAMPLE_RATE, format="MP3")
    return file.getvalue()


def ribbons(track: Track) -> dict[str, list[Segment]]:
    """Return the segments of a track by the row that shows them: one for each speaker."""
    rows: dict[str, list[Segment]] = {
        name: [] for name in sorted({s.speaker for s in track.segments})
    }
    for one in track.segments:
        rows[one.speaker].append(one)
    return rows or {"": []}


# --- colours ---


COLORS: Mapping[str, str] = MappingProxyType(
    {
        "angry": "#e8703a",
        "boredom": "#b0a58f",
        "calm": "#8fd0f5",
        "disgust": "#2fb592",
        "fearful": "#d99abf",
        "happy": "#f2b632",
        "neutral": "#c9c9cf",
        "sad": "#6ea8dc",
        "surprised": "#f0e442",
        UNCERTAIN: "#e9e9ee",
    }
)
OTHER = "#d8c7f0"
"""The colour of a label that is not in the palette."""
INK = "#111114"
"""Text on any of them."""


def color(label: str) -> str:
    """Return the colour of an emotion."""
    return COLORS.get(label, OTHER)
