"""What the text formats share: clean words, times, and how a recording is described."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from affekt.audio import AudioQuality
from affekt.errors import AffektError
from affekt.formats import Track
from affekt.runtime.domain import UNLIKE_LIMIT
from affekt.runtime.predictor import Prediction
from affekt.runtime.segments import Segment

QUALITY_COLUMNS = (
    *("rms_dbfs", "peak_dbfs", "clipped_fraction", "snr_db", "bandwidth_hz", "held_tones"),
)
"""What tables tell of a recording's quality, by the names of `AudioQuality`."""
INPUT_COLUMNS = (*QUALITY_COLUMNS, "domain_score")
"""What tables tell of a recording as input: its quality, and how unlike training data it is."""


def one_line(words: str) -> str:
    """Return text without line breaks, tabs and control characters, each a blank."""
    return " ".join("".join(c if c.isprintable() else " " for c in words).split(" "))


def answer(segment: Segment) -> str:
    """Return what people read of a segment: ``angry 81%``."""
    strength = "" if segment.intensity is None else f", intensity {segment.intensity:.0%}"
    return f"{one_line(segment.label)} {segment.confidence:.0%}{strength}"


def clock(milliseconds: int, point: str) -> str:
    """Return a time as subtitles write it: ``00:01:02,345``; ``point`` is what stands for it."""
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{rest:03}"


def placed(track: Track) -> list[tuple[int, int, Segment]]:
    """Return the segments of a track in order, their start and end in whole milliseconds.

    A segment that is shorter than what remains of a millisecond is left out.

    Raises
    ------
    AffektError
        If two overlap: subtitles and tiers hold one answer at a time.
    """
    found: list[tuple[int, int, Segment]] = []
    for segment in sorted(track.segments, key=lambda segment: (segment.start, segment.end)):
        start, end = max(0, round(1000 * segment.start)), round(1000 * segment.end)
        if found and start < found[-1][1]:
            raise AffektError(
                f"{track.file}: two segments overlap at {segment.start:g} s, and this format "
                f"holds one at a time: write json or csv"
            )
        if end > start:
            found.append((start, end, segment))
    return found


def input_fields(result: Track | Prediction) -> dict[str, float | None]:
    """Return what was measured of a recording by name, rounded; without what nobody measured."""
    fields: dict[str, float | None] = {}
    if result.quality is not None:
        digits = {"clipped_fraction": 6, "bandwidth_hz": 0, "held_tones": 4}
        for name in QUALITY_COLUMNS:
            value = getattr(result.quality, name)
            fields[name] = None if value is None else round(value, digits.get(name, 2))
    if result.domain_score is not None:
        fields["domain_score"] = round(result.domain_score, 4)
    return fields


def describe_quality(quality: AudioQuality) -> str:
    """Return the measures of a recording in words."""
    parts = [
        f"level {quality.rms_dbfs:.1f} dBFS",
        f"peak {quality.peak_dbfs:.1f} dBFS",
        f"clipped {quality.clipped_fraction:.2%}",
    ]
    if quality.snr_db is not None:
        parts.append(f"SNR {quality.snr_db:.0f} dB")
    if quality.bandwidth_hz is not None:
        parts.append(f"bandwidth {quality.bandwidth_hz:.0f} Hz")
    if quality.held_tones is not None:
        parts.append(f"tones that hold {quality.held_tones:.0%}")
    return ", ".join(parts)


def notes(track: Track) -> Iterator[str]:
    """Yield, as lines, what should be known of a recording: quality, warnings, its error."""
    if track.quality is not None:
        yield f"quality: {describe_quality(track.quality)}"
    if track.domain_score is not None:
        yield f"domain score: {track.domain_score:.2f} (limit {UNLIKE_LIMIT:g})"
    for warning in track.warnings:
        yield f"warning: {one_line(warning)}"
    if track.error:
        yield f"error: {one_line(track.error)}"


def strengths(track: Track) -> dict[str, list[str]]:
    """Return a tier ``intensity`` with a text for each segment; none where nobody says it."""
    if all(segment.intensity is None for segment in track.segments):
        return {}
    shown = [
        "" if segment.intensity is None else f"{segment.intensity:.4f}"
        for _, _, segment in placed(track)
    ]
    return {"intensity": shown}


def joined(warnings: Sequence[str]) -> str:
    """Return warnings as one text, as the tables write them."""
    return "; ".join(map(one_line, warnings))
