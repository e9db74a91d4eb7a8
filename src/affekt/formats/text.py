"""What the text formats share: clean words, times, and how a recording is described."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from affekt.errors import AffektError
from affekt.records import fields_of
from affekt.results import AudioQuality, Segment, Track
from affekt.runtime.domain import UNLIKE_LIMIT


def one_line(words: str) -> str:
    """Return text without line breaks, tabs and control characters, each a blank."""
    return " ".join("".join(c if c.isprintable() else " " for c in words).split(" "))


def answer(segment: Segment) -> str:
    """Return what people read of a segment: ``angry 81%``."""
    words = [f"{one_line(segment.label)} {segment.confidence:.0%}"]
    words += (f"{name} {value}" for name, value in segment.extras().items())
    return ", ".join(words)


def clock(milliseconds: int, point: str) -> str:
    """Return a time as in subtitles: ``00:01:02,345``; ``point`` is the decimal mark."""
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


def _describe_quality(quality: AudioQuality) -> str:
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
        yield f"quality: {_describe_quality(track.quality)}"
    if track.ood_score is not None:
        yield f"out-of-domain score: {track.ood_score:.2f} (limit {UNLIKE_LIMIT:g})"
    for warning in track.warnings:
        yield f"warning: {one_line(warning)}"
    if track.error:
        yield f"error: {one_line(track.error)}"


def extra_tiers(track: Track) -> dict[str, list[str]]:
    """Return the further outputs of models as text for each placed segment, by name.

    What no segment has is left out.
    """
    tiers: dict[str, list[str]] = {}
    for one in fields_of(Segment):
        if one.info.shown and any(getattr(part, one.name) is not None for part in track.segments):
            values = [getattr(part, one.name) for _, _, part in placed(track)]
            tiers[one.name] = ["" if value is None else f"{value:.4f}" for value in values]
    return tiers


def joined(warnings: Sequence[str]) -> str:
    """Return warnings as one text, as the tables write them."""
    return "; ".join(map(one_line, warnings))
